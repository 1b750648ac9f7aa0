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
    for path in FOLDER.glob("*.py"):
        sys.modules.pop(path.stem, None)


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


@pytest.fixture
def logs():
    return importlib.import_module("evenkeel_logs")


def read_on(logs, log, place):
    """(status codes of all lines after a place, the new place)."""
    codes, lines = [], [b""]
    while lines:
        lines, place = logs.unread(str(log), place)
        codes += [json.loads(one)["status"] for one in lines]
    return codes, place


def test_only_what_comes_after_the_first_look_counts_and_each_line_once(logs, tmp_path):
    log = tmp_path / "access.json"
    log.write_bytes(line() * 3)
    codes, place = read_on(logs, log, None)
    assert not codes
    with log.open("ab") as stream:
        stream.write(line() * 2 + line(404)[:10])
    codes, place = read_on(logs, log, place)
    assert codes == [200, 200]
    with log.open("ab") as stream:
        stream.write(line(404)[10:])
    codes, place = read_on(logs, log, place)
    assert codes == [404]
    assert read_on(logs, log, place)[0] == []


def test_the_end_of_the_file_before_is_read_when_rotatelogs_goes_round(logs, tmp_path):
    log, following = tmp_path / "access.json", tmp_path / "access.json.1"
    log.write_bytes(b"")
    _codes, place = read_on(logs, log, None)
    log.write_bytes(line(500))
    os.utime(log, (1, 1))
    following.write_bytes(line(200) * 2)
    os.utime(following, (2, 2))
    codes, place = read_on(logs, log, place)
    assert codes == [500, 200, 200]
    log.write_bytes(line(404))  # the set is through: rotatelogs empties the file and goes on in it
    assert read_on(logs, log, place)[0] == [404]


def test_the_end_of_a_renamed_file_is_read_too(logs, tmp_path):
    log = tmp_path / "audit.log"
    log.write_bytes(line())
    _codes, place = read_on(logs, log, None)
    with log.open("ab") as stream:
        stream.write(line(500))
    os.utime(log, (1, 1))
    log.rename(tmp_path / "audit.log.1")
    log.write_bytes(line(404))
    assert read_on(logs, log, place)[0] == [500, 404]


def test_much_is_read_in_parts(logs, tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "CHUNK", 100)
    log = tmp_path / "access.json"
    log.write_bytes(b"")
    _codes, place = read_on(logs, log, None)
    log.write_bytes(line() * 50 + b"x" * 250 + b"\n" + line(404))
    found = []
    while not found or found[-1]:
        lines, place = logs.unread(str(log), place)
        found.append(lines)
    assert max(map(len, found)) < 5
    assert json.loads(found[-2][-1])["status"] == 404  # a line that is too long to be one holds nothing up


def test_a_log_that_is_not_there_yet_and_a_state_that_cannot_be_read(access, tmp_path):
    log, state = tmp_path / "access.json", tmp_path / "state.json"
    state.write_text("{")
    answers = access.Answers(str(state), str(log), ["left.out"])
    assert "requests_total{" not in answers.text()
    log.write_bytes(line() + line(host="left.out"))
    assert 'code="200"} 0' in answers.text()
    assert 'code="200"} 1' in answers.text()
    again = access.Answers(str(state), str(log))  # another process goes on where this one was
    log.write_bytes(log.read_bytes() + line())
    assert 'code="200"} 2' in again.text()


def test_a_part_that_fails_leaves_its_file_and_the_others_go_on(tmp_path, capsys):
    host = importlib.import_module("host_metrics")

    class Part:
        def __init__(self, answer):
            self.text = answer

    assert host.measure({"a": Part(lambda: "a 1\n")}, str(tmp_path))
    assert not host.measure({"a": Part(lambda: 1 / 0), "b": Part(lambda: "b 2\n")}, str(tmp_path))
    assert [(tmp_path / f"evenkeel_{name}.prom").read_text() for name in "ab"] == ["a 1\n", "b 2\n"]
    assert "ZeroDivisionError" in capsys.readouterr().err


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
    assert 'evenkeel_administrator{user="root"} 1' in change.exposition([], ["root"], {})


def test_how_old_the_networks_of_public_proxies_are(change, apache):
    generation = apache / "apache2/evenkeel/generations/4"
    (generation / "remoteip_alb-remoteip.conf").write_text(
        "# Hop alb: private, so Internal.\n# Hop cdn: public (Example CDN, https://cdn.example/ips, as of 2026-07-02), so Trusted. It can not claim …\n"
    )
    assert change.trusted(str(apache / "apache2")) == {"cdn": 1782950400}
    assert 'evenkeel_trusted_proxies_timestamp_seconds{hop="cdn"} 1782950400' in change.exposition([], [], {"cdn": 1782950400})
    assert change.trusted(str(apache / "nowhere")) == {}


AUDIT = """\
type=SYSCALL msg=audit(1795300000.101:411): arch=c000003e syscall=257 success=yes exit=3 items=1 auid=1000 uid=0 comm="cat" exe="/usr/bin/cat" key="%s"
type=PATH msg=audit(1795300000.101:411): item=0 name="/srv/shop/people.csv" key="%s"
type=USER_CMD msg=audit(1795300001.000:412): pid=9 uid=1000 msg='cwd="/" cmd="key=evenkeel-secrets" exe="/usr/bin/sudo"'
"""


def test_actions_are_counted_by_the_key_of_their_rule(tmp_path):
    logs = importlib.import_module("log_metrics")
    log = tmp_path / "audit.log"
    log.write_text(AUDIT % ("evenkeel-sensitive", ""))
    audit = logs.Audit(str(tmp_path / "state"), str(log), ["evenkeel-sensitive", "evenkeel-secrets"])
    assert 'evenkeel_audit_events_total{key="evenkeel-sensitive"} 0' in audit.text()  # what was there before does not count
    with log.open("a") as stream:
        stream.write(AUDIT % ("evenkeel-sensitive", "") + AUDIT % ("somebody-elses", ""))
    assert 'key="evenkeel-sensitive"} 1' in audit.text()
    again = logs.Audit(str(tmp_path / "state"), str(log), ["evenkeel-sensitive", "evenkeel-secrets"]).text()
    assert 'key="evenkeel-sensitive"} 1' in again
    assert 'key="evenkeel-secrets"} 0' in again
    assert "somebody" not in again


def test_what_waits_for_the_receiver_is_added_up(tmp_path):
    logs = importlib.import_module("log_metrics")
    (tmp_path / "spool.00000001").write_bytes(b"x" * 700)
    (tmp_path / "spool.qi").write_bytes(b"x" * 7)
    (tmp_path / "journal").write_bytes(b"x")
    text = logs.Spool(None, str(tmp_path), 2**30).text()
    assert "evenkeel_log_spool_bytes 707\n" in text
    assert "evenkeel_log_spool_limit_bytes 1073741824\n" in text
