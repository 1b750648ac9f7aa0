# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request's ID and W3C traceparent, from Apache into the application's log lines, its Celery tasks and, if wanted, its SQL.

Role: evenkeel.wsgi.security_baseline. Runs inside the application's processes: entry.wsgi calls `follow` with the application, and
Celery's nodes import this file. Nothing in the application has to change, and nothing here may ever break it: whatever is not there, is
left out. Log records get the attributes `request_id` and `traceparent`; lines that a Celery node writes during a task end with them.

Environment: EVENKEEL_TRACE_SQL=1 also writes both as a comment behind each statement of Django's.
"""

from __future__ import annotations

import contextvars
import logging
import os
import re
import sys

HEADERS = {"request_id": "HTTP_X_REQUEST_ID", "traceparent": "HTTP_TRACEPARENT"}
"""Our name: where mod_wsgi has what Apache took over or made."""
PLAIN = re.compile(r"[\w@.:-]{1,128}", re.ASCII)
NOTHING: dict[str, str] = {}

current: contextvars.ContextVar[dict[str, str]] = contextvars.ContextVar("evenkeel_trace", default=NOTHING)
"""What this thread works for: {"request_id": …, "traceparent": …}; empty outside a request or task."""
_done = set()


def plain(values):
    """Of some values those that can stand in a log, a header and a comment without meaning anything else."""
    return {name: value for name, value in values.items() if isinstance(value, str) and PLAIN.fullmatch(value)}


def follow(application):
    """A WSGI application whose requests are followed; loaded before this is called."""
    mark_records()

    def followed(environ, start_response):
        if len(_done) < 3:  # an application may load Celery or Django with its first request only
            hook()
        current.set(plain({name: environ.get(key) for name, key in HEADERS.items()}))
        return application(environ, start_response)

    return followed


def hook():
    """Connect to what the application has loaded."""
    if "celery.signals" in sys.modules and "celery" not in _done:
        _done.add("celery")
        signals = sys.modules["celery.signals"]
        signals.before_task_publish.connect(send, weak=False)
        signals.task_prerun.connect(begin, weak=False)
        signals.task_postrun.connect(end, weak=False)
        signals.after_setup_logger.connect(sign_lines, weak=False)
        signals.after_setup_task_logger.connect(sign_lines, weak=False)
    if "django.db.backends.signals" in sys.modules and "django" not in _done:
        _done.add("django")
        if os.environ.get("EVENKEEL_TRACE_SQL") == "1":
            sys.modules["django.db.backends.signals"].connection_created.connect(comment_statements, weak=False)


def send(headers=None, **_more):
    """Celery is about to send a message: what this thread works for goes along."""
    for name, value in current.get().items():
        headers.setdefault(name, value)


def begin(task=None, **_more):
    """Celery is about to run a task."""
    current.set(plain({name: task.request.get(name) for name in HEADERS}))


def end(**_more):
    """Celery has run a task."""
    current.set(NOTHING)


def mark_records():
    """Give every log record what its thread works for."""
    if "records" in _done:
        return
    _done.add("records")
    make = logging.getLogRecordFactory()

    def marked(*arguments, **more):
        record = make(*arguments, **more)
        working_for = current.get()
        for name in HEADERS:
            setattr(record, name, working_for.get(name, "-"))
        return record

    logging.setLogRecordFactory(marked)


def sign_lines(logger=None, **_more):
    """Celery has set its log up: lines of a task end with what it works for."""

    def sign(record):
        if getattr(record, "request_id", "-") != "-" and not getattr(record, "signed", False):
            record.msg, record.args, record.signed = "%s [request_id=%s traceparent=%s]", (record.getMessage(), record.request_id, record.traceparent), True
        return True

    for handler in logger.handlers:
        handler.addFilter(sign)


def comment_statements(connection=None, **_more):
    """Django has connected to a database."""

    def commented(execute, sql, params, many, context):
        words = ",".join("%s='%s'" % item for item in sorted(current.get().items()))
        return execute("%s /*%s*/" % (sql, words) if words else sql, params, many, context)

    if commented not in connection.execute_wrappers:
        connection.execute_wrappers.append(commented)


if "celery.bootsteps" in sys.modules:  # inside a node
    mark_records()
    hook()
