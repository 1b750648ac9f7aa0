# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: change_origin
short_description: Tell who runs this playbook, from where, and from which commit of the inventory
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Made for the fact C(ansible_target_log_info), which Ansible writes into a host's log with every module that it runs there. The
    playbooks of this collection set it; P(evenkeel.wsgi.change_log#callback) sets it for every other playbook, too.
  - It must be a fact, since Ansible does not evaluate a template there.
  - C(user) is the one behind sudo, C(from) the other end of the SSH session or else the controller, C(inventory) the commit of each
    inventory that is in git, with C(+changes) when files differ from it, and C(run) the run's id in the log of
    P(evenkeel.wsgi.change_log#callback) when that is enabled.
  - No path, argument or variable is in it.
options: {}
seealso:
  - plugin: evenkeel.wsgi.change_log
    plugin_type: callback
"""

EXAMPLES = r"""
- name: Tell every host who changes it
  ansible.builtin.set_fact:
    ansible_target_log_info: "{{ lookup('evenkeel.wsgi.change_origin') }}"
  run_once: true
# on the host, journalctl -g ansible-:
# user=alice from=203.0.113.7 inventory=3b8b73c2029adbaf9acb4882eb3b3c524e24f204 ansible-ansible.builtin.copy Invoked with …
"""

RETURN = r"""
_raw:
  description: One line of words C(KEY=VALUE).
  type: list
  elements: str
"""

from ansible.plugins.lookup import LookupBase
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _change_origin


class LookupModule(LookupBase):
    """Ask the controller."""

    def run(self, terms, variables=None, **_kwargs):
        return [_change_origin.origin((variables or {}).get("ansible_inventory_sources") or ())]
