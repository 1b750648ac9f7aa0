# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the host is measured, and what the measuring found."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.host import Host
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.model import Finding, control

EVERYWHERE = ("0.0.0.0", "*", "[::]", "::")
FRESH = 120  # seconds that a text file of metrics may be old
OPTIONS: dict[str, t.Any] = {
    "ports": {"type": "list", "elements": "int", "default": []},
    "files": {"type": "list", "elements": "path", "default": []},
    "changes": {"type": "str", "default": ""},
}


def look(host: Host, wanted: t.Mapping[str, t.Any]) -> list[Finding]:
    """Look at the exporters, their files and the clock."""
    return [
        metrics_on_one_address({port: host.listeners.get(port, []) for port in wanted["ports"]}),
        metrics_are_fresh({os.path.basename(path): host.age(path) for path in wanted["files"]}),
        configuration_is_ansibles(host.read(wanted["changes"]) if wanted["changes"] else None),
        time_is_in_sync(host.run("timedatectl", "show", "--property=NTPSynchronized", "--value").strip()),
    ]


@control(
    line="day_one",
    against="a host that fails without anybody being able to see it, and metrics that strangers read",
    proof="where the exporters' ports listen",
    cost="two small processes; a network that is only for management",
    wants="every exporter listens, and on one address only; security_baseline_metrics: true",
)
def metrics_on_one_address(ports: t.Mapping[int, t.Sequence[str]]) -> tuple[bool | None, str]:
    """Judge where the exporters listen. ports: {port: addresses}."""
    saw = ", ".join(f"{address}:{port}" for port, addresses in ports.items() for address in addresses) or "nothing listens"
    return bool(ports) and all(addresses and not set(addresses) & set(EVERYWHERE) for addresses in ports.values()), saw


@control(
    line="day_one",
    against="numbers that stopped and look like peace",
    proof="age of each text file of metrics",
    cost="a look every security_baseline_metrics_interval_s; see script/bench monitoring",
    wants=f"each written within {FRESH} s; look at systemctl status 'evenkeel-*-metrics'",
)
def metrics_are_fresh(ages: t.Mapping[str, float | None]) -> tuple[bool | None, str]:
    """Judge the text files of metrics. ages: {name: seconds since it was written, None when it is not there}."""
    saw = ", ".join(f"{name}: {'missing' if age is None else f'{age:.0f} s'}" for name, age in ages.items())
    return bool(ages) and all(age is not None and age <= FRESH for age in ages.values()), saw or "none"


@control(
    line="reviews",
    against="a change by hand that no review saw and the next run undoes",
    proof="Apache's files compared with the generation's record, all the time",
    cost="none",
    wants="no file changed outside Ansible; security_baseline_metrics: true",
)
def configuration_is_ansibles(metrics: str | None) -> tuple[bool | None, str]:
    """Judge the metrics about changes. metrics: the text file; None when it is not there."""
    if metrics is None:
        return None, "nothing looks for changes"
    changed = re.findall(r'^evenkeel_changed_file\{file="([^"]*)"\} 1', metrics, re.M)
    return not changed, ", ".join(changed) or "no change"


@control(
    line="retention",
    against="logs of two hosts that cannot be put in order",
    proof="what systemd says of the clock",
    cost="none",
    wants="a service that keeps the clock right",
)
def time_is_in_sync(synchronised: str) -> tuple[bool | None, str]:
    """Judge the clock. synchronised: what timedatectl says, yes, no or nothing."""
    return {"yes": True, "no": False}.get(synchronised), f"NTPSynchronized={synchronised or '?'}"
