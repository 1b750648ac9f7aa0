#!/usr/bin/python
# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask running Celery applications how they are set, and judge it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: celery_info
short_description: Ask running Celery applications how they are set, and judge it
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Loads each application as its user, asks its running nodes over its broker (C(celery inspect conf), C(active_queues) and C(stats)), and the broker itself.
  - Says which tasks are acknowledged early, which queue nobody takes from, whether the broker hands running tasks out again, what it does when its memory
    is full, and more. Each finding says what was seen and what is wanted instead.
  - RabbitMQ says how long it waits for an acknowledgement only on its own host.
  - Changes nothing.
extends_documentation_fragment:
  - evenkeel.wsgi.looks_only
  - evenkeel.wsgi.celery_application
options:
  applications:
    required: true
  timeout:
    description: Seconds that the broker and the nodes may take to answer.
    type: float
    default: 5
attributes:
  platform:
    support: full
    platforms: linux
    description: Needs systemd.
seealso:
  - module: evenkeel.wsgi.celery_nodes
"""

EXAMPLES = r"""
- name: Ask the shop
  evenkeel.wsgi.celery_info:
    applications:
      - name: shop
        app: shop
        user: shop
        group: shop
        directory: /srv/shop/current
        python: /srv/shop/current/venv/bin/python
        environment: [/etc/evenkeel/celery/shop.env, /etc/evenkeel/celery/shop.secrets]
        nodes:
          - {name: default, queues: [Q1], children: 4, held: 3000}
        owned: [Q1]
  register: asked

- name: Nothing is wrong
  ansible.builtin.assert:
    that: asked.findings | selectattr('severity', 'equalto', 'error') | length == 0
"""

RETURN = r"""
findings:
  description: What is not as it should be.
  type: list
  elements: dict
  returned: success
  contains:
    application:
      description: The application's name.
      type: str
    id:
      description: The rule's name for good.
      type: str
    severity:
      description: V(error), V(warning) or V(info).
      type: str
    saw:
      description: What was seen.
      type: str
    wants:
      description: What to have instead, and why.
      type: str
  sample:
    - application: shop
      id: celery-broker-forgets
      severity: warning
      saw: Redis has appendonly no.
      wants: "appendonly yes: without it tasks of the last seconds to minutes are lost with the broker's host."
applications:
  description: "What each application said, by its name: settings, tasks with their queues, queues, broker and running nodes. No password is among it."
  type: dict
  returned: success
"""

import dataclasses
import socket
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _celery_ask, _celery_findings


def look(module: AnsibleModule) -> dict[str, t.Any]:
    """Ask each application and judge it."""
    said: dict[str, t.Any] = {}
    found = []
    for application in module.params["applications"]:
        name, wanted = application["name"], _celery_ask.wanted(application, socket.gethostname())
        said[name] = _celery_ask.ask(module, application, application["environment"], sorted(wanted.nodes), module.params["timeout"])
        found += [{"application": name, **dataclasses.asdict(finding)} for finding in _celery_findings.judge(said[name], wanted)]
    return {"changed": False, "findings": found, "applications": said}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "applications": {"type": "list", "elements": "dict", "required": True, "options": _celery_ask.ARGUMENTS},
            "timeout": {"type": "float", "default": 5},
        },
        supports_check_mode=True,
    )
    try:
        result = look(module)
    except (_celery_ask.AskError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
