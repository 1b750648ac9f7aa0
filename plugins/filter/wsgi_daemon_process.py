# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter plugin: one WSGIDaemonProcess directive."""

from __future__ import annotations

DOCUMENTATION = r"""
name: wsgi_daemon_process
short_description: Write the WSGIDaemonProcess directive of one daemon group
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Writes one line in which no value can end the line, start another option or be replaced by a variable of Apache.
  - Fails for values that Apache cannot hold (control characters, C(${...})), and for options that the installed mod_wsgi does not know.
positional: _input
options:
  _input:
    description: The name of the daemon group.
    type: str
    required: true
  group:
    description: The group of a plan (C(plan.groups.NAME)), or its C(options). Numbers may be bare or with their reasons.
    type: dict
    default: {}
  options:
    description: Further options, for example C(user), C(group), C(home), C(python-home) and C(display-name). The plan's come first and win.
    type: dict
    default: {}
  version:
    description: The version of the installed mod_wsgi. Without it only options that every version knows are accepted.
    type: str
"""

EXAMPLES = r"""
- name: The line of the group shop
  ansible.builtin.debug:
    msg: >-
      {{ 'shop' | evenkeel.wsgi.wsgi_daemon_process(plan.groups.shop,
         {'user': 'shop', 'group': 'shop', 'home': '/srv/my shop', 'python-home': '/srv/shop/venv', 'display-name': '%{GROUP}'}) }}
  # WSGIDaemonProcess shop processes=2 threads=8 … user=shop group=shop home="/srv/my shop" python-home=/srv/shop/venv display-name=%{GROUP}
"""

RETURN = r"""
_value:
  description: The directive, one line without a newline.
  type: str
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.configuration import plain
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.directive import daemon_process
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError


def wsgi_daemon_process(name: Any, group: Mapping[str, Any] | None = None, options: Mapping[str, Any] | None = None, version: str | None = None) -> str:
    """Adapt the directive's writer to Jinja."""
    try:
        planned = plain((group or {}).get("options", group))
        return daemon_process(name, {**planned, **{key: value for key, value in (options or {}).items() if key not in planned}}, version)
    except (CapacityError, TypeError, AttributeError, KeyError) as exc:
        raise AnsibleFilterError(f"evenkeel.wsgi.wsgi_daemon_process: {exc}") from exc


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"wsgi_daemon_process": wsgi_daemon_process}
