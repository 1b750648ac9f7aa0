# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the metrics' program makes of samples; that the samples are what a kernel says is tried in tests/faults/test_isolation.py."""

from __future__ import annotations

import importlib.util
import pathlib
import typing as t

PROGRAM = pathlib.Path(__file__).parents[3] / "roles/mod_wsgi_daemon/files/usr/local/lib/evenkeel/wsgi_metrics.py"
spec = importlib.util.spec_from_file_location("wsgi_metrics", PROGRAM)
assert spec
assert spec.loader
program: t.Any = importlib.util.module_from_spec(spec)
spec.loader.exec_module(program)

LISTING = """\
u_str LISTEN 4      100     /var/run/apache2/wsgi.1628.1.1.sock 2611494 * 0
u_str LISTEN 0      50      /var/run/apache2/wsgi.1628.0.1.sock 2511494 * 0
u_str LISTEN 0      13      /var/run/apache2/wsgi.1628.1.2.sock 2611496 * 0
u_str LISTEN 9      13      /tmp/wsgi.99.1.2.sock 2611497 * 0
u_str ESTAB  5      0       /var/run/apache2/wsgi.1628.1.1.sock 2636439 * 2635591
u_str ESTAB  0      0       /var/run/apache2/wsgi.1628.0.1.sock 2636438 * 2635590
u_str ESTAB  0      0       * 2635590 * 2636438
"""


def test_busy_and_queue_are_apaches_own_of_all_its_generations() -> None:
    assert program.sockets(LISTING, 1628) == {1: [2, 4, 100], 2: [0, 0, 13]}


def test_a_group_is_read_from_its_directive() -> None:
    line = 'WSGIDaemonProcess shop-reports processes=2 threads=8 memory-limit=1000 home="/srv/my shop" display-name=%{GROUP}'
    assert program.group_of(3, line, 17) == {"number": 3, "name": "shop-reports", "shown": "(wsgi:shop-report", "slots": 16, "processes": 2, "limit": 1000}
    assert program.group_of(1, "WSGIDaemonProcess a", 17)["slots"] == 15


def test_groups_are_numbered_as_apache_reads_them(tmp_path: pathlib.Path) -> None:
    generation = tmp_path / "evenkeel/generations/2"
    for folder in (generation, tmp_path / "conf-enabled", tmp_path / "sites-enabled"):
        folder.mkdir(parents=True)
    (tmp_path / "evenkeel/current.conf").write_text(f"Define EVENKEEL_GENERATION {generation}\n")
    (tmp_path / "conf-enabled/zz-evenkeel.conf").write_text("Include …")
    (tmp_path / "conf-enabled/other.conf").write_text("  WSGIDaemonProcess foreign\n")
    (tmp_path / "sites-enabled/site.conf").write_text("#WSGIDaemonProcess no\nWSGIDaemonProcess last\n")
    (generation / "b.conf").write_text("WSGIDaemonProcess two\n")
    (generation / "a.conf").write_text("WSGIDaemonProcess one\n")
    assert [line.split()[1] for line in program.directives(str(tmp_path))] == ["foreign", "one", "two", "last"]


def group(number: int, name: str, shown: str) -> dict[str, t.Any]:
    return {"number": number, "name": name, "shown": shown, "slots": 8, "processes": 2, "limit": 0}


def process(key: str, shown: str) -> dict[str, t.Any]:
    return {"key": key, "shown": shown, "rss": 10, "data": 20, "cpu": 1.0, "started": 5.0}


def test_starts_count_processes_that_were_not_there_before() -> None:
    groups = [group(1, "shop", "(wsgi:shop)")]
    _values, state = program.measure(groups, {}, [process("1-1", "(wsgi:shop)"), process("2-1", "(wsgi:shop)")], 10.0, {})
    values, state = program.measure(groups, {1: [3, 4, 100]}, [process("1-1", "(wsgi:shop)"), process("3-9", "(wsgi:shop)")], 10.0, state)
    assert {name: values[name]["shop"] for name in ("process_starts_total", "processes", "busy_slots", "queued_requests", "youngest_process_seconds")} == {
        "process_starts_total": 3, "processes": 2, "busy_slots": 3, "queued_requests": 4, "youngest_process_seconds": 5.0,
    }  # fmt: skip
    assert state["known"] == ["1-1", "3-9"]


def test_names_that_were_cut_off_to_the_same_text_get_no_numbers_of_processes() -> None:
    groups = [group(1, "shop-reports", "(wsgi:shop-report"), group(2, "shop-reportx", "(wsgi:shop-report")]
    values, _state = program.measure(groups, {1: [1, 0, 100]}, [process("1-1", "(wsgi:shop-report")], 10.0, {})
    assert values["busy_slots"] == {"shop-reports": 1, "shop-reportx": 0}
    assert values["processes"] == values["process_starts_total"] == {}


def test_the_text_is_prometheus() -> None:
    values, _state = program.measure([group(1, "shop", "(wsgi:shop)")], {}, [], 1.0, {})
    lines = program.exposition(values, 0.1, 5.0).splitlines()
    assert 'evenkeel_wsgi_busy_slots{group="shop"} 0' in lines
    assert "# TYPE evenkeel_wsgi_process_starts_total counter" in lines
    assert all(line.startswith(("# ", "evenkeel_wsgi_")) for line in lines)
