# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host enforces at a moment. That it does is tried on real hosts, in tests/faults/test_access.py."""

from __future__ import annotations

import importlib
import pathlib
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

FOLDER = pathlib.Path(__file__).parents[3] / "roles/security_baseline/files/usr/local/lib/evenkeel"
NOON = 1801483200  # 2027-02-01T12:00Z
HOUR = 3600


@pytest.fixture(scope="module")
def rules():
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module("access_rules")
    sys.path.remove(str(FOLDER))
    sys.modules.pop("access_rules", None)


def grant(start, end, **more):
    rule = {"user": "root", "command": "/usr/bin/id -u"}
    return {"id": "%d-%d" % (start, end), "start": start, "end": end, "keys": ["ssh-ed25519 AAAA alice"], "groups": ["www-data"], "sudo": [rule], **more}


def data(*grants, **more):
    return {"accounts": {"alice": {"person": "Alice Doe", "grants": list(grants)}}, "break_glass": None, **more}


EMERGENCY = {"account": "break-glass", "keys": ["ssh-ed25519 BBBB safe"]}


def test_a_grant_that_holds(rules):
    given_data = data(grant(NOON, NOON + HOUR))
    alice = rules.accounts(given_data, NOON)["alice"]
    assert alice.gecos == "evenkeel grant of Alice Doe"
    assert alice.groups == ["evenkeel-people", "www-data"]
    assert rules.stamp(alice.day * rules.DAY, "%Y-%m-%d") == "2027-02-02"
    assert rules.key_files({"alice": alice}) == {"alice": 'expiry-time="20270201130000Z" ssh-ed25519 AAAA alice\n'}
    line = "alice ALL=(root) NOTBEFORE=20270201120000Z NOTAFTER=20270201130000Z NOPASSWD: /usr/bin/id -u"
    assert rules.sudoers(given_data, {"alice": alice}, NOON).splitlines()[1:] == [line]


@pytest.mark.parametrize("now", [NOON - 1, NOON + HOUR, NOON + 10 * HOUR])
def test_before_and_after_there_is_nothing(rules, now):
    given_data = data(grant(NOON, NOON + HOUR))
    wanted = rules.accounts(given_data, now)
    assert (wanted["alice"].day, wanted["alice"].active) == (rules.PAST, [])
    assert rules.key_files(wanted) == {}
    assert rules.sudoers(given_data, wanted, now) == ""


def test_a_short_grant_with_more_rights_ends_alone_and_its_sessions_with_it(rules):
    long, short = grant(NOON, NOON + 24 * HOUR, sudo=[]), grant(NOON, NOON + HOUR, sudo=[{"user": "ALL", "command": "ALL"}])
    before, after = (rules.accounts(data(long, short), now)["alice"] for now in (NOON, NOON + HOUR))
    assert rules.lost(before.active, after)
    assert not rules.lost(before.active, before) and not rules.lost([], after)
    assert after.keys and before.day == after.day
    assert rules.sudoers(data(long, short), {"alice": after}, NOON + HOUR) == ""


def test_the_account_for_emergencies_never_ends_and_an_account_of_somebody_else_gets_nothing(rules):
    given_data = data(grant(NOON, NOON + HOUR), break_glass=EMERGENCY)
    wanted = rules.accounts(given_data, NOON + 10**9)
    assert wanted["break-glass"].day is None
    assert "break-glass ALL=(ALL:ALL) NOPASSWD: ALL" in rules.sudoers(given_data, wanted, NOON)
    assert rules.key_files({}) == {} and rules.sudoers(given_data, {}, NOON) == ""


def test_only_sessions_of_that_account_are_logins_of_it(rules):
    lines = [
        "pam_unix(sshd:session): session opened for user break-glass(uid=1001) by break-glass(uid=0)",
        "pam_unix(sshd:session): session opened for user break-glass2(uid=1002) by (uid=0)",
        "pam_unix(sshd:session): session closed for user break-glass",
    ]
    assert rules.logins(lines, "break-glass") == 1


def test_a_session_ends_with_its_children_and_nobody_elses(rules):
    assert rules.family({1: 0, 10: 1, 11: 10, 12: 11, 20: 1}, {10}) == {10, 11, 12}
    assert rules.family({1: 0}, set()) == set()


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(1, 9)), min_size=1, max_size=4), st.integers(-10, 20))
def test_whatever_is_there_at_a_moment_ends_by_itself(rules, spans, hours):
    """Every key and rule that is written carries the end of a grant that holds, and the account ends within a day after the last."""
    given_data = data(*(grant(NOON + start * HOUR, NOON + (start + length) * HOUR) for start, length in spans))
    now = NOON + hours * HOUR
    ends = {rules.stamp(one["end"], "%Y%m%d%H%M%SZ") for one in given_data["accounts"]["alice"]["grants"] if one["start"] <= now < one["end"]}
    wanted = rules.accounts(given_data, now)
    assert set(re.findall(r'expiry-time="(\w+)"', "".join(rules.key_files(wanted).values()))) == ends
    assert set(re.findall(r"NOTAFTER=(\w+)", rules.sudoers(given_data, wanted, now))) == ends
    last = max(one["end"] for one in given_data["accounts"]["alice"]["grants"])
    assert wanted["alice"].day == rules.PAST or now < wanted["alice"].day * rules.DAY < last + rules.DAY
