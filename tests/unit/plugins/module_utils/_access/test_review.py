# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets in without a grant, from what a host shows."""

from __future__ import annotations

import json

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._access import review

PASSWD = """\
root:x:0:0:root:/root:/bin/bash
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
admin:x:1000:1000::/home/admin:/bin/bash
alice:x:1001:1001:evenkeel grant of Alice Doe:/home/alice:/bin/bash
temp:x:1002:1002::/home/temp:/bin/bash
"""
SHADOW = "root:*:1::::::\nwww-data:*:1::::::\nadmin:$y$x:1::::::\nalice:*:1:::::20700:\ntemp:!:1::::::\n"
GROUP = "root:x:0:\nsudo:x:27:admin\nwww-data:x:33:\nadmin:x:1000:\nalice:x:1001:\ntemp:x:1002:\n"


def spec(user, command="ALL"):
    return {"User_List": [user], "Cmnd_Specs": [{"Commands": [{"command": command}]}]}


def found(*specs, keys=None):
    rules = review.sudo_rules(json.dumps({"User_Specs": [spec({"username": "root"}), spec({"usergroup": "sudo"}), *specs]}))
    return review.accounts(PASSWD, SHADOW, GROUP, rules, keys or {"alice": ["ssh-ed25519 AAAA"]})


def test_everybody_who_gets_in_or_acts_as_root_needs_a_grant():
    assert review.ungranted(found(), ["alice"]) == ["admin (a password, sudo)"]
    assert review.ungranted(found(), []) == ["admin (a password, sudo)", "alice (a key)"]


@pytest.mark.parametrize("user", [{"username": "www-data"}, {"userid": 33}, {"usergroup": "www-data"}])
def test_a_service_that_may_use_sudo_counts_however_it_is_named(user):
    assert "www-data (sudo)" in review.ungranted(found(spec(user, "/usr/bin/id")), ["alice", "admin"])


def test_a_rule_for_everybody_is_everybodys():
    assert len(review.ungranted(found(spec({"username": "ALL"})), [])) == 4


def test_root_counts_when_it_has_a_key_or_a_password():
    assert review.ungranted(found(keys={"root": ["ssh-ed25519 AAAA"]}), ["alice", "admin"]) == ["root (a key, sudo)"]


def test_an_account_without_any_password_is_open_and_one_without_a_shell_is_not():
    assert review.accounts("x:x:1:1::/:/bin/sh\n", "x::1::::::\n", "", {}, {})[0].gets_in
    assert not review.accounts("x:x:1:1::/:/usr/sbin/nologin\n", "x::1::::::\n", "", {}, {})[0].gets_in


def test_the_review_has_a_row_for_everybody_who_matters():
    alice, admin = {"owner": "operations"}, [row for row in review.rows(found(), {}) if row["account"] == "admin"]
    assert [row["account"] for row in review.rows(found(), {"alice": [alice]})] == ["admin", "alice"]
    assert review.rows(found(), {"alice": [alice]})[1] == {
        "account": "alice",
        "password": False,
        "keys": ["ssh-ed25519 AAAA"],
        "sudo": [],
        "ends": "2026-09-04",
        "grants": [alice],
    }
    assert admin[0]["grants"] == [] and admin[0]["password"] and admin[0]["ends"] is None


def test_the_day_of_the_end():
    assert {account.name: account.ends for account in found()}["alice"] == 20700


def test_a_host_that_shows_nothing():
    assert review.accounts("", "", "", review.sudo_rules(""), {}) == []


GOOD = """passwordauthentication no
permitemptypasswords no
permitrootlogin prohibit-password
hostbasedauthentication no
permituserenvironment no
x11forwarding no
allowagentforwarding no
permittunnel no
gatewayports no
"""


def test_where_sshd_is_weak():
    assert review.weak_points(GOOD) == []
    assert review.weak_points(GOOD.replace("passwordauthentication no", "passwordauthentication yes")) == ["passwordauthentication yes"]
    assert "permitrootlogin ?" in review.weak_points("")


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ("authenticationmethods any\n", 1),
        ("authenticationmethods publickey\n", 1),
        ("authenticationmethods publickey,keyboard-interactive:pam\n", 2),
        ("authenticationmethods publickey,keyboard-interactive:pam publickey\n", 1),
        ("authenticationmethods publickey\npubkeyauthoptions verify-required\npubkeyacceptedalgorithms sk-ssh-ed25519@openssh.com\n", 2),
        ("authenticationmethods publickey\npubkeyauthoptions verify-required\npubkeyacceptedalgorithms sk-ssh-ed25519@openssh.com,ssh-rsa\n", 1),
        ("", 1),
    ],
)
def test_how_many_factors(settings, count):
    assert review.factors(settings) == count
