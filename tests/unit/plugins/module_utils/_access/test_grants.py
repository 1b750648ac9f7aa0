# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Grants: known refusals, and properties of whatever is accepted."""

from __future__ import annotations

import base64
import datetime
import json
import re
import struct
import typing as t

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._access import keys
from ansible_collections.evenkeel.wsgi.plugins.module_utils._access.grant import AccessError, seconds, statement
from ansible_collections.evenkeel.wsgi.plugins.module_utils._access.grants import settle
from hypothesis import given
from hypothesis import strategies as st


def key(kind: str = "ssh-ed25519", body: bytes = b"1" * 32, comment: str = "alice@laptop") -> str:
    blob = b"".join(struct.pack(">I", len(part)) + part for part in (kind.encode(), body))
    return f"{kind} {base64.b64encode(blob).decode()} {comment}"


GOOD: dict[str, t.Any] = {
    "person": "Alice Doe",
    "account": "alice",
    "keys": [key()],
    "groups": ["www-data"],
    "sudo": ["/usr/bin/systemctl restart celery", "(shop) /usr/bin/id"],
    "owner": "operations",
    "reason": "on call in week 5",
    "approver": "Bob Roe",
    "start": "2027-02-01",
    "expires": "2027-02-07",
}
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
OTHER = {**GOOD, "person": "Carol Poe", "account": "carol", "keys": [key(body=b"2" * 32)]}
BREAK_GLASS = {"account": "break-glass", "keys": [key(body=b"3" * 32)], "owner": "operations"}
AUTOMATION = {"account": "ansible", "keys": [key(body=b"4" * 32)], "from": ["10.0.9.5", "10.0.8.0/24"]}


def test_what_the_host_gets() -> None:
    data = settle([GOOD], break_glass=BREAK_GLASS, automation=AUTOMATION)
    (grant,) = data["accounts"]["alice"]["grants"]
    assert (grant["start"], grant["end"]) == (1801440000, 1802044800)  # the end of the 7th
    assert grant["sudo"] == [{"user": "root", "command": "/usr/bin/systemctl restart celery"}, {"user": "shop", "command": '/usr/bin/id ""'}]
    assert data["break_glass"]["account"] == "break-glass"
    assert data["automation"] == {"ansible": f'from="10.0.9.5,10.0.8.0/24" {AUTOMATION["keys"][0]}\n'}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"approver": ""}, r"\[0\].approver: '' is missing"),
        ({"approver": "alice doe"}, "nobody approves their own access"),
        ({"requester": "Bob Roe"}, "is the requester too"),
        ({"expires": "2027-05-31"}, "is more than 90 days after start 2027-02-01 .*Write 2027-05-02 at the latest"),
        ({"expires": "2027-01-31"}, "is not after start"),
        ({"expires": "soon"}, "is not a day or a moment"),
        ({"start": "2027-02-30"}, "is not a day or a moment"),
        ({"account": "Alice"}, "is not the name of an account"),
        ({"person": "Alice:0:0"}, "cannot be written into an account"),
        ({"reason": "x\ny"}, "cannot be written into an account"),
        ({"until": "2027-02-07"}, "'until' is not a field of a grant"),
        ({"groups": ["docker"]}, "makes its members root"),
        ({"groups": ["a,sudo"]}, "is not the name of a group"),
        ({"sudo": ["/usr/bin/systemctl *"]}, "without wildcards"),
        ({"sudo": ["systemctl restart celery"]}, "without wildcards"),
        ({"sudo": ["/usr/bin/id, ALL"]}, "without wildcards"),
        ({"sudo": ["/usr/bin/id\nbob ALL=(ALL) ALL"]}, "without wildcards"),
        ({"sudo": ["/usr/bin/vim /etc/hosts"]}, "is a way to a shell as root"),
        ({"sudo": ["/usr/bin/python3.13 /srv/x.py"]}, "is a way to a shell as root"),
        ({"sudo": ["/home/alice/fix"]}, "runs what the person could change"),
        ({"sudo": ["/usr/bin/../../tmp/fix"]}, "runs what the person could change"),
        ({"keys": ["AAAA"]}, "is not one line with a kind and a key"),
        ({"keys": ['command="x" ' + key()]}, "begins with 'command="),
        ({"keys": [key()[:40]]}, "is cut off or not base64"),
        ({"keys": [key().replace("ssh-ed25519 ", "ssh-rsa ", 1)]}, "says ssh-rsa and holds something else"),
        ({"keys": [key("ssh-rsa", b"\x7f" * 256)]}, "RSA key of 2047 bits; at least 3072"),
        ({"keys": [key("ssh-dss")]}, "begins with 'ssh-dss'"),
        ({"keys": [key(comment="caf\u00e9")]}, "not printable ASCII"),
    ],
)
def test_refused(change: dict[str, t.Any], says: str) -> None:
    with pytest.raises(AccessError, match=says):
        settle([{**GOOD, **change}])


