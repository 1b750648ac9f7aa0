# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Celery node does, counted inside the node: `celery worker --include=evenkeel_numbers`.

The node writes a small file into its runtime directory every few seconds; celery_metrics.py makes metrics of the files of all nodes.
No port is opened and no event goes over the broker. A pool process tells its node of each task that ended by one local datagram, since
only it knows how the task ended and how long it took; what a killed process was working on the node itself knows.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import threading
import time

from celery import bootsteps, signals
from celery.worker import state

INTERVAL = 5.0
"""Seconds between two files."""
LONGEST_MESSAGE = 4096
KILLED = ("WorkerLostError", "TimeLimitExceeded")
"""How a task ends whose process could not say anything any more."""

begun = {}  # of the tasks that run in this process, by id: (queue, monotonic time)
address = None  # where processes of the pool send their datagrams; they inherit it
channel = None  # this process's own socket, with the id of the process that opened it


def send(message):
    """Tell the node; it costs nothing when nobody listens."""
    global channel
    if channel is None or channel[0] != os.getpid():  # a child of the pool inherits its parent's
        channel = (os.getpid(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
    with contextlib.suppress(OSError):  # a full buffer loses a number, and holds up no task
        channel[1].sendto(json.dumps(message).encode(), address)


def queue_of(delivery_info):
    """The queue that a message came by. A queue of a topic exchange shows as its routing key."""
    return str((delivery_info or {}).get("routing_key") or "")


@signals.task_prerun.connect(weak=False)
def _on_prerun(task_id=None, task=None, **_more):
    if address:
        begun[task_id] = (queue_of(task.request.delivery_info), time.monotonic())


@signals.task_postrun.connect(weak=False)
def _on_postrun(task_id=None, state=None, **_more):
    queue, start = begun.pop(task_id, (None, 0.0))
    if queue is not None:
        send({"id": task_id, "queue": queue, "state": str(state or "UNKNOWN").lower(), "seconds": time.monotonic() - start})


class Numbers:
    """The numbers of this node."""

    def __init__(self, name, queues, folder):
        self.name = name
        self.queues = queues
        self.path = os.path.join(folder, f"{name}.numbers")
        self.received = {}
        self.redelivered = {}
        self.ended = {}  # by queue, then by state
        self.seconds = {}  # by queue: [sum, count]
        self.held = {}  # id -> queue of each message that is not done
        self.unseen = set()  # of these, what the node did not know of when the last file was written
        self.lock = threading.Lock()
        self.length = {}  # messages that wait in each queue, as the broker said last; nothing while it does not answer
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        socket_path = os.path.join(folder, f"{name}.ended")
        with contextlib.suppress(OSError):
            os.unlink(socket_path)
        self.listener.bind(socket_path)
        self.address = socket_path

    def on_received(self, request):
        """Count a message that arrived."""
        queue = queue_of(request.delivery_info)
        with self.lock:
            self.held[request.id] = queue
            self.received[queue] = self.received.get(queue, 0) + 1
            if request.delivery_info.get("redelivered"):
                self.redelivered[queue] = self.redelivered.get(queue, 0) + 1

    def on_ended(self, task, state_name, seconds=None, queue=None):
        """Count a task that ended."""
        with self.lock:
            queue = self.held.pop(task, queue)
            if queue is None:
                return
            states = self.ended.setdefault(queue, {})
            states[state_name] = states.get(state_name, 0) + 1
            if seconds is not None:
                total = self.seconds.setdefault(queue, [0.0, 0])
                total[0] += seconds
                total[1] += 1

    def listen(self, patience):
        """Take what pool processes say, for so many seconds."""
        deadline = time.monotonic() + patience
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.listener], [], [], left)[0]:
                return
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                told = json.loads(self.listener.recv(LONGEST_MESSAGE))
                self.on_ended(told["id"], str(told["state"]), float(told["seconds"]), str(told["queue"]))

    def ask(self, channel, errors):
        """Ask the broker how long the queues are; errors: what it raises for one that is not there."""
        found = {}
        for queue in self.queues:
            try:
                found[queue] = channel.queue_declare(queue=queue, passive=True).message_count
            except errors:
                found[queue] = 0  # Redis has no empty queues
        self.length = found

    def running(self):
        """({queue: tasks that run}, {queue: tasks that wait in this node}, {queue: age of the oldest that runs, s}, ids of all)."""
        active, waiting, oldest, ids = {}, {}, {}, set()
        busy = set(state.active_requests)
        for request in set(state.reserved_requests) | busy:
            queue = queue_of(request.delivery_info)
            ids.add(request.id)
            counted = active if request in busy else waiting
            counted[queue] = counted.get(queue, 0) + 1
            if request in busy and request.time_start:
                oldest[queue] = max(oldest.get(queue, 0.0), time.time() - request.time_start)
        return active, waiting, oldest, ids

    def write(self):
        """Write the file; it is replaced whole."""
        try:
            active, waiting, oldest, ids = self.running()
        except RuntimeError:
            return  # the main loop changed its sets meanwhile; the next file comes in seconds
        with self.lock:
            # What was given back or revoked never ends here; what has just been received may not be known yet.
            self.held = {task: queue for task, queue in self.held.items() if task in ids or task not in self.unseen}
            self.unseen = self.held.keys() - ids
            content = json.dumps({
                "pid": os.getpid(), "time": time.time(), "queues": self.queues, "length": self.length, "active": active, "reserved": waiting,
                "oldest": oldest, "received": self.received, "redelivered": self.redelivered, "ended": self.ended, "seconds": self.seconds,
            })  # fmt: skip
        with contextlib.suppress(OSError):
            with open(f"{self.path}.new", "w", encoding="utf-8") as stream:
                stream.write(content)
            os.rename(f"{self.path}.new", self.path)

    def run(self):
        """Count until the process ends."""
        while True:
            self.listen(INTERVAL)
            self.write()


