# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a control's state is, judged from what was seen on the running host. No Ansible and no host in here."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

OK, UNMET, EXCEPTED, UNVERIFIABLE = "ok", "unmet", "excepted", "unverifiable"
EVERYWHERE = ("0.0.0.0", "*", "[::]", "::")
FRESH = 120  # seconds that a text file of metrics may be old


class EvidenceError(Exception):
    """An exception that does not hold; the text says why."""


@dataclasses.dataclass(frozen=True)
class Control:
    """One control. id: its name for good; state: OK, UNMET, EXCEPTED or UNVERIFIABLE; saw: what the host showed; wants: what makes it OK."""

    id: str
    state: str
    saw: str
    wants: str

    def as_dict(self) -> dict[str, str]:
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer over HTTP. status: 0 when there was none; headers: names in lower case."""

    status: int
    headers: t.Mapping[str, str]


def judged(control: str, holds: bool | None, saw: str, wants: str) -> Control:
    """Turn a yes, a no or a "cannot be seen here" (None) into a control."""
    return Control(control, UNVERIFIABLE if holds is None else OK if holds else UNMET, saw, wants)


def no_version_in_answers(answer: Answer) -> Control:
    """Judge the Server header of any answer."""
    server = answer.headers.get("server", "")
    return judged(
        "no_version_in_answers", answer.status > 0 and not re.search(r"\d", server), f"Server: {server}", "an answer whose Server header has no version"
    )


def trace_is_refused(answer: Answer) -> Control:
    """Judge the answer to TRACE, which would show a client's cookies to a script."""
    return judged("trace_is_refused", answer.status == 405, f"TRACE: {answer.status}", "405 to TRACE")


def health_without_the_application(path: str, answer: Answer) -> Control:
    """Judge the endpoint that the balancer asks."""
    wants = "200 from Apache itself; security_baseline_health_path names the path"
    return judged("health_without_the_application", bool(path) and answer.status == 200, f"{path or 'no path'}: {answer.status}", wants)


def access_log_is_json(wanted: bool, lines: t.Sequence[str]) -> Control:
    """Judge the newest lines of the access log."""

    def readable(line: str) -> bool:
        try:
            return "status" in json.loads(line)
        except (ValueError, TypeError):
            return False

    good = sum(map(readable, lines))
    saw = f"{good} of the last {len(lines)} lines are JSON" if wanted else "security_baseline_access_log: false"
    return judged("access_log_is_json", (good == len(lines) if lines else None) if wanted else False, saw, "JSON with each answer's status")


def apache_is_sandboxed(status: str | None, own_mounts: bool | None) -> Control:
    """Judge Apache's main process. status: its /proc/PID/status; own_mounts: whether its mount namespace differs from the host's."""
    wants = "NoNewPrivs 1 and a mount namespace of its own; security_baseline_sandbox: true"
    if not status:
        return judged("apache_is_sandboxed", False, "no main process", wants)
    privileges = re.search(r"^NoNewPrivs:\s*(\d)", status, re.M)
    saw = f"NoNewPrivs {privileges.group(1) if privileges else '?'}, own mount namespace: {own_mounts}"
    return judged("apache_is_sandboxed", bool(privileges and privileges.group(1) == "1" and own_mounts), saw, wants)


def metrics_on_one_address(ports: t.Mapping[int, t.Sequence[str]]) -> Control:
    """Judge where the exporters listen. ports: {port: addresses}."""
    saw = ", ".join(f"{address}:{port}" for port, addresses in ports.items() for address in addresses) or "nothing listens"
    holds = bool(ports) and all(addresses and not set(addresses) & set(EVERYWHERE) for addresses in ports.values())
    return judged("metrics_on_one_address", holds, saw, "every exporter listens, and on one address only; security_baseline_metrics: true")


def metrics_are_fresh(ages: t.Mapping[str, float | None]) -> Control:
    """Judge the text files of metrics. ages: {name: seconds since it was written, None when it is not there}."""
    saw = ", ".join(f"{name}: {'missing' if age is None else f'{age:.0f} s'}" for name, age in ages.items())
    holds = bool(ages) and all(age is not None and age <= FRESH for age in ages.values())
    return judged("metrics_are_fresh", holds, saw or "none", f"each written within {FRESH} s; look at systemctl list-timers 'evenkeel-*'")


def configuration_is_ansibles(metrics: str | None) -> Control:
    """Judge the metrics about changes. metrics: the text file; None when it is not there."""
    if metrics is None:
        return judged("configuration_is_ansibles", None, "nothing looks for changes", "security_baseline_metrics: true")
    changed = re.findall(r'^evenkeel_changed_file\{file="([^"]*)"\} 1', metrics, re.M)
    return judged("configuration_is_ansibles", not changed, ", ".join(changed) or "no change", "no file changed outside Ansible")


def alarms_are_heard(receiver: bool) -> Control:
    """Judge the way from an alarm to people, most of which is on another host."""
    if not receiver:
        return judged("alarms_are_heard", False, "no incident channel", "security_baseline_alarm_receiver, then evenkeel.wsgi.monitoring")
    return judged("alarms_are_heard", None, "an incident channel is named", "seen on the monitoring host only")


def time_is_in_sync(synchronised: str) -> Control:
    """Judge the clock. synchronised: what timedatectl says, yes, no or nothing."""
    holds = {"yes": True, "no": False}.get(synchronised)
    return judged("time_is_in_sync", holds, f"NTPSynchronized={synchronised or '?'}", "a service that keeps the clock right")


def excepted(controls: t.Iterable[Control], exceptions: t.Iterable[t.Mapping[str, str]], today: str) -> list[Control]:
    """Mark the unmet controls that somebody lifted on purpose. exceptions: control, reason, owner, expires (YYYY-MM-DD, as today)."""
    controls = list(controls)
    lifted = {}
    for one in exceptions:
        if one["control"] not in {control.id for control in controls}:
            raise EvidenceError(f"exception for {one['control']!r}: there is no such control; there are {', '.join(control.id for control in controls)}")
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", one["expires"]):
            raise EvidenceError(f"exception for {one['control']}: expires is a date such as 2027-01-31, not {one['expires']!r}")
        if one["expires"] < today:
            raise EvidenceError(f"exception for {one['control']} of {one['owner']} ended on {one['expires']}: meet the control, or agree on a new date")
        lifted[one["control"]] = one
    return [_lifted(control, lifted.get(control.id)) for control in controls]


def _lifted(control: Control, one: t.Mapping[str, str] | None) -> Control:
    if control.state != UNMET or not one:
        return control
    return dataclasses.replace(control, state=EXCEPTED, saw=f"{control.saw}; {one['reason']} ({one['owner']}, until {one['expires']})")
