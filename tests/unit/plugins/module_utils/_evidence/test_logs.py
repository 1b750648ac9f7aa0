# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control of logs is ok only when the host showed it; the running host: tests/faults/test_logs.py."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence import logs as core

USAGE = "Archived and active journals take up %s in the file system.\n"
INVOKED = "run=3b8b73c2029a user=alice from=203.0.113.7 inventory=3b8b73c Invoked with owner=security_baseline user=mallory"
RULES = "-w /etc/passwd -p wa -k evenkeel-identity\n-a always,exit -S all -F path=/etc/shadow -F perm=r -F key=evenkeel-secrets\n"
KEYS = ["evenkeel-identity", "evenkeel-secrets"]
SOCKET = "0      0      10.77.1.11:51234   10.77.1.12:2514\n"


@pytest.mark.parametrize(
    ("finding", "state"),
    [
        (core.actions_are_kept(True, USAGE % "16.0M", 512), "ok"),
        (core.actions_are_kept(True, USAGE % "1.2G", 512), "unmet"),
        (core.actions_are_kept(True, USAGE % "16.0M", 0), "unmet"),
        (core.actions_are_kept(False, USAGE % "8.0M", 512), "unmet"),
        (core.changes_name_their_author(INVOKED), "ok"),
        (core.changes_name_their_author("Invoked with user=mallory from=here"), "unmet"),
        (core.changes_name_their_author(""), "unmet"),
        (core.audit_rules_are_loaded("", RULES, KEYS), "ok"),
        (core.audit_rules_are_loaded("", RULES, [*KEYS, "evenkeel-root"]), "unmet"),
        (core.audit_rules_are_loaded("", "", []), "unmet"),
        (core.audit_rules_are_loaded("docker", "", KEYS), "unverifiable"),
        (core.logs_are_forwarded(0, ""), "unmet"),
        (core.logs_are_forwarded(2514, ""), "unmet"),
        (core.logs_are_forwarded(2514, SOCKET), "ok"),
    ],
)
def test_the_state_follows_from_what_was_seen(finding, state):
    assert finding.state == state, finding
    assert finding.saw


def test_what_was_seen_names_the_author_and_the_peer():
    assert core.changes_name_their_author(INVOKED).saw == "user=alice from=203.0.113.7 inventory=3b8b73c"
    assert core.logs_are_forwarded(2514, SOCKET).saw == "connected to 10.77.1.12:2514"