class Asking(bootsteps.StartStopStep):
    """The broker is asked by the node's own loop, over its own connection, like everything that Celery asks it.

    Not by the thread that writes the file: a pool process is a fork of this one, and a lock that a thread holds at that instant stays locked in the
    new process for good. The thread's own locks are used by nobody else there; a broker's client has others.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)
    numbers = None

    def __init__(self, parent, **more):
        super().__init__(parent, **more)
        self.timer = self.channel = None

    def start(self, parent):
        if parent.hub is None:
            return  # without a loop of its own the node's connection belongs to other threads
        self.channel = parent.connection.channel()
        self.timer = parent.timer.call_repeatedly(INTERVAL, self.numbers.ask, (self.channel, parent.connection.channel_errors))

    def stop(self, parent):
        self.numbers.length = {}
        if self.timer is not None:
            self.timer.cancel()
            with contextlib.suppress(Exception):  # the connection may be what was lost
                self.channel.close()
            self.timer = self.channel = None


@signals.worker_init.connect(weak=False)
def _on_worker_init(sender=None, **_more):
    global address
    folder = os.environ.get("RUNTIME_DIRECTORY")
    if not folder:
        return
    numbers = Numbers(sender.hostname.partition("@")[0], sorted(sender.app.amqp.queues.consume_from), folder)
    address, main = numbers.address, os.getpid()
    Asking.numbers = numbers
    sender.app.steps["consumer"].add(Asking)

    @signals.task_received.connect(weak=False)
    def _on_received(request=None, **_more):
        numbers.on_received(request)

    @signals.task_failure.connect(weak=False)
    def _on_failure(task_id=None, exception=None, **_more):
        if os.getpid() == main and type(exception).__name__ in KILLED:
            numbers.on_ended(task_id, "killed")

    threading.Thread(target=numbers.run, name="evenkeel-numbers", daemon=True).start()
