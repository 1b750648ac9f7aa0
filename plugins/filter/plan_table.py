# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A capacity plan as a table for people."""

from __future__ import annotations

DOCUMENTATION = """
name: plan_table
short_description: A capacity plan as a readable table
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Renders what P(evenkeel.wsgi.capacity_plan#filter) returns as text, one line for each number with its unit and its reason.
options:
  _input:
    description: The plan.
    type: dict
    required: true
"""

EXAMPLES = """
- name: Print the plan of this host
  ansible.builtin.debug:
    msg: "{{ (ansible_facts.evenkeel_host | evenkeel.wsgi.capacity_plan | evenkeel.wsgi.plan_table).splitlines() }}"
  # Apache
  #   ServerLimit          4 processes  100 request workers / 25 threads
"""

RETURN = """
_value:
  description: The table, lines separated by newlines.
  type: str
"""

import typing as t

from ansible.errors import AnsibleFilterError


def _amount(setting: t.Mapping[str, t.Any]) -> str:
    """A value with its unit; a directive's whole argument says its units itself."""
    value = str(setting["value"])
    return value if "=" in value else f"{value} {setting['unit']}".strip()


def _section(title: str, settings: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[str]:
    """A heading and one aligned line for each setting."""
    rows = [(name, _amount(setting), setting["why"]) for name, setting in settings.items()]
    name_width = max((len(row[0]) for row in rows), default=0)
    value_width = max((len(row[1]) for row in rows), default=0)
    return ["", title] + [f"  {name:<{name_width}}  {value:<{value_width}}  {why}" for name, value, why in rows]


def plan_table(plan: t.Mapping[str, t.Any]) -> str:
    """Render a plan; the order is the plan's own."""
    try:
        lines = [f"Policy {plan['policy']}"]
        lines += _section("Prediction", plan["prediction"])
        lines += _section("Apache", plan["apache"])
        for name, group in plan["groups"].items():
            lines += _section(f"Daemon process group {name} ({group['application']}, {group['path']})", group["options"])
        for name, node in plan["celery"].items():
            lines += _section(f"Celery node {name} ({node['application']})", node["options"])
        for name, service in plan["systemd"].items():
            lines += _section(f"systemd, {name}", service)
        lines += _section("Kernel", plan["kernel"])
        lines += ["", "Memory, in MiB"] + [f"  {row['mib']:>7}  {row['item']}: {row['why']}" for row in plan["budget"]]
        for name, settings in plan["compare"]["mod_wsgi_express"].items():
            lines += ["", f"For comparison, mod_wsgi-express for {name} alone (it knows neither memory nor CPUs)"]
            lines += ["  " + ", ".join(f"{option} {setting['value']}" for option, setting in settings.items())]
        lines += [f"Warning: {warning}" for warning in plan["warnings"]]
    except (KeyError, TypeError, AttributeError) as exc:
        raise AnsibleFilterError(f"evenkeel.wsgi.plan_table: not a plan of evenkeel.wsgi.capacity_plan, it lacks {exc}") from exc
    return "\n".join(lines)


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"plan_table": plan_table}
