# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a Celery node's main loop counts as hung; real nodes: tests/faults/test_celery.py."""

from __future__ import annotations

import importlib.util
import pathlib
import socket
import sys
import types

import pytest

FILE = pathlib.Path(__file__).parents[3] / "roles/celery_multi/files/usr/local/lib/evenkeel/celery/evenkeel_pulse.py"


@pytest.fixture
def pulse(monkeypatch):
    """The module; of Celery, which the toolchain has not, only the names that it imports."""
    celery = types.ModuleType("celery")
    celery.bootsteps = types.SimpleNamespace(StartStopStep=object)
    celery.signals = types.SimpleNamespace(worker_init=types.SimpleNamespace(connect=lambda **_more: lambda function: function))
    monkeypatch.setitem(sys.modules, "celery", celery)
    spec = importlib.util.spec_from_file_location("evenkeel_pulse", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    clock = types.SimpleNamespace(now=1000.0)
    monkeypatch.setattr(module, "time", types.SimpleNamespace(monotonic=lambda: clock.now, sleep=lambda _s: None))
    module.clock = clock
    return module


class Broker:
    """A broker that answers or does not."""

    answers = True

    def connection_for_read(self, **_more):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        pass

    def connect(self):
        if not self.answers:
            raise OSError

    default_channel = None


def test_a_loop_that_stands_still_is_given_up_only_while_the_broker_answers(pulse):
    broker = Broker()
    node = pulse.Pulse(broker, 15.0, True)
    node.turn()
    pulse.clock.now += pulse.PATIENCE - 0.1
    assert node.turns()
    pulse.clock.now += 0.2
    assert not node.turns()
    broker.answers = False
    assert node.turns()
    broker.answers = True
    assert node.turns(), "it gets its patience again once the broker is back"
    pulse.clock.now += pulse.PATIENCE
    assert not node.turns()


def test_a_node_may_take_its_time_to_find_its_broker(pulse):
    node = pulse.Pulse(Broker(), 15.0, True)
    pulse.clock.now += pulse.RECONNECTING
    assert node.turns()
    pulse.clock.now += pulse.PATIENCE
    assert not node.turns()
    node.turn(pulse.RECONNECTING)
    pulse.clock.now += pulse.RECONNECTING
    assert node.turns()


def test_signs_reach_the_supervisor_and_a_missing_one_is_no_error(pulse, monkeypatch, tmp_path):
    path = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    pulse.tell("WATCHDOG=1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(path)
        pulse.tell("READY=1", "STATUS=x")
        assert supervisor.recv(100) == b"READY=1\nSTATUS=x"
    monkeypatch.delenv("NOTIFY_SOCKET")
    pulse.tell("WATCHDOG=1")
