# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jinja's way to `_celery_applications.settle`."""

from __future__ import annotations

DOCUMENTATION = """
name: celery_applications
short_description: Check Celery applications and fill in what they leave out
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Takes the applications of role P(evenkeel.wsgi.celery_multi#role) and returns them with user, group, directory, virtualenv,
    environment and secrets.
  - Refuses a text that a unit file would read as something else, root and other users of the system, a queue that two nodes own, and a
    broker that reaches no other process.
options:
  _input:
    description: The applications.
    type: list
    elements: dict
    required: true
  fleet:
    description:
      - For each host of the inventory, and each application on it, the host that it takes to run the application's beat.
      - Two different ones, or one without the application, are refused.
    type: dict
    default: {}
"""

EXAMPLES = """
- name: An application with its defaults
  ansible.builtin.debug:
    msg: "{{ [{'name': 'shop', 'app': 'shop', 'nodes': []}] | evenkeel.wsgi.celery_applications }}"
  # [{"name": "shop", "app": "shop", "user": "shop", "directory": "/srv/shop/current", "virtualenv": "/srv/shop/current/venv", ...}]
"""

RETURN = """
_value:
  description: The same applications, complete.
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._applications import ApplicationError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._celery_applications import settle


def celery_applications(applications: t.Any, fleet: t.Any = None) -> list[dict[str, t.Any]]:
    """Adapt `settle` to Jinja."""
    try:
        return settle(applications, fleet)
    except ApplicationError as exc:
        raise AnsibleFilterError(f"evenkeel.wsgi.celery_applications: {exc}") from exc


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"celery_applications": celery_applications}
