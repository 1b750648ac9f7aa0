# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Apache shows to everybody, what it logs and how it is shut in."""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.host import Answer, Host
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.model import Finding, control

OPTIONS: dict[str, t.Any] = {
    "health_path": {"type": "str", "default": ""},
    "access_log": {"type": "str", "default": ""},
    "service": {"type": "str", "default": "apache2.service"},
}


def look(host: Host, wanted: t.Mapping[str, t.Any]) -> list[Finding]:
    """Look at Apache."""
    health = host.ask("GET", wanted["health_path"] or "/")
    pid = host.main_pid(wanted["service"])
    return [
        no_version_in_answers(health),
        trace_is_refused(host.ask("TRACE", "/")),
        health_without_the_application(wanted["health_path"], health),
        access_log_is_json(bool(wanted["access_log"]), host.newest_lines(wanted["access_log"]) if wanted["access_log"] else []),
        apache_is_sandboxed(host.read(f"/proc/{pid}/status") if pid else None, host.own_mounts(pid) if pid else None),
    ]


@control(
    line="surface",
    against="a scanner that looks for one vulnerable version",
    proof="the Server header of a real answer",
    cost="none",
    wants="an answer whose Server header has no version",
)
def no_version_in_answers(answer: Answer) -> tuple[bool | None, str]:
    """Judge the Server header of any answer."""
    server = answer.headers.get("server", "")
    return answer.status > 0 and not re.search(r"\d", server), f"Server: {server}"


@control(
    line="surface",
    against="a script that reads a client's cookies out of the echo",
    proof="a real TRACE request",
    cost="none",
    wants="405 to TRACE",
)
def trace_is_refused(answer: Answer) -> tuple[bool | None, str]:
    """Judge the answer to TRACE."""
    return answer.status == 405, f"TRACE: {answer.status}"


@control(
    line="health",
    against="a balancer that takes every host out because one application is slow",
    proof="a real request to the path",
    cost="an URL path that no application can use",
    wants="200 from Apache itself; security_baseline_health_path names the path",
)
def health_without_the_application(path: str, answer: Answer) -> tuple[bool | None, str]:
    """Judge the endpoint that the balancer asks."""
    return bool(path) and answer.status == 200, f"{path or 'no path'}: {answer.status}"


@control(
    line="day_one",
    against="an incident that nobody can reconstruct",
    proof="the newest 100 lines of the log are parsed",
    cost="disk: security_baseline_log_files days",
    wants="JSON with each answer's status",
)
def access_log_is_json(wanted: bool, lines: t.Sequence[str]) -> tuple[bool | None, str]:
    """Judge the newest lines of the access log."""

    def readable(line: str) -> bool:
        try:
            return "status" in json.loads(line)
        except (ValueError, TypeError):
            return False

    if not wanted:
        return False, "security_baseline_access_log: false"
    good = sum(map(readable, lines))
    return good == len(lines) if lines else None, f"{good} of the last {len(lines)} lines are JSON"


@control(
    line="defaults",
    against="a taken-over application that changes the system",
    proof="/proc of Apache's main process",
    cost="folders that applications write to must be named in security_baseline_read_write_paths",
    wants="NoNewPrivs 1 and a mount namespace of its own; security_baseline_sandbox: true",
)
def apache_is_sandboxed(status: str | None, own_mounts: bool | None) -> tuple[bool | None, str]:
    """Judge Apache's main process. status: its /proc/PID/status; own_mounts: whether its mount namespace differs from the host's."""
    if not status:
        return False, "no main process"
    privileges = re.search(r"^NoNewPrivs:\s*(\d)", status, re.M)
    saw = f"NoNewPrivs {privileges.group(1) if privileges else '?'}, own mount namespace: {own_mounts}"
    return bool(privileges and privileges.group(1) == "1" and own_mounts), saw
