# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node counts; real nodes: molecule/brokers."""

from __future__ import annotations

import importlib.util
import json
import pathlib
import sys
import types

import pytest

FILE = pathlib.Path(__file__).parents[3] / "roles/celery_multi/files/usr/local/lib/evenkeel/celery/evenkeel_numbers.py"


class NotThere(Exception):
    """A queue that does not exist."""


class Channel:
    """Knows the length of Q1 alone."""

    def queue_declare(self, queue, passive):
        assert passive
        if queue != "Q1":
            raise NotThere
        return types.SimpleNamespace(message_count=7)


class Request:
    """A message as Celery's worker holds it."""

    def __init__(self, task, queue="Q1", redelivered=False, time_start=None):
        self.id, self.delivery_info, self.time_start = task, {"routing_key": queue, "redelivered": redelivered}, time_start


@pytest.fixture
def module(monkeypatch):
    """The module; of Celery, which the toolchain has not, only the names that it imports."""
    signal = types.SimpleNamespace(connect=lambda **_more: lambda function: function)
    celery, worker = types.ModuleType("celery"), types.ModuleType("celery.worker")
    celery.bootsteps = types.SimpleNamespace(StartStopStep=type("Step", (), {"__init__": lambda self, _parent: None}))
    celery.signals = types.SimpleNamespace(task_prerun=signal, task_postrun=signal, worker_init=signal)
    worker.state = types.SimpleNamespace(active_requests=set(), reserved_requests=set())
    monkeypatch.setitem(sys.modules, "celery", celery)
    monkeypatch.setitem(sys.modules, "celery.worker", worker)
    spec = importlib.util.spec_from_file_location("evenkeel_numbers", FILE)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def numbers(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path may have no more than 107 characters
    return module.Numbers("default", ["Q1", "Q2"], ".")


def written(numbers):
    numbers.write()
    return json.loads(pathlib.Path("default.numbers").read_text())


def test_what_a_pool_process_says_is_counted(module, numbers, monkeypatch):
    monkeypatch.setattr(module, "address", numbers.address)
    numbers.on_received(Request("a"))
    numbers.on_received(Request("b", redelivered=True))
    task = types.SimpleNamespace(request=types.SimpleNamespace(delivery_info={"routing_key": "Q1"}))
    for name, state in (("a", "SUCCESS"), ("b", "FAILURE")):
        module._on_prerun(task_id=name, task=task)
        module._on_postrun(task_id=name, state=state)
    numbers.listen(0.2)
    found = written(numbers)
    assert found["received"] == {"Q1": 2} and found["redelivered"] == {"Q1": 1}
    assert found["ended"] == {"Q1": {"success": 1, "failure": 1}} and found["seconds"]["Q1"][1] == 2


def test_what_was_killed_is_counted_by_the_node_and_what_was_given_back_not_at_all(numbers):
    numbers.on_received(Request("a"))
    numbers.on_ended("a", "killed")
    numbers.on_ended("a", "killed")
    numbers.on_received(Request("given back"))
    assert written(numbers)["ended"] == {"Q1": {"killed": 1}}
    written(numbers)
    assert numbers.held == {}


def test_a_queue_that_is_not_there_is_empty_and_a_lost_connection_says_nothing(module, numbers):
    steps = module.Asking(None)
    steps.numbers = numbers
    asked = []
    timer = types.SimpleNamespace(call_repeatedly=lambda _seconds, ask, words: asked.append((ask, words)) or types.SimpleNamespace(cancel=asked.clear))
    steps.start(types.SimpleNamespace(hub=object(), timer=timer, connection=types.SimpleNamespace(channel=Channel, channel_errors=(NotThere,))))
    ((ask, words),) = asked
    ask(*words)
    assert written(numbers)["length"] == {"Q1": 7, "Q2": 0}
    steps.stop(None)
    assert written(numbers)["length"] == {} and asked == []


def test_what_runs_and_what_waits(module, numbers):
    runs, waits = Request("a", time_start=1.0), Request("b", "Q2")
    module.state.active_requests, module.state.reserved_requests = {runs}, {runs, waits}
    active, waiting, oldest, ids = numbers.running()
    assert (active, waiting, ids) == ({"Q1": 1}, {"Q2": 1}, {"a", "b"}) and oldest["Q1"] > 0


def test_noise_on_the_socket_is_ignored(module, numbers, monkeypatch):
    monkeypatch.setattr(module, "address", numbers.address)
    for message in ("text", [1], {"id": 1}, {"id": "x", "state": "s", "seconds": "y", "queue": "Q1"}):
        module.send(message)
    numbers.listen(0.1)
    assert written(numbers)["ended"] == {}
