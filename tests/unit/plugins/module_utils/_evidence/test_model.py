# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exceptions: who answers for what, until when."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence import apache
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence import model as core
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.host import Answer
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.topics import CONTROLS

EXCEPTION = {"control": "trace_is_refused", "reason": "a debugging week", "owner": "ops", "expires": "2027-01-31"}


def refused(status):
    return apache.trace_is_refused(Answer(status, {}))


def test_an_exception_marks_an_unmet_control_and_says_who_answers_for_it():
    (finding,), warnings = core.excepted([refused(200)], [EXCEPTION], "2027-01-16", CONTROLS)
    assert finding.state == "excepted"
    assert "a debugging week (ops, until 2027-01-31)" in finding.saw
    assert warnings == []


def test_an_exception_does_not_make_less_of_a_control_that_holds():
    assert core.excepted([refused(405)], [EXCEPTION], "2027-01-01", CONTROLS)[0][0].state == "ok"


@pytest.mark.parametrize(("today", "left"), [("2027-01-17", 14), ("2027-01-31", 0)])
def test_near_its_end_an_exception_warns(today, left):
    assert core.excepted([], [EXCEPTION], today, CONTROLS)[1] == [
        f"The exception for trace_is_refused of ops ends in {left} days, on 2027-01-31: meet the control until then"
    ]


@pytest.mark.parametrize(
    ("change", "today", "says"),
    [
        ({}, "2027-02-01", "ended on 2027-01-31"),
        ({"control": "no_such"}, "2027-01-01", "there is no such control; there are no_version_in_answers"),
        ({"expires": "soon"}, "2027-01-01", "a date such as"),
    ],
)
def test_an_exception_that_does_not_hold_is_refused(change, today, says):
    with pytest.raises(core.EvidenceError, match=says):
        core.excepted([], [{**EXCEPTION, **change}], today, CONTROLS)
