# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A risky change needs two people; a new host and a new option need none."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _changes as core

INPUTS = {"network": {"ports": [80, 443], "egress": {}}, "identity": {"people": {"alice": 1}}}
OLD = core.review(INPUTS, {}, [], "2027-01-01")["record"]
NEW = {**INPUTS, "network": {"ports": [80, 443, 22], "egress": {}}}
CHANGE = {"topic": "network", "reason": "a jump host", "requested_by": "alice", "approved_by": "bob", "until": "2027-01-31"}


def refused(changes, today="2027-01-01", inputs=None, recorded=None):
    return core.review(inputs or NEW, OLD if recorded is None else recorded, changes, today)["refused"]


def test_a_change_without_a_record_is_refused_and_the_text_says_what_to_write():
    (text,) = refused([])
    assert text.startswith("ports: not as applied last")
    assert "{topic: network, reason: why, requested_by: who asks, approved_by: another person, until: 2027-01-01}" in text


def test_with_a_record_of_another_persons_approval_it_is_allowed_until_its_date():
    assert refused([CHANGE]) == refused([CHANGE], "2027-01-31") == []
    assert refused([{**CHANGE, "until": datetime.date(2027, 1, 31)}]) == []
    assert len(refused([CHANGE], "2027-02-01")) == 1
    assert len(refused([{**CHANGE, "topic": "identity"}])) == 1


@pytest.mark.parametrize(
    ("difference", "says"),
    [
        ({"approved_by": "Alice "}, "cannot approve an own request"),
        ({"reason": ""}, "reason is missing"),
        ({"until": "soon"}, "a date such as"),
        ({"topic": "weather"}, "no such topic"),
    ],
)
def test_a_record_that_does_not_hold_is_refused(difference, says):
    assert any(says in text for text in refused([{**CHANGE, **difference}]))


def test_what_was_applied_already_a_new_host_and_a_new_option_need_no_approval():
    assert refused([], inputs=INPUTS) == refused([], recorded={}) == []
    assert refused([], inputs={**INPUTS, "network": {**INPUTS["network"], "newer": True}}) == []


def test_the_record_keeps_topics_that_this_run_knows_nothing_of_and_tells_no_value():
    record = core.review({"network": {"ports": ["secret-network"]}}, {"trusted_proxies": {"networks": "abc"}}, [], "2027-01-01")["record"]
    assert record["trusted_proxies"] == {"networks": "abc"}
    assert "secret-network" not in str(record)
