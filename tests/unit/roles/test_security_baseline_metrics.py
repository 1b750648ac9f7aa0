# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that measure a host for node_exporter: what they count, and that nothing is counted twice or lost."""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import sys

import pytest

FOLDER = pathlib.Path(__file__).parents[3] / "roles/security_baseline/files/usr/local/lib/evenkeel"


@pytest.fixture(autouse=True)
def programs(monkeypatch):
    """Import them as they import each other on a host: from one folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield
    for name in ("access_metrics", "change_metrics", "evenkeel_textfile"):
        sys.modules.pop(name, None)


@pytest.fixture
def access():
    return importlib.import_module("access_metrics")


@pytest.fixture
def change():
    return importlib.import_module("change_metrics")


def line(status=200, ms=20, host="shop.example.org"):
    return (json.dumps({"host": host, "status": status, "ms": ms}) + "\n").encode()


def nothing():
    return {"codes": {}, "times": {}, "unreadable": 0}


def test_answers_are_counted_by_host_and_code_and_times_by_bound(access):
    totals = nothing()
    access.count([line(200, 50), line(503, 1500), line(200, 60000), b'{"a": "\\xe9"}', line(host="left.out")], totals, ["left.out"])
    text = access.exposition(totals, ["shop.example.org 200", "shop.example.org 503"])
    assert 'evenkeel_http_requests_total{vhost="shop.example.org",code="200"} 2' in text
    assert 'evenkeel_http_requests_total{vhost="shop.example.org",code="503"} 1' in text
    assert 'evenkeel_http_request_seconds_bucket{vhost="shop.example.org",le="0.05"} 1' in text
    assert 'evenkeel_http_request_seconds_bucket{vhost="shop.example.org",le="2.0"} 2' in text
    assert 'evenkeel_http_request_seconds_bucket{vhost="shop.example.org",le="+Inf"} 3' in text
    assert 'evenkeel_http_request_seconds_sum{vhost="shop.example.org"} 61.55' in text
    assert "evenkeel_http_unreadable_lines_total 1" in text
    assert "left.out" not in text


def test_what_is_new_starts_with_zero_once(access):
    totals, shown = nothing(), []
    access.count([line(503)] * 20, totals)
    assert 'code="503"} 0' in access.exposition(totals, shown)
    assert 'code="503"} 20' in access.exposition(totals, shown)


def test_only_what_comes_after_the_first_look_counts_and_each_line_once(access, tmp_path):
    log = tmp_path / "access.json"
    log.write_bytes(line() * 3)
    lines, place = access.unread(str(log), None)
    assert not lines
    with log.open("ab") as stream:
        stream.write(line() * 2 + line()[:10])
    lines, place = access.unread(str(log), place)
    assert len(lines) == 2
    with log.open("ab") as stream:
        stream.write(line()[10:])
    lines, place = access.unread(str(log), place)
    assert [json.loads(one)["status"] for one in lines] == [200]
    assert access.unread(str(log), place)[0] == []


def test_the_end_of_the_file_before_is_read_when_the_log_goes_round(access, tmp_path):
    log, following = tmp_path / "access.json", tmp_path / "access.json.1"
    log.write_bytes(b"")
    _lines, place = access.unread(str(log), None)
    log.write_bytes(line(500))
    os.utime(log, (1, 1))
    following.write_bytes(line(200) * 2)
    lines, place = access.unread(str(log), place)
    assert [json.loads(one)["status"] for one in lines] == [500, 200, 200]
    following.write_bytes(line(404))  # the set is through: rotatelogs empties the file and goes on in it
    assert [json.loads(one)["status"] for one in access.unread(str(log), place)[0]] == [404]


def test_a_log_that_is_not_there_yet_and_a_state_that_cannot_be_read(access, tmp_path):
    log = tmp_path / "access.json"
    state = access.remembered(str(tmp_path / "no.json"))
    lines, place = access.unread(str(log), state["place"])
    assert not lines
    log.write_bytes(line())
    assert len(access.unread(str(log), place)[0]) == 1
    (tmp_path / "broken.json").write_text("{")
    assert access.remembered(str(tmp_path / "broken.json"))["totals"] == nothing()
    (tmp_path / "older.json").write_text('{"place": {"offset": 7}}')
    assert access.remembered(str(tmp_path / "older.json")) == {"place": {"offset": 7}, "totals": nothing(), "shown": []}


@pytest.fixture
def apache(tmp_path):
    """Apache's configuration directory with one generation, as module apache_config writes it."""
    folder = tmp_path / "apache2/evenkeel/generations/4"
    folder.mkdir(parents=True)
    (tmp_path / "apache2/sites-enabled").mkdir()
    (tmp_path / "drop").mkdir()
    (tmp_path / "apache2/evenkeel/current.conf").write_text(f"# one line\nDefine EVENKEEL_GENERATION {folder}\n")
    (folder / "000-evenkeel.conf").write_text("ExtendedStatus On\n")
    (folder / "app-hosts.conf").write_text("ServerName a\n")
    (tmp_path / "drop/evenkeel-app-limits.conf").write_text("[Service]\n")
    record = {
        "owners": {"app": {"fragments": {"hosts": "ServerName a\n"}}},
        "drop_ins": {"evenkeel-app-limits.conf": "[Service]\n"},
        "disable": [["sites", "000-default"]],
    }
    (folder / "record.json").write_text(json.dumps(record))
    (folder / "proven").write_text("")
    return tmp_path


def look(change, apache):
    return [os.path.relpath(path, apache) for path in change.changed(str(apache / "apache2"), str(apache / "drop"))]


def test_a_generation_as_it_was_written_is_no_change(change, apache):
    assert look(change, apache) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("apache2/evenkeel/generations/4/app-hosts.conf", "ServerName evil\n"),
        ("apache2/evenkeel/generations/4/zz-more.conf", "TraceEnable On\n"),
        ("drop/evenkeel-app-limits.conf", "[Service]\nUser=root\n"),
        ("apache2/sites-enabled/000-default.conf", "<VirtualHost *:80>\n"),
        ("apache2/evenkeel/generations/4/record.json", ""),
        ("apache2/evenkeel/current.conf", ""),
    ],
)
def test_what_was_changed_by_hand_is_named(change, apache, path, text):
    os.utime(apache / path) if (apache / path).exists() else None
    (apache / path).write_text(text)
    assert look(change, apache) == [path]


def test_a_host_without_generations_has_nothing_to_differ_from(change, tmp_path):
    assert change.changed(str(tmp_path / "apache2"), str(tmp_path)) == []


def test_who_may_become_root(change):
    assert "root" in change.administrators(["no-such-group"])
    assert 'evenkeel_administrator{user="root"} 1' in change.exposition([], ["root"])
