# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every drill that is due must have met its target within the limit."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence import drills as core

DAY = 86400.0


@pytest.mark.parametrize(
    ("ages", "state", "saw"),
    [
        ({"restore": 2 * DAY, "broker": 91 * DAY}, "ok", "restore: 2 days ago in 71.0 s, broker: 91 days ago in ? s"),
        ({"restore": 2 * DAY, "broker": 93 * DAY}, "unmet", "broker: 93 days ago"),
        ({"restore": 2 * DAY, "broker": None}, "unmet", "broker: never"),
        ({}, "unmet", "none is due"),
    ],
)
def test_the_state_follows_from_what_was_seen(ages, state, saw):
    finding = core.drills_are_run(ages, {"restore": 71.0}, 92 * DAY)
    assert finding.state == state
    assert saw in finding.saw
