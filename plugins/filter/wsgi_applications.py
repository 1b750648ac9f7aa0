# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jinja's way to `_applications.settle`."""

from __future__ import annotations

DOCUMENTATION = """
name: wsgi_applications
short_description: Check applications and fill in what they leave out
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Takes the applications of role P(evenkeel.wsgi.mod_wsgi_daemon#role) and returns them complete, with user, group and directory.
  - Refuses a text that could inject a directive or leave its folder, and two applications that claim the same name, folder or address.
options:
  _input:
    description: The applications.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = """
- name: An application with its defaults
  ansible.builtin.debug:
    msg: "{{ [{'name': 'shop', 'server_name': 'shop.example.org', 'wsgi_script': 'shop/wsgi.py'}] | evenkeel.wsgi.wsgi_applications }}"
  # [{"name": "shop", "user": "shop", "group": "shop", "directory": "/srv/shop", "mount_point": "/", ...}]
"""

RETURN = """
_value:
  description: The same applications, complete.
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._applications import ApplicationError, settle


def wsgi_applications(applications: t.Any) -> list[dict[str, t.Any]]:
    """Adapt `settle` to Jinja."""
    try:
        return settle(applications)
    except ApplicationError as exc:
        raise AnsibleFilterError(f"evenkeel.wsgi.wsgi_applications: {exc}") from exc


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"wsgi_applications": wsgi_applications}
