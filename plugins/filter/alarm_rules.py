# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter alarm_rules: alarms in, Prometheus' rules and their tests out."""

from __future__ import annotations

DOCUMENTATION = r"""
name: alarm_rules
short_description: Write alarms as rules of Prometheus, with their tests
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Refuses an alarm without an owner, a severity, a text for people or a test, and says all that is missing at once.
  - Each alarm gets a link to its runbook, a page of its name.
options:
  _input:
    description: The alarms.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Letters and digits, with a capital first.
        type: str
        required: true
      severity:
        description: Whether users are affected now, or will be.
        type: str
        choices: [critical, warning]
        required: true
      owner:
        description: Who answers for it.
        type: str
        required: true
      expr:
        description: What is wrong, in PromQL.
        type: str
        required: true
      for:
        description: How long it must last, such as V(1m).
        type: str
      says:
        description: What people read, as a template of Prometheus.
        type: str
        required: true
      runbook:
        description: URL of its page, where that is not O(runbooks)C(/NAME.md).
        type: str
      test:
        description: Series in Prometheus' test format with a value every 15 s.
        type: dict
        required: true
        suboptions:
          at:
            description: When the alarm is looked at.
            type: str
            required: true
          firing:
            description: Series and their values that raise the alarm once.
            type: dict
            required: true
          quiet:
            description: Series and their values that do not raise it.
            type: dict
            required: true
  runbooks:
    description: URL of the folder of the runbooks.
    type: str
    required: true
  rule_file:
    description: What the file of the rules is called, for the tests.
    type: str
    default: rules.yml
"""

EXAMPLES = r"""
- name: Show a rule
  ansible.builtin.debug:
    msg: "{{ [alarm] | evenkeel.wsgi.alarm_rules(runbooks='https://wiki.example.org/runbooks') }}"
  vars:
    alarm:
      name: ApacheDown
      severity: critical
      owner: operations
      expr: apache_up == 0
      says: Apache does not answer.
      test: {at: 1m, firing: {apache_up: '0x10'}, quiet: {apache_up: '1x10'}}
  # => {"rules": {"groups": [{"name": "evenkeel", "rules": [{"alert": "ApacheDown", "expr": "apache_up == 0", ...}]}]}, "tests": {...}}
"""

RETURN = r"""
_value:
  description: Both files as data.
  type: dict
  contains:
    rules:
      description: The rule file of Prometheus.
      type: dict
    tests:
      description: The file for C(promtool test rules).
      type: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _alarms as core


def alarm_rules(alarms: t.Any, runbooks: str, rule_file: str = "rules.yml") -> dict[str, t.Any]:
    """Adapt the core to Jinja."""
    if isinstance(alarms, (str, bytes)) or not isinstance(alarms, t.Sequence) or not all(isinstance(alarm, t.Mapping) for alarm in alarms):
        raise AnsibleFilterError(f"evenkeel.wsgi.alarm_rules: alarms are a list of dictionaries, not {alarms!r}")
    try:
        settled = core.settle(alarms, runbooks)
    except core.AlarmError as exc:
        raise AnsibleFilterError(f"evenkeel.wsgi.alarm_rules: {exc}") from exc
    return {"rules": core.rules(settled), "tests": core.tests(settled, rule_file)}


class FilterModule:
    """Offer the filter to Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filter by its name."""
        return {"alarm_rules": alarm_rules}
