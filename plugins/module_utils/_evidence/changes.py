# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a risky change would be noticed: the host must know what was applied last."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.host import Host
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.model import Finding, control

RISKY = ("identity", "network", "data", "trusted_proxies")
OPTIONS: dict[str, t.Any] = {"record": {"type": "path", "default": "/var/lib/evenkeel/reviewed.json"}}


def look(host: Host, wanted: t.Mapping[str, t.Any]) -> list[Finding]:
    """Look at the record."""
    return [risky_changes_are_reviewed(json.loads(host.read(wanted["record"]) or "{}"))]


@control(
    line="reviews",
    against="one person, or one stolen account, that opens a door alone",
    proof="the fingerprints on the host with which the next run compares; a run with a change and without a record of another person's approval stops",
    cost="a record in the inventory for each change of identity, network, data or trusted proxies",
    wants="a run of evenkeel.wsgi.site, which records all of " + ", ".join(RISKY),
)
def risky_changes_are_reviewed(record: t.Mapping[str, t.Mapping[str, str]]) -> tuple[bool | None, str]:
    """Judge the record. record: {topic: {variable: fingerprint}}."""
    known = [topic for topic in RISKY if topic in record]
    return len(known) == len(RISKY), f"recorded: {', '.join(known) or 'nothing'}"
