#!/usr/bin/python
# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: apache_config
short_description: Apply a whole Apache configuration, proven or rolled back
"""
RETURN = ""
EXAMPLES = ""

from dataclasses import fields

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.errors import ApacheConfigError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.job import Request, execute
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.layout import Layout


def layout_spec():
    return {item.name: {"type": "str", "default": item.default} for item in fields(Layout)}


def main():
    module = AnsibleModule(
        argument_spec={
            "owners": {"type": "dict", "default": {}},
            "probes": {
                "type": "list", "elements": "dict", "default": [],
                "options": {
                    "url": {"type": "str", "required": True},
                    "host": {"type": "str"},
                    "status": {"type": "list", "elements": "int", "default": [200]},
                    "contains": {"type": "str"},
                },
            },
            "expect": {
                "type": "dict", "default": {},
                "options": {name: {"type": "int"} for name in ("MaxRequestWorkers", "ServerLimit", "ThreadsPerChild")},
            },
            "status_address": {"type": "str", "default": "127.0.0.1:8090"},
            "state": {"type": "str", "choices": ["applied", "previous", "removed"], "default": "applied"},
            "generation": {"type": "int"},
            "keep": {"type": "int", "default": 5},
            "service_state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
            "timeout": {"type": "int", "default": 30},
            "layout": {"type": "dict", "default": {}, "options": layout_spec()},
        },
        supports_check_mode=True,
    )
    params = module.params
    request = Request(check_mode=module.check_mode, probes=tuple(params["probes"]),
                      **{name: params[name] for name in ("owners", "expect", "status_address", "state", "generation", "keep", "service_state", "timeout")})
    try:
        result = execute(request, Layout(**(params["layout"] or {})))
    except ApacheConfigError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    for text in result.pop("warnings"):
        module.warn(text)
    if not module._diff:
        result.pop("diff")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
