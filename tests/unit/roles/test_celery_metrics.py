# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the metrics' program makes of the nodes' files; that they are true is tried in tests/faults/test_celery.py."""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import typing as t

PROGRAM = pathlib.Path(__file__).parents[3] / "roles/celery_multi/files/usr/local/lib/evenkeel/celery_metrics.py"
spec = importlib.util.spec_from_file_location("celery_metrics", PROGRAM)
assert spec
assert spec.loader
program: t.Any = importlib.util.module_from_spec(spec)
spec.loader.exec_module(program)

NODE = {"application": "shop", "node": "default", "queues": ["Q1"], "file": ""}
SAID = {
    "pid": os.getpid(),
    "time": 1000.0,
    "length": {"Q1": 7, "elsewhere": 9},
    "active": {"Q1": 2},
    "oldest": {"Q1": 1.5},
    "received": {"Q1": 10},
    "ended": {"Q1": {"success": 8, 'odd"} 1\nevil': 5}},
    "seconds": {"Q1": [4.25, 8]},
}


def shown(said: t.Any, now: float = 1010.0) -> str:
    return str(program.exposition(program.samples(NODE, said, now)))


def test_a_node_and_its_queue() -> None:
    text = shown(SAID)
    for line in (
        'evenkeel_celery_node_up{application="shop",node="default"} 1',
        'evenkeel_celery_queue_length{application="shop",node="default",queue="Q1"} 7',
        'evenkeel_celery_tasks_active{application="shop",node="default",queue="Q1"} 2',
        'evenkeel_celery_tasks_reserved{application="shop",node="default",queue="Q1"} 0',
        'evenkeel_celery_tasks_ended_total{application="shop",node="default",queue="Q1",state="success"} 8',
        'evenkeel_celery_task_seconds_sum{application="shop",node="default",queue="Q1"} 4.25',
        'evenkeel_celery_task_seconds_count{application="shop",node="default",queue="Q1"} 8',
    ):
        assert line + "\n" in text
    assert "elsewhere" not in text and "evil" not in text


def test_a_node_that_is_silent_or_gone_is_down_and_says_nothing_else() -> None:
    for said in ({}, {**SAID, "time": 0}, {**SAID, "pid": 2**22 + 1}, {**SAID, "pid": "x"}):
        lines = [line for line in shown(said).splitlines() if not line.startswith("#")]
        assert lines == ['evenkeel_celery_node_up{application="shop",node="default"} 0']


def test_a_broker_that_does_not_answer_has_no_length() -> None:
    assert "queue_length{" not in shown({**SAID, "length": {}})


def test_a_file_that_is_something_else_is_read_as_nothing(tmp_path: pathlib.Path) -> None:
    good = tmp_path / "good"
    good.write_text(json.dumps(SAID))
    (tmp_path / "link").symlink_to(good)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "deep").write_text("[" * 100000)
    (tmp_path / "huge").write_text('{"a": "' + "x" * program.LARGEST + '"}')
    assert program.read(good) == SAID
    for name in ("link", "pipe", "deep", "huge", "missing"):
        assert program.read(tmp_path / name) == {}


def test_only_finite_numbers_count() -> None:
    for value in (float("nan"), float("inf"), True, "7", None, [1]):
        assert program.number({"a": value}, "a") == 0
    assert program.number({"a": [1, 2]}, "a", 1) == 2 and program.number({"a": [1]}, "a", 1) == 0
