# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter access_statement: the text that an approver signs."""

from __future__ import annotations

DOCUMENTATION = r"""
name: access_statement
short_description: Write down a grant as its approver signs it
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - One form for one grant, without the path of the approval. Any other key, end or sudo rule is another text, so a signature cannot be
    moved to another grant.
positional: _input
options:
  _input:
    description: The grant.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Write what Bob signs with ssh-keygen -Y sign -n evenkeel-access -f ~/.ssh/id_ed25519 alice.json
  ansible.builtin.copy:
    content: "{{ security_baseline_access_grants[0] | evenkeel.wsgi.access_statement }}"
    dest: approvals/alice.json
    mode: "0644"
  delegate_to: localhost
  # => {\n "account": "alice",\n "approver": "Bob Roe", ...
"""

RETURN = r"""
_value:
  description: JSON with a line for each field.
  type: str
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._access.grant import statement


def access_statement(grant: t.Any) -> str:
    """Adapt the core to Jinja."""
    if not isinstance(grant, t.Mapping):
        raise AnsibleFilterError(f"evenkeel.wsgi.access_statement: a grant is a dictionary, not {grant!r}")
    return statement(grant)


class FilterModule:
    """Offer the filter to Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filter by its name."""
        return {"access_statement": access_statement}
