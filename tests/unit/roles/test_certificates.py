# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that has Apache serve new certificates: what it takes for new, for fitting and for quiet. On a host: tests/faults/test_transport.py."""

from __future__ import annotations

import datetime
import importlib
import pathlib
import ssl
import sys

import pytest

from tests.certificates import make

FOLDER = pathlib.Path(__file__).parents[3] / "roles/security_baseline/files/usr/local/lib/evenkeel"


@pytest.fixture
def program(monkeypatch):
    """Import it as it is imported on a host: from its folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module("certificates")
    for name in ("certificates", "evenkeel_textfile"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Two certificates with their keys; one has ended."""
    folder = tmp_path_factory.mktemp("tls")
    for name, days in (("one", 30), ("ended", -1)):
        for suffix, text in zip(("crt", "key"), make(name, days)):
            (folder / f"{name}.{suffix}").write_text(text)
    return folder


def test_when_a_certificate_ends(program, pairs):
    now = datetime.datetime.now(datetime.timezone.utc).timestamp()
    assert program.ends(str(pairs / "one.crt")) == pytest.approx(now + 30 * 86400, abs=600)
    assert program.ends(str(pairs / "ended.crt")) < now
    assert program.ends(str(pairs / "one.key")) is program.ends(str(pairs / "no.crt")) is None


def test_a_key_belongs_to_its_certificate_only(program, pairs):
    assert program.belongs(str(pairs / "one.crt"), str(pairs / "one.key"))
    assert not program.belongs(str(pairs / "one.crt"), str(pairs / "ended.key"))
    assert not program.belongs(str(pairs / "one.crt"), str(pairs / "no.key"))


def test_the_servers_own_certificate_is_the_first_of_its_chain(program, pairs, tmp_path):
    chain = tmp_path / "chain.pem"
    chain.write_text("text before\n" + (pairs / "one.crt").read_text() + (pairs / "ended.crt").read_text())
    assert program.in_file(str(chain)) == ssl.PEM_cert_to_DER_cert((pairs / "one.crt").read_text())
    assert program.in_file(str(pairs / "one.key")) is program.in_file("/no") is None


def test_only_what_apache_shows_otherwise_is_due(program, pairs, monkeypatch):
    certificates = [{"name": "a", "path": str(pairs / "one.crt"), "key": ""}, {"name": "b", "path": str(pairs / "ended.crt"), "key": ""}]
    shown = {"a": program.in_file(str(pairs / "one.crt")), "b": program.in_file(str(pairs / "one.crt"))}
    monkeypatch.setattr(program, "served", shown.get)
    assert program.due(certificates) == [certificates[1]]
    text = program.exposition(certificates)
    assert f'evenkeel_certificate_served{{path="{pairs}/ended.crt"}} 0' in text
    assert f'evenkeel_certificate_not_after_timestamp_seconds{{path="{pairs}/one.crt"}} ' in text
    monkeypatch.setattr(program, "served", lambda name: None)
    assert program.due(certificates) == [], "Apache is down: it reads its files when it starts"


@pytest.mark.parametrize(("answers", "patience", "found"), [([2, 1, 0], 60, True), ([1, 1, 1], 0, False), ([None], 0, False)])
def test_quiet_is_a_moment_in_which_nothing_is_answered(program, monkeypatch, answers, patience, found):
    left = list(answers)
    monkeypatch.setattr(program, "answering", lambda url: left.pop(0))
    monkeypatch.setattr(program.time, "sleep", lambda seconds: None)
    assert program.quiet("", patience) is found


def test_no_quiet_moment_means_a_restart_and_always_the_way_in_again(program, monkeypatch):
    done = []
    monkeypatch.setattr(program, "quiet", lambda url, patience: False)
    monkeypatch.setattr(program, "run", lambda *command, given=None: done.append(command[:2]))
    assert program.renew("apache2", "", 1).startswith("restarted")
    assert done == [("apachectl", "-t"), ("nft", "-f"), ("systemctl", "restart"), ("nft", "delete")]
