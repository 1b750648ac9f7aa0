# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows a request; that Celery and Apache carry it for real is tried in Molecule's scenario `alarms`."""

from __future__ import annotations

import importlib.util
import logging
import pathlib
import sys
import types

import pytest

PROGRAM = pathlib.Path(__file__).parents[3] / "roles/security_baseline/files/usr/local/lib/evenkeel/trace/evenkeel_trace.py"
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ENVIRON = {"HTTP_X_REQUEST_ID": "awKD8rUpMWNCeKH_WTkwoQAAAAI", "HTTP_TRACEPARENT": PARENT}
WORDS = {"request_id": "awKD8rUpMWNCeKH_WTkwoQAAAAI", "traceparent": PARENT}


class Signal:
    def __init__(self):
        self.receivers = []

    def connect(self, receiver, weak):
        assert not weak
        self.receivers.append(receiver)

    def send(self, **arguments):
        for receiver in self.receivers:
            receiver(**arguments)


@pytest.fixture
def signals(monkeypatch):
    module = types.ModuleType("celery.signals")
    for name in ("before_task_publish", "task_prerun", "task_postrun", "after_setup_logger", "after_setup_task_logger"):
        setattr(module, name, Signal())
    monkeypatch.setitem(sys.modules, "celery.signals", module)
    return module


@pytest.fixture
def trace():
    factory = logging.getLogRecordFactory()
    spec = importlib.util.spec_from_file_location("evenkeel_trace", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    logging.setLogRecordFactory(factory)
    module.current.set(module.NOTHING)


def record():
    return logging.getLogger("shop").makeRecord("shop", logging.INFO, "f", 1, "paid %s", ("7",), None)


def test_a_request_goes_on_into_log_records_and_the_messages_that_it_sends(trace, signals):
    sent = {}

    def application(environ, start_response):
        signals.before_task_publish.send(headers=sent)
        return [record().request_id, record().traceparent]

    assert trace.follow(application)(ENVIRON, None) == list(WORDS.values())
    assert sent == WORDS


def test_a_sender_that_says_it_itself_is_right(trace, signals):
    sent = {"traceparent": "its own"}
    trace.follow(lambda *_both: signals.before_task_publish.send(headers=sent))(ENVIRON, None)
    assert sent == {**WORDS, "traceparent": "its own"}


def test_a_task_and_its_lines_know_the_request_and_the_next_one_does_not(trace, signals):
    trace.mark_records()
    trace.hook()
    handler = logging.Handler()
    signals.after_setup_task_logger.send(logger=types.SimpleNamespace(handlers=[handler]))
    signals.task_prerun.send(task=types.SimpleNamespace(request=WORDS))
    line = record()
    assert handler.filter(line) and handler.filter(line)  # a line of two loggers is signed once
    assert line.getMessage() == f"paid 7 [request_id={WORDS['request_id']} traceparent={PARENT}]"
    signals.task_postrun.send()
    line = record()
    assert handler.filter(line)
    assert line.getMessage() == "paid 7"


@pytest.mark.parametrize("hostile", ["a b", "x]\nforged line", "*/ DROP TABLE", "%s", "", "a" * 129, None, 7])
def test_what_could_mean_something_else_is_left_out(trace, hostile):
    assert trace.plain({"request_id": hostile, "traceparent": PARENT}) == {"traceparent": PARENT}


def test_statements_carry_a_comment_only_when_that_is_wanted(trace, monkeypatch):
    module = types.ModuleType("django.db.backends.signals")
    module.connection_created = Signal()
    monkeypatch.setitem(sys.modules, "django.db.backends.signals", module)
    trace.hook()
    assert module.connection_created.receivers == []
    trace._done.clear()
    monkeypatch.setenv("EVENKEEL_TRACE_SQL", "1")
    trace.hook()
    connection = types.SimpleNamespace(execute_wrappers=[])
    module.connection_created.send(connection=connection)
    [wrapper] = connection.execute_wrappers

    def execute(sql, *_rest):
        return sql

    assert wrapper(execute, "SELECT 1", None, False, {}) == "SELECT 1"
    trace.current.set(WORDS)
    assert wrapper(execute, "SELECT 1", None, False, {}) == f"SELECT 1 /*request_id='{WORDS['request_id']}',traceparent='{PARENT}'*/"


def test_an_application_without_celery_and_django_is_left_alone(trace, monkeypatch):
    for name in ("celery.signals", "django.db.backends.signals"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert trace.follow(lambda environ, _start: [environ["x"]])({"x": "1"}, None) == ["1"]
