# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter plugin: the capacity plan of one host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: capacity_plan
short_description: Compute every number of an Apache, mod_wsgi and Celery host from what it has and what it runs
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Turns the measured host and the applications into one plan whose numbers agree with each other.
  - Every number carries its unit, its reason and the source of the reason.
  - Fails, and says what to change, where the plan does not fit into the host or a pinned number breaks a rule.
positional: _input
options:
  _input:
    description: The host as RV(evenkeel.wsgi.host_capacity_info#module:ansible_facts) gives it, C(ansible_facts.evenkeel_host).
    type: dict
    required: true
  applications:
    description: The WSGI applications, as in the variable C(mod_wsgi_daemon_applications).
    type: list
    elements: dict
    default: []
  celery:
    description: The Celery applications with their nodes, as in the variable C(celery_multi_applications).
    type: list
    elements: dict
    default: []
  load_balancer:
    description: The load balancer in front of the host, with C(idle_timeout) in seconds (default 60).
    type: dict
    default: {}
  policy:
    description:
      - V(headroom) gives Apache enough workers for requests that wait for a daemon.
      - V(matched) gives Apache exactly as many workers as the daemons have slots.
    type: str
    choices: [headroom, matched]
    default: headroom
  directives:
    description: Pinned numbers by the name of Apache's directive; everything else is computed around them.
    type: dict
    default: {}
  exceptions:
    description:
      - Rules that may be broken, each with C(rule), C(reason), C(owner) and C(expires) (a date).
      - After that date the rule refuses the plan again.
    type: list
    elements: dict
    default: []
  reserved_memory_mib:
    description: Memory for the system and for other services, in MiB. By default the plan reserves for a plain system.
    type: int
"""

EXAMPLES = r"""
- name: One application on the host that host_capacity_info measured
  ansible.builtin.set_fact:
    plan: "{{ ansible_facts.evenkeel_host | evenkeel.wsgi.capacity_plan(applications=[{'name': 'shop'}]) }}"

- name: How many requests Apache serves at the same time (176 on 2 vCPU with 4 GiB)
  ansible.builtin.debug:
    msg: "{{ plan.apache.MaxRequestWorkers.value }}: {{ plan.apache.MaxRequestWorkers.why }}"
"""

RETURN = r"""
_value:
  description:
    - The plan. Numbers are dictionaries with C(value), C(unit), C(why) and C(source), in the order in which they are printed.
    - Its keys are C(policy), C(host), C(load_balancer), C(apache), C(groups), C(celery), C(systemd), C(kernel), C(prediction),
      C(budget), C(exceptions), C(compare) and C(warnings).
  type: dict
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError


def capacity_plan(evenkeel_host: Any, **options: Any) -> dict[str, Any]:
    """Adapt the planner to Jinja."""
    # Not at the top: Ansible loads this file in every task whose variables name the filter, mostly without calling it, and the planner takes 0.1 s to load.
    from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity import inputs, plan

    try:
        return plan.make(inputs.request(evenkeel_host, **options)).as_dict()
    except (CapacityError, TypeError) as exc:
        raise AnsibleFilterError(f"evenkeel.wsgi.capacity_plan: {exc}") from exc


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"capacity_plan": capacity_plan}
