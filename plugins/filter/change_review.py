# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Risky inputs against what was applied last."""

from __future__ import annotations

DOCUMENTATION = """
name: change_review
short_description: Which risky inputs changed, and whether another person approved that
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Compares inputs with the fingerprints of those that were applied on a host last.
  - A topic without fingerprints is new on the host and needs no approval.
options:
  _input:
    description: The wanted values of each topic's variables, by topic and by variable.
    type: dict
    required: true
  recorded:
    description: The fingerprints on the host, RV(evenkeel.wsgi.host_capacity_info#module:ansible_facts.evenkeel_host.reviewed).
    type: dict
    default: {}
  changes:
    description: Records of changes, each with C(topic), C(reason), C(requested_by), C(approved_by) and C(until).
    type: list
    elements: dict
    default: []
  today:
    description: Today, as C(YYYY-MM-DD).
    type: str
    required: true
"""

EXAMPLES = """
- name: Who approved the new subnet?
  ansible.builtin.assert:
    that: review.refused | length == 0
    fail_msg: "{{ review.refused | join('; ') }}"
  vars:
    review: >-
      {{ {'network': {'ports': [80, 443]}} | evenkeel.wsgi.change_review(today='2026-11-22',
         recorded=ansible_facts.evenkeel_host.reviewed, changes=security_baseline_changes) }}
# refused: ["ports: not as applied last, and no change record allows it. …"]
"""

RETURN = """
_value:
  description:
    - C(changed), the changed variables of each topic; C(refused), a text for each change that must not be applied; and C(record), the
      fingerprints to keep on the host afterwards.
  type: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._changes import review


def change_review(
    inputs: t.Any, today: str, recorded: t.Mapping[str, t.Any] | None = None, changes: t.Sequence[t.Mapping[str, t.Any]] = ()
) -> dict[str, t.Any]:
    """Adapt the core to Jinja."""
    if not isinstance(inputs, dict) or not all(isinstance(variables, dict) for variables in inputs.values()):
        raise AnsibleFilterError("evenkeel.wsgi.change_review: inputs are not {topic: {variable: value}}")
    return review(inputs, recorded or {}, changes, today)


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"change_review": change_review}
