# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter plugin: the command line of one Celery node."""

from __future__ import annotations

DOCUMENTATION = r"""
name: celery_multi_args
short_description: Write the arguments of one Celery node
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Writes the node's own arguments for C(celery worker), or for C(celery multi), where every option names its node.
  - The application (C(-A)), node name, pid file and log file belong to the unit that runs the command.
positional: _input
options:
  _input:
    description: The node of a plan (C(plan.celery.NAME)), or its C(options). Values may be bare or with their reasons.
    type: dict
    required: true
  node:
    description: The node's name.
    type: str
    required: true
  multi:
    description: Write the form of C(celery multi), for example C(--autoscale:default=4,1).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: For celery worker
  ansible.builtin.debug:
    msg: "{{ plan.celery.default | evenkeel.wsgi.celery_multi_args('default') }}"
  # ['-Q', 'Q1', '--pool=prefork', '--autoscale=4,1', '--prefetch-multiplier=1', '--time-limit=3000', …, '--loglevel=INFO']

- name: For celery multi
  ansible.builtin.debug:
    msg: "{{ plan.celery.default | evenkeel.wsgi.celery_multi_args('default', multi=true) }}"
  # ['-Q:default', 'Q1', '--pool:default=prefork', '--autoscale:default=4,1', '--time-limit:default=3000', …]
"""

RETURN = r"""
_value:
  description: The words of the command line; none needs quoting for a shell or escaping for systemd.
  type: list
  elements: str
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.celery import arguments
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError


def celery_multi_args(options: Any, node: Any, multi: bool = False) -> list[str]:
    """Adapt the node's command line to Jinja."""
    try:
        return arguments(node, options.get("options", options), multi=multi)
    except (CapacityError, TypeError, AttributeError, KeyError) as exc:
        raise AnsibleFilterError(f"evenkeel.wsgi.celery_multi_args: {exc}") from exc


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"celery_multi_args": celery_multi_args}
