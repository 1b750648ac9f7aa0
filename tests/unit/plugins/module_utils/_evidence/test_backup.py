# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup counts when it is recent, its last run did not fail, and it was restored; without a repository nothing does."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence import backup as core

NOW, LIMIT = 1_000_000.0, 3600.0
GOOD = {"at": NOW - 3600, "failed": False, "says": ""}


@pytest.mark.parametrize(
    ("finding", "state", "saw"),
    [
        (core.backups_are_made("", GOOD, NOW, LIMIT), "unmet", "no repository"),
        (core.backups_are_made("vault", {}, NOW, LIMIT), "unmet", "never succeeded"),
        (core.backups_are_made("vault", GOOD, NOW, LIMIT), "ok", "last success 1.0 h ago"),
        (core.backups_are_made("vault", {**GOOD, "at": NOW - 3601}, NOW, LIMIT), "unmet", "last success 1.0 h ago"),
        (core.restores_are_tested("vault", {**GOOD, "failed": True, "says": "no route"}, NOW, LIMIT), "unmet", "the last run failed: no route"),
        (core.restores_are_tested("vault", GOOD, NOW, LIMIT), "ok", "last success 1.0 h ago"),
        (core.backups_are_isolated("", {}, NOW, LIMIT), "unmet", "no repository"),
        (core.backups_are_isolated("vault", {}, NOW, LIMIT), "unmet", "never tried"),
        (core.backups_are_isolated("vault", {"at": NOW, "ok": False}, NOW, LIMIT), "unmet", "could delete its own snapshot"),
        (core.backups_are_isolated("vault", {"at": NOW, "ok": True}, NOW, LIMIT), "ok", "could not delete its own snapshot"),
        (core.backups_are_isolated("vault", {"at": NOW - 3601, "ok": True}, NOW, LIMIT), "unmet", "could not delete its own snapshot"),
    ],
)
def test_the_state_follows_from_what_was_seen(finding, state, saw):
    assert finding.state == state, finding
    assert saw in finding.saw
