# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control of the metrics is ok only when the host showed it; what cannot be seen is never ok."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence import alarms
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence import metrics as core


@pytest.mark.parametrize(
    ("finding", "state"),
    [
        (core.metrics_on_one_address({9100: ["10.0.9.11"], 9117: ["10.0.9.11"]}), "ok"),
        (core.metrics_on_one_address({9100: ["10.0.9.11"], 9117: []}), "unmet"),
        (core.metrics_on_one_address({9100: ["10.0.9.11"], 9117: ["*"]}), "unmet"),
        (core.metrics_on_one_address({}), "unmet"),
        (core.metrics_are_fresh({"evenkeel_http.prom": 14.0}), "ok"),
        (core.metrics_are_fresh({"evenkeel_http.prom": 14.0, "evenkeel_changes.prom": 121.0}), "unmet"),
        (core.metrics_are_fresh({"evenkeel_http.prom": None}), "unmet"),
        (core.metrics_are_fresh({}), "unmet"),
        (core.configuration_is_ansibles('evenkeel_administrator{user="root"} 1\n'), "ok"),
        (core.configuration_is_ansibles('evenkeel_changed_file{file="/etc/x"} 1\n'), "unmet"),
        (core.configuration_is_ansibles(None), "unverifiable"),
        (core.time_is_in_sync("yes"), "ok"),
        (core.time_is_in_sync("no"), "unmet"),
        (core.time_is_in_sync(""), "unverifiable"),
        (alarms.alarms_are_heard(False), "unmet"),
        (alarms.alarms_are_heard(True), "unverifiable"),
    ],
)
def test_the_state_follows_from_what_was_seen(finding, state):
    assert finding.state == state, finding
    assert finding.saw
