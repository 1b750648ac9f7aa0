# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter plugin: directives of Apache's event MPM for a wanted concurrency."""

from __future__ import annotations

DOCUMENTATION = r"""
name: mpm_event
short_description: Turn wanted concurrency into directives of the event MPM that agree with each other
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - For a server without a plan. P(evenkeel.wsgi.capacity_plan#filter) computes the concurrency too, from the host and its applications.
positional: _input
options:
  _input:
    description: How many requests Apache serves at the same time, at least 1.
    type: int
    required: true
  threads_per_child:
    description: Pins C(ThreadsPerChild). By default there is about one child per CPU.
    type: int
  vcpus:
    description: CPUs of the host.
    type: float
    default: 2
"""

EXAMPLES = r"""
- name: The article's three children of fifty threads
  ansible.builtin.debug:
    msg: "{{ 150 | evenkeel.wsgi.mpm_event(threads_per_child=50) | items2dict(key_name='name', value_name='value') }}"
  # {'ServerLimit': 6, 'ThreadLimit': 50, 'ThreadsPerChild': 50, 'MaxRequestWorkers': 150, 'StartServers': 3, …}
"""

RETURN = r"""
_value:
  description: One dictionary per directive in printing order, with C(name), C(value), C(unit), C(why) and C(source).
  type: list
  elements: dict
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.event_mpm import recommend


def mpm_event(concurrency: Any, threads_per_child: Any = None, vcpus: Any = 2) -> list[dict[str, Any]]:
    """Adapt the event MPM's part of the core to Jinja."""
    try:
        found = recommend(concurrency=int(concurrency), threads_per_child=threads_per_child, vcpus=float(vcpus))
    except (CapacityError, TypeError, ValueError) as exc:
        raise AnsibleFilterError(f"evenkeel.wsgi.mpm_event: {exc}") from exc
    return [{"name": setting.name, **setting.as_dict()} for setting in found]


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"mpm_event": mpm_event}
