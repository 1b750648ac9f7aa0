# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config import proof, service


def page(rows, *scoreboard):
    """A status page of Apache 2.4.71 with these (slot, pid, stopping, busy, graceful, idle)."""
    line = "<tr><td>%d</td><td>%d</td><td>%s</td><td>0</td><td>yes</td><td>%d</td><td>%d</td><td>%d</td>" + "<td>0</td>" * 4 + "</tr>\n"
    table = "".join(line % row for row in rows)
    total = "<tr><td>Sum</td><td>2</td><td>0</td><td>0</td><td>&nbsp;</td><td>1</td><td>0</td><td>49</td></tr>"
    return "<dt>Server MPM: event</dt>\n<table>%s%s</table>\n<pre>%s</pre>" % (table, total, "\n".join(scoreboard))


def values(*arguments, configured=None):
    found = proof.status_values(page(*arguments), configured)
    return found["MaxRequestWorkers"], found["ThreadsPerChild"], found["pids"]


def test_a_fresh_server_shows_its_limit():
    rows = [(0, 11, "no", 1, 0, 24), (1, 12, "no", 0, 0, 25)]
    assert values(rows, "W" + "_" * 49, "." * 100) == (150, 25, [11, 12])
    # free slots beyond the configured limit are a contradiction, not a leftover
    assert values(rows, "W" + "_" * 49, "." * 100, configured=100)[0] == 150


def test_new_processes_behind_the_old_ones_do_not_raise_the_limit():
    rows = [(2, 21, "no", 1, 0, 29), (3, 22, "no", 0, 0, 30)]
    assert values(rows, "." * 60, "W" + "_" * 59, configured=60)[0] == 60
    assert values(rows, "." * 60, "W" + "_" * 59, configured=90)[0] == 90
    assert values(rows, "." * 60, "W" + "_" * 59, configured=150)[0] == 120


def test_a_long_request_in_an_old_process_does_not_count():
    rows = [(0, 11, "yes (old gen)", 1, 0, 0), (1, 21, "no", 0, 0, 15)]
    assert values(rows, "W" + "." * 14, "_" * 15, "." * 30)[1:] == (15, [21])


def test_starting_processes_have_no_value_yet():
    assert values([(0, 11, "no", 0, 0, 7)], "_______S", "." * 52)[1] is None
    assert values([(0, 11, "no", 0, 0, 15), (1, 12, "no", 0, 0, 9)], "_" * 24, "." * 36)[1] is None


def test_contradictions_name_value_and_expectation():
    found = {"MaxRequestWorkers": 100, "ServerLimit": 4, "ThreadsPerChild": 25}
    assert proof.contradictions({"MaxRequestWorkers": 150, "ServerLimit": None}, found) == ["MaxRequestWorkers is 100, expected 150"]
    assert proof.contradictions({}, found) == []


@pytest.mark.parametrize(
    ("text", "width", "address"),
    [("0100007F", 8, "127.0.0.1"), ("00000000000000000000000001000000", 32, "::1"), ("0000000000000000FFFF00000100007F", 32, "::ffff:127.0.0.1")],
)
def test_addresses_of_proc_net(text, width, address):
    assert service.readable(text, width) == address


@pytest.mark.parametrize(
    ("wanted", "other", "taken"),
    [
        (("", 80), ("", 80), True),
        (("", 80), ("10.0.0.1", 80), True),
        (("10.0.0.1", 80), ("", 80), True),
        (("10.0.0.1", 80), ("10.0.0.2", 80), False),
        (("", 81), ("", 80), False),
    ],
)
def test_taken_ports(monkeypatch, wanted, other, taken):
    monkeypatch.setattr(service, "listening", lambda: [(*other, "77")])
    monkeypatch.setattr(service, "holder", lambda inode: "haproxy (pid 5)")
    monkeypatch.setattr(service, "socket_inodes", lambda pid: set())
    problems = service.taken_ports([wanted], 1)
    assert bool(problems) is taken
    assert not problems or "haproxy (pid 5)" in problems[0]
    monkeypatch.setattr(service, "socket_inodes", lambda pid: {"77"})
    assert service.taken_ports([wanted], 1) == []
