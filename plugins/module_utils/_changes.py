# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which risky inputs differ from what was applied on a host, and whether another person approved that. No Ansible in here."""

from __future__ import annotations

import hashlib
import json
import re
import typing as t

EXAMPLE = "{{topic: {topic}, reason: why, requested_by: who asks, approved_by: another person, until: {until}}}"
NAMES = ("topic", "reason", "requested_by", "approved_by", "until")
Inputs = t.Mapping[str, t.Mapping[str, t.Any]]


def fingerprint(value: t.Any) -> str:
    """Return a short name of a value; the same value has the same name, and it does not tell the value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def review(inputs: Inputs, recorded: Inputs, changes: t.Iterable[t.Mapping[str, t.Any]], today: str) -> dict[str, t.Any]:
    """Compare the wanted inputs with the recorded ones.

    inputs: {topic: {variable: value}}; recorded: {topic: {variable: fingerprint}} of what was applied last, empty on a host that is new to a
    topic; changes: records of a change with topic, reason, requested_by, approved_by and until (YYYY-MM-DD, as today).
    A variable that the record does not know came with a newer collection and counts as unchanged.

    Returns ``record``, to be kept on the host when the inputs were applied; ``changed``, {topic: [variable]}; and ``refused``, a text for each
    record that does not hold and each change without one.
    """
    wanted = {topic: {name: fingerprint(value) for name, value in variables.items()} for topic, variables in inputs.items()}
    changed = {topic: sorted(name for name, now in names.items() if recorded.get(topic, {}).get(name, now) != now) for topic, names in sorted(wanted.items())}
    changed = {topic: names for topic, names in changed.items() if names}
    refused, allowed = [], set()
    for given in changes:
        change = {name: str(given.get(name) or "").strip() for name in NAMES}  # a date without quotes is no text in YAML
        problem = _problem(change, wanted)
        if problem:
            refused.append(f"security_baseline_changes, {change['topic'] or '?'}: {problem}")
        elif change["until"] >= today:  # one that has ended is history
            allowed.add(change["topic"])
    for topic, names in changed.items():
        if topic not in allowed:
            example = EXAMPLE.format(topic=topic, until=today)
            refused.append(
                f"{', '.join(names)}: not as applied last, and no change record allows it. Let another person approve it and write into the "
                f"inventory: security_baseline_changes: [{example}]"
            )
    return {"record": {**recorded, **wanted}, "changed": changed, "refused": refused}


def _problem(change: t.Mapping[str, str], topics: t.Container[str]) -> str:
    """Why a record of a change does not hold; empty when it does."""
    for name in NAMES:
        if not change[name]:
            return f"{name} is missing"
    if change["topic"] not in topics:
        return "there is no such topic here"
    if change["requested_by"].lower() == change["approved_by"].lower():
        return f"{change['approved_by']} cannot approve an own request: another person has to"
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", change["until"]):
        return f"until is a date such as 2027-01-31, not {change['until']!r}"
    return ""
