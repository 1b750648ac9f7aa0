# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who still comes from a network that leaves: lines of the log, tables of the kernel."""

from __future__ import annotations

import datetime
import ipaddress
import json

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies.traffic import connected_from, requests_from

NOON = datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.timezone.utc)
OLD, CDN = [ipaddress.ip_network("10.0.1.0/24")], [ipaddress.ip_network("192.0.2.0/24")]
NEW = [ipaddress.ip_network("10.0.2.0/24")]


def line(peer: str, chain: str = "203.0.113.9", time: str = "2026-05-01T12:00:01.000+0000") -> bytes:
    fields = {"time": time, "host": 'shop "x"', "client": "203.0.113.9", "peer": peer, "chain": chain, "path": "/", "status": 200}
    return json.dumps(fields, separators=(",", ":")).encode()


def seen(*lines: bytes, removed=tuple(OLD), kept=tuple(NEW)) -> list[tuple[str, int]]:
    return [(entry.address, entry.requests) for entry in requests_from(lines, removed, kept, NOON)]


def test_requests_are_counted_for_who_connected_the_busiest_first():
    assert seen(line("10.0.1.7"), line("10.0.1.8"), line("10.0.1.8"), line("10.0.2.7"), line("203.0.113.5")) == [("10.0.1.8", 2), ("10.0.1.7", 1)]


def test_the_last_request_is_told():
    (entry,) = requests_from([line("10.0.1.7", time="2026-05-01T12:05:00.000+0000"), line("10.0.1.7")], OLD, NEW, NOON)
    assert entry.as_dict() == {"address": "10.0.1.7", "requests": 2, "last": "2026-05-01T12:05:00.000+0000"}


@pytest.mark.parametrize(
    ("time", "count"),
    [
        ("2026-05-01T11:59:59.999+0000", 0),
        ("2026-05-01T12:00:00.000+0000", 1),
        ("2026-05-01T13:59:59.000+0200", 0),
        ("2026-05-01T14:00:01.000+0200", 1),
        ("-", 1),
    ],
)
def test_only_what_is_new_counts(time, count):
    assert len(seen(line("10.0.1.7", time=time))) == count


def test_a_narrower_network_keeps_who_stays_in_it():
    kept = [ipaddress.ip_network("10.0.1.0/28")]
    assert seen(line("10.0.1.7"), line("10.0.1.77"), kept=kept) == [("10.0.1.77", 1)]


def test_a_proxy_further_out_is_what_a_trusted_one_wrote_last():
    assert seen(line("10.0.2.7", "6.6.6.6, 192.0.2.5"), removed=CDN) == [("192.0.2.5", 1)]
    assert seen(line("203.0.113.66", "192.0.2.5"), line("10.0.2.7", "192.0.2.5, 6.6.6.6"), removed=CDN) == []


def test_what_is_no_line_of_the_log_is_passed_over():
    assert seen(b"", b"{}", b"\xff\xfe", line("-"), line("nonsense")) == []


TABLE = """  sl  local_address rem_address   st tx_queue rx_queue
   0: 00000000:0050 00000000:0000 0A 0 0
   1: 0B00000A:0050 0701000A:D431 01 0 0
   2: 0B00000A:D432 0801000A:0050 01 0 0
   3: 0B00000A:0050 0901000A:D433 06 0 0
   4: 0B00000A:0050 0702000A:D434 01 0 0
"""
TABLE6 = """  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0 0
   1: 0000000000000000FFFF00000B00000A:0050 0000000000000000FFFF00000A01000A:D435 01 0 0
"""


def test_connections_to_listening_ports_that_are_open_count():
    assert connected_from([TABLE, ""], OLD, NEW) == ["10.0.1.7"]
    assert connected_from([TABLE, TABLE6], OLD, NEW) == ["10.0.1.10", "10.0.1.7"]
