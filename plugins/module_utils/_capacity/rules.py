# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All rules in one list, and how a configuration is judged by them.

The planner's own output must satisfy every rule; the audit runs the same list over what Apache, systemd and Celery have.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity import rules_apache, rules_celery, rules_host, rules_mod_wsgi
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.configuration import Configuration, configuration
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError, nearest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.model import RuleException
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.rule import Finding, Rule

__all__ = ["RULES", "Finding", "Rule", "check", "configuration", "judge"]

RULES: tuple[Rule, ...] = (*rules_apache.RULES, *rules_mod_wsgi.RULES, *rules_celery.RULES, *rules_host.RULES)


def check(config: Configuration) -> list[Finding]:
    """Return every breach of every rule that the configuration's policy keeps."""
    return [Finding(rule, observed) for rule in RULES if config.policy in rule.policies for observed in rule.check(config)]


def judge(config: Configuration, exceptions: Sequence[RuleException] = (), today: datetime.date | None = None) -> list[str]:
    """Return what is to be said beside a plan.

    :raises CapacityError: a rule that refuses is broken and no valid exception covers it; the message has all of them
    """
    day = (today or datetime.date.today()).isoformat()
    covered = {exception.rule: exception for exception in exceptions}
    known = [rule.id for rule in RULES]
    for index, exception in enumerate(exceptions):
        if exception.rule not in known:
            raise CapacityError(f"exceptions[{index}].rule {exception.rule!r} is not a rule. {nearest(exception.rule, known)}")
    errors: list[str] = []
    notes: list[str] = []
    used: set[str] = set()
    for finding in check(config):
        exempt = covered.get(finding.rule.id)
        if exempt is not None:
            used.add(exempt.rule)
            if exempt.expires >= day:
                notes.append(f"excepted until {exempt.expires} by {exempt.owner} ({exempt.reason}): {finding}")
                continue
        expired = f" The exception of {exempt.owner} expired on {exempt.expires}." if exempt is not None else ""
        (errors if finding.rule.refuses else notes).append(f"{finding}{expired}")
    if errors:
        raise CapacityError(
            "the plan breaks a rule:\n" + "\n".join(f"  {error}" for error in errors)
            + "\nChange the pinned number, or add an exception {rule, reason, owner, expires} for the rule."
        )  # fmt: skip
    notes += [f"the exception for {rule} is not needed: nothing breaks that rule. Remove it." for rule in covered if rule not in used]
    traded = [rule for rule in RULES if config.policy not in rule.policies and "headroom" in rule.policies]
    notes += [f"policy {config.policy} trades away {rule.id}: {rule.sentence}" for rule in traded]
    return notes
