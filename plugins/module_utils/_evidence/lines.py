# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of the baseline in the article "Security Defaults That Save You Before You Need Them", which every control answers one of."""

from __future__ import annotations

LINES: dict[str, tuple[str, str]] = {  # key: (heading, line)
    "roles": ("Identity & Access", "Roles are least-privilege and scoped."),
    "factors": ("Identity & Access", "Strong authentication and multiple factors; break-glass account exists and is monitored."),
    "grants": ("Identity & Access", "Access grants are time-boxed and reviewed."),
    "deny": ("Network", "Deny by default; open only what's required."),
    "segments": ("Network", "Segment internal vs. external paths; control egress."),
    "transit": ("Network", "Encrypt in transit by default."),
    "at_rest": ("Data", "Encrypt at rest by default; rotate keys on a schedule."),
    "backups": ("Data", "Backups exist, are isolated, and restores are tested."),
    "sensitive": ("Data", "Access to sensitive data is logged and alerted."),
    "surface": ("Runtime / App", "Minimal surface area; healthy rate limits; sane timeouts."),
    "health": ("Runtime / App", "Health checks and circuit breakers to avoid cascading failures."),
    "defaults": ("Runtime / App", "Safe defaults for configuration; secrets never in code or logs."),
    "day_one": ("Observability", "Metrics, logs, traces on day one."),
    "alarms": ("Observability", "Alarms tuned to behaviour, with clear owners and runbooks."),
    "retention": ("Observability", "Centralized storage and practical retention."),
    "reviews": ("Process & Culture", "Reviews required for identity, network, and data changes."),
    "incidents": ("Process & Culture", "Incident channel, calm communication, and blameless postmortems."),
    "drills": ("Process & Culture", "Regular drills for recovery and access revocation."),
}
