# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Celery application is set to, asked of the application itself.

This file is a program. `_celery_ask` sends it to the application's own Python, which runs it as the application's user: `python - REQUEST`, with
REQUEST = {"app": what `celery -A` takes, "queues": [of its nodes], "nodes": [names to ask while they run; empty: nobody], "timeout": seconds}.
It prints one line of JSON after MARK, with settings and names, and neither a password nor any other setting's value.
"""

from __future__ import annotations

import json
import os
import sys
import typing as t

MARK = "evenkeel-celery: "
SETTINGS = (
    "accept_content", "result_accept_content", "task_serializer", "result_serializer", "task_default_queue", "worker_soft_shutdown_timeout",
)  # fmt: skip
CLOCK = "broker_transport_options"


def settings(conf: t.Any) -> dict[str, t.Any]:
    """Return what is judged of an application's settings; conf is a mapping, of this process or as a node sent it."""
    found = {name: conf.get(name) for name in SETTINGS}
    return {**found, "visibility_timeout": (conf.get(CLOCK) or {}).get("visibility_timeout")}


def tasks(app: t.Any) -> dict[str, dict[str, t.Any]]:
    """Return each of the application's tasks: the queue that it is sent to when nobody says otherwise, and what happens when its process dies."""
    found = {}
    for name, task in sorted(app.tasks.items()):
        if name.startswith("celery."):
            continue
        own = {"queue": task.queue} if getattr(task, "queue", None) else {}
        try:
            queue = app.amqp.router.route(own, name, (), {}, task_type=task).get("queue")
        except Exception as exc:  # a router is the application's code, and may want arguments that only a real call has
            found[name] = {"queue": None, "error": repr(exc)[:200]}
        else:
            found[name] = {"queue": getattr(queue, "name", queue)}
        found[name].update(acks_late=bool(task.acks_late), reject_on_worker_lost=bool(task.reject_on_worker_lost))
    return found


def queues(app: t.Any, wanted: t.Iterable[str]) -> dict[str, dict[str, t.Any]]:
    """Return the arguments with which the nodes declare their queues, where RabbitMQ has any."""
    found = {}
    for name in wanted:
        arguments = app.amqp.queues[name].queue_arguments or {}
        found[name] = {"type": arguments.get("x-queue-type") or "classic", "consumer_timeout_ms": arguments.get("x-consumer-timeout")}
    return found


def broker(app: t.Any) -> dict[str, t.Any]:
    """Return what the broker's URL says, without its password."""
    connection = app.connection_for_read()
    url = str(connection.hostname or "")  # of a socket and of sentinels the whole URL
    return {
        "kind": connection.transport.driver_type,
        "host": "" if url.startswith("socket:") else url.rpartition("@")[2].partition("/")[0],
        "password": bool(connection.password) or "@" in url,
        "tls": bool(connection.ssl),
    }


def answer(app: t.Any, timeout: float) -> dict[str, t.Any]:
    """Return what the broker itself says: versions, and for Redis what it does when its memory is full or its host dies."""
    with app.connection_for_read(connect_timeout=timeout) as connection:
        connection.connect()
        channel = connection.default_channel
        if connection.transport.driver_type == "redis":
            said = channel.client.info()  # allowed also where CONFIG is not
            return {key: said.get(key) for key in ("redis_version", "maxmemory", "maxmemory_policy", "aof_enabled")}
        said = getattr(connection.connection, "server_properties", None) or {}
        return {"rabbitmq_version": said.get("version")}


def nodes(app: t.Any, names: t.Sequence[str], timeout: float) -> dict[str, dict[str, t.Any]]:
    """Ask running nodes over the broker; one that does not answer is missing."""
    inspect = app.control.inspect(destination=names, timeout=timeout, limit=len(names))
    stats = inspect.stats() or {}
    taken = inspect.active_queues() or {}
    configured = inspect.conf(with_defaults=True) or {}
    found = {}
    for name in sorted(stats.keys() & taken.keys() & configured.keys()):
        found[name] = {
            "queues": sorted(queue["name"] for queue in taken[name]),
            "prefetch": stats[name].get("prefetch_count"),
            "settings": settings(configured[name]),
        }
    return found


def ask(request: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return everything that was asked for."""
    from celery.app.utils import find_app

    sys.path.insert(0, os.getcwd())
    app = find_app(request["app"])
    app.loader.import_default_modules()
    app.finalize()
    said = {"settings": settings(app.conf), "tasks": tasks(app), "queues": queues(app, request["queues"]), "broker": broker(app)}
    if request["nodes"]:
        try:
            said["broker"].update(answers=True, **answer(app, request["timeout"]))
        except Exception as exc:  # whatever a transport raises means the same; its words may hold a URL
            said["broker"].update(answers=False, error=type(exc).__name__)
        else:
            said["nodes"] = nodes(app, request["nodes"], request["timeout"])
    return said


def main() -> None:
    """Answer on the real standard output; what the application itself prints goes to standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    out.write(MARK + json.dumps(ask(json.loads(sys.argv[1])), default=str) + "\n")
    out.flush()


if __name__ == "__main__":
    main()
