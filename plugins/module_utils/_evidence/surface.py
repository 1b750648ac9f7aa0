# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody who got in could still do, and whether the balancer is told when a host is not well."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.host import Answer, Host
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.model import Finding, control

OPTIONS: dict[str, t.Any] = {
    "readiness_path": {"type": "str", "default": ""},
    "kernel": {"type": "dict", "default": {}},
    "container": {"type": "bool", "default": False},
    "units": {"type": "list", "elements": "str", "default": []},
    "package": {"type": "str", "default": ""},
}
EXPOSED = 3.0
"""From which value of systemd-analyze a service counts as exposed."""


def look(host: Host, wanted: t.Mapping[str, t.Any]) -> list[Finding]:
    """Look at the kernel, the services, the readiness endpoint and Apache's package."""
    found = {name: " ".join((host.read("/proc/sys/" + name.replace(".", "/")) or "").split()) for name in wanted["kernel"]}
    running = host.run("systemctl", "list-units", "--plain", "--no-legend", "--state=running", *wanted["units"]) if wanted["units"] else ""
    units = [line.split()[0] for line in running.splitlines()]
    told = host.run("systemd-analyze", "security", "--no-pager", *units) if units else ""
    exposed = {unit: float(value) for unit, value in re.findall(r"Overall exposure level for (\S+): ([\d.]+)", told)}
    policy = host.run("apt-cache", "policy", wanted["package"]) if wanted["package"] else ""
    return [
        readiness_is_told(wanted["readiness_path"], host.ask("GET", wanted["readiness_path"] or "/")),
        services_are_shut_in(exposed),
        kernel_is_hardened({name: str(value) for name, value in wanted["kernel"].items()}, found, wanted["container"]),
        apache_is_patched(dict(re.findall(r"(Installed|Candidate): (\S+)", policy))),
    ]


@control(
    line="health",
    against="a balancer that sends requests to a host that is full, broken or about to go",
    proof="a real request to the path",
    cost="a small program that asks Apache and the applications every 2 s",
    wants="200 ready, or 503 with the reason; security_baseline_surface_readiness_path names the path",
)
def readiness_is_told(path: str, answer: Answer) -> tuple[bool | None, str]:
    """Judge the endpoint: either answer is one."""
    return bool(path) and answer.status in (200, 503), f"{path or 'no path'}: {answer.status}"


@control(
    line="defaults",
    against="a taken-over service that goes on from there",
    proof="systemd-analyze security of the running units",
    cost="folders that services write to must be named",
    wants=f"{EXPOSED} or less for Apache and each node of Celery; docs/surface.md says what each open point is for",
)
def services_are_shut_in(exposed: t.Mapping[str, float]) -> tuple[bool | None, str]:
    """Judge the sandboxes. exposed: {unit: what systemd-analyze says}."""
    if not exposed:
        return None, "systemd-analyze says nothing"
    return max(exposed.values()) <= EXPOSED, ", ".join(f"{unit}: {value}" for unit, value in sorted(exposed.items()))


@control(
    line="surface",
    against="known ways from a user to root, and packets that lie about their way",
    proof="/proc/sys",
    cost="some tools for debugging need root",
    wants="the values of security_baseline_surface_kernel",
)
def kernel_is_hardened(wanted: t.Mapping[str, str], found: t.Mapping[str, str], container: bool) -> tuple[bool | None, str]:
    """Judge the kernel's settings. found: what /proc/sys says, empty for a setting that this kernel does not have."""
    other = [f"{name} is {found[name]}, not {value}" for name, value in wanted.items() if found.get(name) and found[name] != value]
    if not wanted or not any(found.values()):
        return (False, "none wanted") if not wanted else (None, "/proc/sys cannot be read")
    if other and container:
        return None, f"another machine decides: {', '.join(other)}"
    return not other, ", ".join(other) or f"{len([value for value in found.values() if value])} settings"


@control(
    line="surface",
    against="a hole in Apache that has been closed, but not here",
    proof="apt-cache policy: the installed version is the newest that the host's mirror has told of",
    cost="evenkeel.wsgi.patch on one host after the other",
    wants="the newest version: run evenkeel.wsgi.patch, which takes the host out of the balancer first",
)
def apache_is_patched(versions: t.Mapping[str, str]) -> tuple[bool | None, str]:
    """Judge Apache's version. versions: Installed and Candidate."""
    if len(versions) < 2:
        return None, "apt does not say"
    return versions["Installed"] == versions["Candidate"], f"{versions['Installed']}, the newest is {versions['Candidate']}"
