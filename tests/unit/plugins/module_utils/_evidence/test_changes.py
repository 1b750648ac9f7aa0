# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change is noticed only on a host that knows what was applied last, of every topic."""

from __future__ import annotations

from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence import changes as core


def test_every_topic_must_be_recorded():
    record = {topic: {"variable": "44136fa355b3678a"} for topic in core.RISKY}
    assert core.risky_changes_are_reviewed(record).state == "ok"
    del record["network"]
    assert core.risky_changes_are_reviewed(record).state == "unmet"
    assert core.risky_changes_are_reviewed({}).saw == "recorded: nothing"
