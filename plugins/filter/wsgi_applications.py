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
  - Refuses a text that could inject a directive or leave its folder, the mistakes that Apache accepts and answers with errors or with
    the wrong application, and two applications that claim the same name, user, folder, address or URL.
positional: _input
options:
  _input:
    description: The applications.
    type: list
    elements: dict
    required: true
  interpreter:
    description: Path of the Python that the host's mod_wsgi is built for.
    type: str
    default: /usr/bin/python3
  version:
    description: Its minor version, such as V(3.13). An application may name the same Python with its version.
    type: str
    default: ""
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


def wsgi_applications(applications: t.Any, interpreter: str = "/usr/bin/python3", version: str | None = None) -> list[dict[str, t.Any]]:
    """Adapt `settle` to Jinja; a host that has no such Python yet has no version."""
    try:
        return settle(applications, interpreter=interpreter, version=version or "")
    except ApplicationError as exc:
        raise AnsibleFilterError(f"evenkeel.wsgi.wsgi_applications: {exc}") from exc


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"wsgi_applications": wsgi_applications}
