# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test plugin: do the numbers of a plan agree with each other?"""

from __future__ import annotations

DOCUMENTATION = r"""
name: aligned
short_description: Test whether a plan or a configuration satisfies every rule
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Judges the numbers by the same rules that P(evenkeel.wsgi.capacity_plan#filter) satisfies.
  - Only rules that refuse a plan count, and of these no rule with an exception of the plan that has not expired.
positional: _input
options:
  _input:
    description: A plan, or a dictionary of the same shape with bare values. Rules whose numbers are missing are silent.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: A changed plan is judged again
  ansible.builtin.assert:
    that: plan is evenkeel.wsgi.aligned

- name: The article's bad example is not aligned
  ansible.builtin.assert:
    that: >-
      {'apache': {'ThreadsPerChild': 50, 'MaxRequestWorkers': 75},
       'groups': {'myapp': {'options': {'processes': 4, 'threads': 25}}}} is not evenkeel.wsgi.aligned
"""

RETURN = r"""
_value:
  description: Whether no rule that refuses a plan is broken.
  type: bool
"""

from typing import Any, Callable

from ansible.errors import AnsibleTemplateError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity import inputs, rules
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError


def aligned(plan: Any) -> bool:
    """Adapt the rules to Jinja."""
    try:
        config = rules.configuration(plan)
        exceptions = inputs.read_exceptions(plan.get("exceptions"))
    except (TypeError, ValueError, KeyError, AttributeError) as exc:
        raise AnsibleTemplateError(f"evenkeel.wsgi.aligned: {exc}") from exc
    try:
        rules.judge(config, exceptions)
    except CapacityError:
        return False
    except (TypeError, ValueError, ArithmeticError) as exc:
        raise AnsibleTemplateError(f"evenkeel.wsgi.aligned: {exc}") from exc
    return True


class TestModule:
    """The test of this file."""

    def tests(self) -> dict[str, Callable[..., bool]]:
        """Return the test by its name."""
        return {"aligned": aligned}
