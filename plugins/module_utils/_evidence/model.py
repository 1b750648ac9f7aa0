# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a control of the security baseline is, and what its state on a host is. No Ansible and no host in here.

A control is a function that judges what was seen; the decorator gives it what the register (docs/controls.md) says of it. So no control
can be documented without a check, or checked without documentation.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

OK, UNMET, EXCEPTED, UNVERIFIABLE = "ok", "unmet", "excepted", "unverifiable"
NEAR = 14  # days before its end from which an exception warns


class EvidenceError(Exception):
    """An exception that does not hold; the text says why."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """One control on one host. state: OK, UNMET, EXCEPTED or UNVERIFIABLE; saw: what the host showed; wants: what makes it OK."""

    id: str
    state: str
    saw: str
    wants: str

    def as_dict(self) -> dict[str, str]:
        return dataclasses.asdict(self)


Judge = t.Callable[..., "tuple[bool | None, str]"]


@dataclasses.dataclass(frozen=True)
class Control:
    """One control.

    id: its name for good; topic: the file that it is in; line: a key of lines.LINES; against: what it protects from; proof: what is
    looked at on the running host; cost: what the operator or the users pay for it; wants: what makes it OK.
    """

    id: str
    topic: str
    line: str
    against: str
    proof: str
    cost: str
    wants: str
    judge: Judge

    def __call__(self, *seen: t.Any) -> Finding:
        """Judge what was seen: a yes, a no or a "cannot be seen here" (None)."""
        holds, saw = self.judge(*seen)
        return Finding(self.id, UNVERIFIABLE if holds is None else OK if holds else UNMET, saw, self.wants)


def control(*, line: str, against: str, proof: str, cost: str, wants: str) -> t.Callable[[Judge], Control]:
    """Make a control of a judging function, which has its id as name and returns (holds, what was seen)."""

    def decorate(judge: Judge) -> Control:
        return Control(judge.__name__, judge.__module__.rpartition(".")[2], line, against, proof, cost, wants, judge)

    return decorate


def excepted(
    findings: t.Iterable[Finding], exceptions: t.Iterable[t.Mapping[str, str]], today: str, controls: t.Collection[str]
) -> tuple[list[Finding], list[str]]:
    """Mark what is unmet on purpose; return the findings, and a warning for each exception that ends within NEAR days.

    exceptions: each with control, reason, owner and expires (YYYY-MM-DD, as today); controls: the ids of all that there are.

    :raises EvidenceError: one that has ended, or is for no control.
    """
    lifted, warnings = {}, []
    for one in exceptions:
        if one["control"] not in controls:
            raise EvidenceError(f"exception for {one['control']!r}: there is no such control; there are {', '.join(controls)}")
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", one["expires"]):
            raise EvidenceError(f"exception for {one['control']}: expires is a date such as 2027-01-31, not {one['expires']!r}")
        if one["expires"] < today:
            raise EvidenceError(f"exception for {one['control']} of {one['owner']} ended on {one['expires']}: meet the control, or agree on a new date")
        left = (datetime.date.fromisoformat(one["expires"]) - datetime.date.fromisoformat(today)).days
        if left <= NEAR:
            warnings.append(f"The exception for {one['control']} of {one['owner']} ends in {left} days, on {one['expires']}: meet the control until then")
        lifted[one["control"]] = one
    return [_lifted(finding, lifted.get(finding.id)) for finding in findings], warnings


def _lifted(finding: Finding, one: t.Mapping[str, str] | None) -> Finding:
    if finding.state != UNMET or not one:
        return finding
    return dataclasses.replace(finding, state=EXCEPTED, saw=f"{finding.saw}; {one['reason']} ({one['owner']}, until {one['expires']})")
