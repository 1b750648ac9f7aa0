# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Celery node's sign of life, from inside the node: `celery worker --include=evenkeel_pulse`.

Whoever supervises the node (systemd, or celery_supervisor.py in its place) hears READY=1 when its pool runs, and WATCHDOG=1 every few
seconds while its main loop turns. A node whose signs stop is killed and started again.

A main loop that waits for a broker is not a hang: a node whose loop stands still is only given up while the broker answers somebody
else, which the node itself tries. So a broker that is away, or hangs, kills no node. Costs one datagram every few seconds and no
message to the broker.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import sys
import threading
import time

from celery import bootsteps, signals

PATIENCE = 8.0
"""Seconds without a turn of the main loop after which the broker is asked."""
RECONNECTING = 60.0
"""Seconds that a node may take to get back to a broker that answers: Celery itself waits up to 30 s between two attempts."""
LOADING_USEC = 600 * 10**6
"""Microseconds that a node may take to execute itself again on SIGHUP: it has to load the application."""
BROKER_TIMEOUT = 3.0


def tell(*lines):
    """Send lines of the protocol of sd_notify(3); without a supervisor nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.settimeout(1)
            channel.sendto("\n".join(lines).encode(), "\0" + address[1:] if address.startswith("@") else address)
    except OSError:
        pass  # the supervisor is starting again; the next sign comes in seconds


class Pulse:
    """The sign of life of this process, sent by a thread of its own."""

    def __init__(self, app, limit, judged):
        """limit: seconds after which the supervisor gives a silent node up; judged: whether the main loop must turn."""
        self.app = app
        self.limit = limit
        self.judged = judged
        self.leaving = False
        self.turned = time.monotonic() + RECONNECTING
        self.asking = None
        self.answered = False

    def start(self):
        """Say that the node is there, and go on saying so."""
        tell("READY=1", f"WATCHDOG_USEC={int(self.limit * 1e6)}", "STATUS=looks for its broker")
        threading.Thread(target=self.run, name="evenkeel-pulse", daemon=True).start()

    def run(self):
        """Send signs until the process ends."""
        while True:
            if self.leaving or not self.judged or self.turns():
                tell("WATCHDOG=1")
            time.sleep(self.limit / 5)

    def turn(self, grace=0.0):
        """Note that the main loop turns now; with grace, that it may stand still so long."""
        self.turned = time.monotonic() + grace

    def turns(self):
        """Whether the main loop turns, or waits for a broker that does not answer."""
        if time.monotonic() - self.turned < PATIENCE:
            return True
        if self.broker_answers():
            return False
        self.turn()
        return True

    def broker_answers(self):
        """Try a connection of its own; one that hangs is left to itself and counts as no answer until it ends."""
        if self.asking is None or not self.asking.is_alive():
            self.answered = False
            self.asking = threading.Thread(target=self.ask, daemon=True)
            self.asking.start()
            self.asking.join(BROKER_TIMEOUT)
        return self.answered and not self.asking.is_alive()

    def ask(self):
        """Connect as the node does: Redis answers a PING, RabbitMQ opens a channel."""
        try:
            with self.app.connection_for_read(connect_timeout=BROKER_TIMEOUT) as connection:
                connection.connect()
                connection.default_channel  # noqa: B018  (reading it opens the channel)
                self.answered = True
        except Exception:  # whatever a transport raises means the same
            self.answered = False


def begin(worker):
    """Add the steps of a node that is about to start."""
    pool = getattr(worker.pool_cls, "__module__", "")
    # In these a task holds up the loop and every thread, so that its silence says nothing.
    judged = not any(kind in f"{pool} {worker.pool_cls}" for kind in ("solo", "gevent", "eventlet"))
    pulse = Pulse(worker.app, int(os.environ.get("WATCHDOG_USEC") or 15 * 10**6) / 1e6, judged)

    class Supervised(bootsteps.StartStopStep):
        """The node as a process: there once its pool is, leaving from the moment it is told to stop."""

        requires = ("celery.worker.components:Pool",)

        def start(self, parent):
            pulse.start()

        def close(self, parent):
            pulse.leaving = True
            tell(f"WATCHDOG_USEC={LOADING_USEC}", "STATUS=finishes its tasks")

    class Turning(bootsteps.StartStopStep):
        """The node's loop, which begins again with each connection to the broker."""

        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, parent):
            pulse.turn()
            parent.timer.call_repeatedly(pulse.limit / 5, pulse.turn)
            tell("STATUS=takes tasks from " + ", ".join(sorted(queue.name for queue in parent.task_consumer.queues)))

        def stop(self, parent):
            pulse.turn(RECONNECTING)
            if not pulse.leaving:
                tell("STATUS=lost its broker and looks for it")

    worker.app.steps["worker"].add(Supervised)
    worker.app.steps["consumer"].add(Turning)


@signals.worker_init.connect(weak=False)
def _on_worker_init(sender=None, **_more):
    begin(sender)


# Role security_baseline brings it (docs/traces.md): the request that a task works for is in the task's log lines.
sys.path.append("/usr/local/lib/evenkeel/trace")
with contextlib.suppress(ImportError):
    importlib.import_module("evenkeel_trace")
