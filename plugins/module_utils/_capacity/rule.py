# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rule is, and what it found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Callable

from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.configuration import Configuration

Check = Callable[[Configuration], Iterable[str]]
"""Yields one sentence per breach, about what was observed; a pure function."""
HEADROOM_ONLY = ("headroom",)
MATCHED_ONLY = ("matched",)
EVERY_POLICY = ("headroom", "matched")


@dataclass(frozen=True)
class Rule:
    """One thing that must be so, and what to do where it is not."""

    id: str
    topic: str
    """Slug of the fault in the vocabulary of the audit."""
    severity: str
    """How bad the breach is on a host that is audited: error, warning or info."""
    sentence: str
    instead: str
    source: str
    check: Check
    policies: tuple[str, ...] = EVERY_POLICY
    """Policies that keep this rule; the others trade it away on purpose."""
    refuses: bool = False
    """Whether a plan that breaks it is refused: the numbers would not do what they say."""


@dataclass(frozen=True)
class Finding:
    """One breach of a rule."""

    rule: Rule
    observed: str

    def __str__(self) -> str:
        """Say what was observed, which rule it breaks and what to do."""
        return f"{self.observed} [{self.rule.severity} {self.rule.id}] {self.rule.sentence} {self.rule.instead}"