@pytest.mark.parametrize(
    ("grants", "more", "says"),
    [
        ([GOOD, {**OTHER, "account": "alice"}], {}, "is the account of Alice Doe"),
        ([GOOD, {**OTHER, "keys": GOOD["keys"]}], {}, "is the key of Alice Doe"),
        ([GOOD], {"break_glass": {**BREAK_GLASS, "account": "alice"}}, "is the account of break glass"),
        ([GOOD], {"automation": {**AUTOMATION, "keys": GOOD["keys"]}}, "is the key of automation"),
        ([GOOD], {"automation": {**AUTOMATION, "from": ["0.0.0.0/0"]}}, "is everybody"),
        ([GOOD], {"automation": {**AUTOMATION, "from": ["10.0.9.5/24"]}}, "is not a network"),
        ([GOOD], {"automation": {**AUTOMATION, "from": []}}, "security_baseline_ssh_automation.from: '' is missing"),
        ([GOOD], {"break_glass": {**BREAK_GLASS, "sudo": "ALL"}}, "is not one of its fields"),
        ([GOOD], {"users": {"alice": {"gecos": "Alice"}}}, "is on the host and was not made for a grant"),
        ([GOOD], {"connected_as": "alice", "users": {"alice": {"gecos": "evenkeel grant of Alice Doe"}}}, "the account that Ansible connects with"),
        ([GOOD], {"second_factor": "fido2"}, "does not live in hardware"),
        ([GOOD], {"second_factor": "totp"}, "security_baseline_ssh_totp_secrets.alice: '' is missing"),
        ([GOOD], {"second_factor": "totp", "secrets": {"alice": SECRET, "dave": SECRET}}, "belongs to nobody"),
        ([GOOD], {"second_factor": "totp", "secrets": {"alice": "not base32"}}, "is not base32"),
        ([GOOD], {"signed_only": True}, r"\[0\].approval: '' is missing"),
    ],
)
def test_what_contradicts_is_refused(grants: t.Any, more: t.Any, says: str) -> None:
    with pytest.raises(AccessError, match=says):
        settle(grants, **more)


def test_no_message_and_no_result_holds_a_secret() -> None:
    assert SECRET not in json.dumps(settle([GOOD], second_factor="totp", secrets={"alice": SECRET}))
    with pytest.raises(AccessError) as error:
        settle([GOOD], second_factor="totp", secrets={"alice": SECRET.lower(), "dave": SECRET})
    assert SECRET not in str(error.value) and SECRET.lower() not in str(error.value)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(AccessError) as error:
        settle([{**GOOD, "approver": "Alice Doe", "groups": ["sudo"]}, {**OTHER, "expires": "never"}])
    assert len(error.value.refusals) == 3
    assert all(refusal.reason and refusal.instead for refusal in error.value.refusals)


def test_an_account_may_have_several_grants_and_keys_may_repeat_in_them() -> None:
    data = settle([GOOD, {**GOOD, "sudo": ["ALL"], "expires": "2027-02-01T16:00Z"}], users={"alice": {"gecos": "evenkeel grant of Alice Doe"}})
    assert [grant["end"] for grant in data["accounts"]["alice"]["grants"]] == [1802044800, 1801497600]
    assert data["accounts"]["alice"]["grants"][1]["sudo"] == [{"user": "ALL", "command": "ALL"}]


def test_yamls_own_dates_are_taken() -> None:
    assert seconds("2027-02-01 16:00:00+00:00", end=True) == seconds("2027-02-01T16:00Z", end=True) == 1801497600


def test_hardware_keys_are_taken_for_fido2() -> None:
    settle([{**GOOD, "keys": [key("sk-ssh-ed25519@openssh.com")]}], second_factor="fido2")


@given(st.sampled_from(list(GOOD)), st.text(min_size=1))
def test_an_approval_is_for_one_grant_only(field: str, text: str) -> None:
    changed = {**GOOD, field: text}
    assert (statement(changed) == statement(GOOD)) == (changed[field] == GOOD[field])
    assert statement({**GOOD, "approval": text}) == statement(GOOD)


@given(st.text(max_size=60))
def test_no_text_becomes_a_second_rule_or_field(text: str) -> None:
    """What is accepted stays on one line of sudoers, of authorized_keys and of /etc/passwd."""
    for change in ({"sudo": [text]}, {"person": text}, {"account": text}, {"keys": [f"{key()} {text}"]}, {"groups": [text]}):
        try:
            data = settle([{**GOOD, **change}])
        except AccessError:
            continue
        [[name, account]] = list(data["accounts"].items())
        (grant,) = account["grants"]
        assert re.fullmatch(r"[a-z_][a-z0-9_-]*", name)
        assert not set(account["person"]) & set(":\n,") or "," in account["person"]
        for line in (*grant["keys"], *grant["groups"], *(rule["command"] for rule in grant["sudo"])):
            assert line.isprintable() and line.isascii()
        for rule in grant["sudo"]:
            assert not re.search(r"(?<!\\)[,:=]", rule["command"])
            assert not set(rule["command"]) & set("*?[]!#")
        json.dumps(data)


@given(st.integers(0, 2000), st.integers(1, 2000))
def test_no_grant_is_longer_than_the_limit(days: int, longest: int) -> None:
    end = (datetime.date(2027, 2, 1) + datetime.timedelta(days)).isoformat()
    try:
        data = settle([{**GOOD, "expires": end}], longest_days=longest)
    except AccessError:
        assert days > longest
    else:
        (grant,) = data["accounts"]["alice"]["grants"]
        assert 0 < grant["end"] - grant["start"] <= (longest + 1) * 86400


def test_a_key_is_read_as_openssh_writes_it() -> None:
    line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEHJ8tjRBSWAtGvNLpkPM2ZpYQ5Cyv4hxMFdPdWkOTSv alice@laptop"
    assert keys.parse(f"  {line}\n").line == line
