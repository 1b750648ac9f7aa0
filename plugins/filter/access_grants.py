# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter access_grants: who may do what until when, checked, as the host's program takes it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: access_grants
short_description: Check grants of access and turn them into what a host enforces
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Takes the grants of role P(evenkeel.wsgi.security_baseline#role) and returns data for the program that makes accounts, keys and sudo
    rules of them and takes them back on time.
  - "Refuses, all at once, each with the variable, the value, the reason and what to write instead: a grant without owner, reason, approver
    or end; one that its own person or requester approved; one that lasts too long; a key that is weak, broken or somebody else's; a group
    that is root in disguise; a sudo rule with wildcards or one that leads to a shell; an account that the host has for something else, or
    that Ansible connects with."
positional: _input
options:
  _input:
    description: The grants, with the fields that the role documents.
    type: list
    elements: dict
    required: true
  longest_days:
    description: How long a grant may last, in days.
    type: int
    default: 90
  break_glass:
    description: The account for emergencies, with C(account), C(keys) and C(owner). Empty for none.
    type: dict
    default: {}
  automation:
    description: What Ansible logs in with, with C(account), C(keys) and C(from). Empty when it is left alone.
    type: dict
    default: {}
  second_factor:
    description: What people need beside their key.
    type: str
    choices: ["", totp, fido2]
    default: ""
  secrets:
    description: The TOTP secret of each account, in base32. It is in no message and not in the result.
    type: dict
    default: {}
  signed_only:
    description: Whether every grant needs a signed approval.
    type: bool
    default: false
  users:
    description: Accounts of the host, as the fact C(evenkeel_host.users) has them.
    type: dict
    default: {}
  connected_as:
    description: The account that Ansible connects with.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show what a grant becomes
  ansible.builtin.debug:
    msg: "{{ [grant] | evenkeel.wsgi.access_grants(longest_days=30) }}"
  vars:
    grant:
      person: Alice Doe
      account: alice
      keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEHJ8tjRBSWAtGvNLpkPM2ZpYQ5Cyv4hxMFdPdWkOTSv alice@laptop]
      sudo: [/usr/bin/systemctl restart celery]
      owner: operations
      reason: on call in week 5
      approver: Bob Roe
      start: "2027-02-01"
      expires: "2027-02-07"
  # => {"accounts": {"alice": {"person": "Alice Doe", "grants": [{"start": 1801440000, "end": 1802044800, "sudo": [{"user": "root",
  #    "command": "/usr/bin/systemctl restart celery"}], ...}]}}, "break_glass": null, "automation": {}}
"""

RETURN = r"""
_value:
  description: What the host's program takes. Times are seconds since 1970.
  type: dict
  contains:
    accounts:
      description: Each account with its person and its grants.
      type: dict
    break_glass:
      description: The account for emergencies, or null.
      type: dict
    automation:
      description: The text of C(authorized_keys) for Ansible's account, by its name, each key bound to where it comes from.
      type: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._access.grant import AccessError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._access.grants import settle


def access_grants(grants: t.Any, **options: t.Any) -> dict[str, t.Any]:
    """Adapt the core to Jinja."""
    if isinstance(grants, (str, bytes)) or not isinstance(grants, t.Sequence) or not all(isinstance(grant, t.Mapping) for grant in grants):
        raise AnsibleFilterError(f"evenkeel.wsgi.access_grants: grants are a list of dictionaries, not {grants!r}")
    try:
        return settle(grants, **options)
    except AccessError as exc:
        raise AnsibleFilterError(f"evenkeel.wsgi.access_grants: these must not be deployed:\n{exc}") from exc


class FilterModule:
    """Offer the filter to Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filter by its name."""
        return {"access_grants": access_grants}
