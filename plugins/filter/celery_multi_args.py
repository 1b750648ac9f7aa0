# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jinja's way to `_capacity.celery.arguments`."""

from __future__ import annotations

DOCUMENTATION = """
name: celery_multi_args
short_description: The command line arguments of one Celery node
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Turns the settings of a node, as P(evenkeel.wsgi.capacity_plan#filter) computes them, into arguments of C(celery worker).
  - Refuses a value that is not a plain word, so that no quoting is needed and nothing can be smuggled in.
positional: _input, name
options:
  _input:
    description: The settings, the plan's C(celery.NODE.options). Values may also be given bare.
    type: dict
    required: true
  name:
    description: The node's name.
    type: str
    required: true
  multi:
    description: Whether the arguments are for C(celery multi), where every option names its node.
    type: bool
    default: false
"""

EXAMPLES = """
- name: The arguments of one node
  ansible.builtin.debug:
    msg: "{{ {'queues': ['Q3', 'Q4'], 'autoscale': '2,1', 'time_limit': 10000} | evenkeel.wsgi.celery_multi_args('others') }}"
  # ["-Q", "Q3,Q4", "--autoscale=2,1", "--time-limit=10000"]
"""

RETURN = """
_value:
  description: The arguments, one word each.
  type: list
  elements: str
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.celery import arguments
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError


def celery_multi_args(settings: t.Any, name: str, multi: bool = False) -> list[str]:
    """Adapt `arguments` to Jinja."""
    try:
        return arguments(name, settings, multi=multi)
    except CapacityError as exc:
        raise AnsibleFilterError(f"evenkeel.wsgi.celery_multi_args: {exc}") from exc


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"celery_multi_args": celery_multi_args}
