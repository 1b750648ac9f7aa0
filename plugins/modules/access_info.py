#!/usr/bin/python
# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""See who gets in and what they may do."""

from __future__ import annotations

DOCUMENTATION = r"""
module: access_info
short_description: See who gets in on a host and what they may do, with a grant or without one
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Lists every account that can log in or use sudo, as the host has it, and beside it the grants that answer for it.
  - "It reads accounts and passwords in C(/etc), asks sshd in which files it looks for each account's keys, and asks sudo for all of its
    rules. Accounts of a directory service are not listed."
extends_documentation_fragment:
  - evenkeel.wsgi.looks_only
options:
  grants:
    description: The grants of role P(evenkeel.wsgi.security_baseline#role).
    type: list
    elements: dict
    default: []
  answered:
    description: Other accounts that somebody answers for, such as the one for emergencies, with a text that says so.
    type: dict
    default: {}
attributes:
  platform:
    support: full
    platforms: linux
    description: Needs sudo's C(cvtsudoers), and root.
"""

EXAMPLES = r"""
- name: See who gets in
  evenkeel.wsgi.access_info:
    grants: "{{ security_baseline_access_grants }}"
  register: seen

- name: Nobody without a grant
  ansible.builtin.assert:
    that: seen.accounts | rejectattr('grants') | length == 0
"""

RETURN = r"""
accounts:
  description: Everybody who can log in or use sudo.
  type: list
  elements: dict
  returned: success
  contains:
    account:
      description: The account.
      type: str
    password:
      description: Whether it has a password.
      type: bool
    keys:
      description: Keys that sshd takes for it.
      type: list
      elements: str
    sudo:
      description: Commands that sudo lets it run.
      type: list
      elements: str
    ends:
      description: The day from which it is closed; null when it never is.
      type: str
    grants:
      description: Who answers for it. Empty is what a review looks for.
      type: list
      elements: dict
  sample:
    - account: alice
      password: false
      keys: [ssh-ed25519 AAAA... alice@laptop]
      sudo: [/usr/bin/systemctl restart celery]
      ends: "2027-02-08"
      grants: [{owner: operations, reason: on call in week 5, approver: Bob Roe, expires: "2027-02-07"}]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.evenkeel.wsgi.plugins.module_utils._access import review
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.host import Host


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"grants": {"type": "list", "elements": "dict", "default": []}, "answered": {"type": "dict", "default": {}}},
        supports_check_mode=True,
    )
    answered = {account: [{"reason": reason}] for account, reason in module.params["answered"].items()}
    for grant in module.params["grants"]:
        said = {name: grant.get(name) for name in ("person", "owner", "reason", "approver", "expires")}
        answered.setdefault(grant["account"], []).append(said)
    found = review.look(Host(module.run_command))
    if not found:
        module.fail_json(msg="accounts cannot be read on this host: become root")
    module.exit_json(changed=False, accounts=review.rows(found, answered))


if __name__ == "__main__":
    main()
