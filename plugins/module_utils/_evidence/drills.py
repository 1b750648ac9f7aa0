# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what is meant for the bad day was tried. A drill's playbook leaves its success on the host."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.host import Host
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.model import Finding, control

OPTIONS: dict[str, t.Any] = {
    "due": {"type": "list", "elements": "str", "default": []},
    "directory": {"type": "path", "default": "/var/lib/evenkeel/drills"},
    "max_age_days": {"type": "int", "default": 92},
}


def look(host: Host, wanted: t.Mapping[str, t.Any]) -> list[Finding]:
    """Look at the last success of each drill that is due."""
    ages = {name: host.age(f"{wanted['directory']}/{name}.json") for name in wanted["due"]}
    took = {name: json.loads(host.read(f"{wanted['directory']}/{name}.json") or "{}").get("seconds") for name, age in ages.items() if age is not None}
    return [drills_are_run(ages, took, wanted["max_age_days"] * 86400)]


@control(
    line="drills",
    against="a way back that nobody has gone before",
    proof="the last success of each drill, which its playbook leaves on the host with the time it took",
    cost="an hour every three months; users should notice none of them",
    wants="ansible-playbook evenkeel.wsgi.drill_NAME for each, within security_baseline_drill_max_age_days; security_baseline_drills says which are due",
)
def drills_are_run(ages: t.Mapping[str, float | None], took: t.Mapping[str, float], limit_s: float) -> tuple[bool | None, str]:
    """Judge the drills. ages: {drill: seconds since its last success, None for never}; took: {drill: seconds that it took}."""

    def said(name: str, age: float | None) -> str:
        return f"{name}: never" if age is None else f"{name}: {age / 86400:.0f} days ago in {took.get(name, '?')} s"

    saw = ", ".join(said(name, age) for name, age in ages.items())
    return bool(ages) and all(age is not None and age <= limit_s for age in ages.values()), saw or "none is due"
