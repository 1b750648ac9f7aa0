# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an alarm reaches people, most of which is on another host."""

from __future__ import annotations

import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.host import Host
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.model import Finding, control

OPTIONS: dict[str, t.Any] = {"receiver": {"type": "bool", "default": False}}


def look(_host: Host, wanted: t.Mapping[str, t.Any]) -> list[Finding]:
    """Look at the way from an alarm to people."""
    return [alarms_are_heard(wanted["receiver"])]


@control(
    line="alarms",
    against="an alarm that nobody hears",
    proof="seen on the monitoring host only; Molecule's scenario alarms hears each one at a webhook",
    cost="a host that watches",
    wants="security_baseline_alarm_receiver, then evenkeel.wsgi.monitoring",
)
def alarms_are_heard(receiver: bool) -> tuple[bool | None, str]:
    """Judge the way from an alarm to people."""
    return (None, "an incident channel is named") if receiver else (False, "no incident channel")
