# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The healer inside the one unit that runs `celery multi`: celery_supervisor.py CONFIGURATION

systemd sees one main process, this one; the nodes are daemons that `celery multi` started, of which systemd knows nothing. So this
process looks at each of them by name every second, starts a dead one again (`celery multi start NODE`), kills one whose signs of life
(evenkeel_pulse) stop, and stops them after their tasks (`celery multi stopwait NODE`). Killed itself, it is started again by systemd
and goes on with the nodes that live: the unit has KillMode=process.

A process is only taken for a node, and only then signalled, when it is in this unit's cgroup and has the node's name in its command
line. A pid file that names anything else is removed before `celery multi` sees it, which would end whatever has that pid.

SIGTERM  stop all nodes after their tasks, then end       SIGHUP  restart all nodes after their tasks
SIGQUIT  while stopping: let the nodes give their tasks back to the queues
A changed configuration is taken up by itself: nodes that changed restart after their tasks, the others do not notice.

CONFIGURATION: {"celery": path, "app": text, "runtime": directory, "logs": directory, "watchdog": seconds,
                "nodes": {name: {"arguments": [words of celery multi], "stop": seconds, "nice": number, "watched": bool}}}
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

LOADING = 300.0
"""Seconds that a node may take from its start to its first sign of life."""
STABLE = 60.0
"""Seconds after which a node that was started again counts as healed, and its next start is not delayed."""
LONGEST_DELAY = 60.0
LOG_LIMIT = 50 * 2**20
"""Bytes of a log file beyond which it is moved aside; one older file is kept. Celery opens a new one by itself."""


def read(path: str) -> str:
    """What a file holds; nothing when it cannot be read."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def tell(*lines: str) -> None:
    """Tell systemd, by the protocol of sd_notify(3)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto("\n".join(lines).encode(), "\0" + address[1:] if address.startswith("@") else address)


def parent(pid: int) -> int:
    """The parent of a process, 0 when there is no such process."""
    words = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(words[1]) if words else 0


class Node:
    """One named worker."""

    def __init__(self, name: str, spec: dict, supervisor: Supervisor) -> None:
        self.name = name
        self.spec = spec
        self.supervisor = supervisor
        self.pid = 0
        self.silent_at = 0.0  # monotonic time at which it is taken to hang
        self.born = 0.0
        self.failures = 0
        self.not_before = 0.0
        self.heard = False  # whether this process has given a sign of life
        self.changed = False  # whether it has to restart after its tasks
        self.operation: subprocess.Popen | None = None
        self.verb = ""
        self.give_up_at = 0.0  # when a stop has waited long enough

    @property
    def pidfile(self) -> str:
        return f"{self.supervisor.runtime}/{self.name}.pid"

    def owns(self, pid: int) -> bool:
        """Whether a process is the node's: its main process or one of its pool."""
        words = read(f"/proc/{pid}/cmdline")
        return bool(re.search(rf"(^|[\0 :=]){re.escape(self.name)}@", words)) and read(f"/proc/{pid}/cgroup") == read("/proc/self/cgroup")

    def family(self) -> list[int]:
        """All processes of the node."""
        return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and self.owns(int(entry))]

    def noted(self) -> int:
        """The process that the pid file names, 0 if that is not the node."""
        text = read(self.pidfile).strip()
        return int(text) if text.isdigit() and self.owns(int(text)) else 0

    def adopt(self) -> Node:
        """Keep what an earlier supervisor left running, except a pool without its main process."""
        if not self.noted():
            self.kill()
        return self

    def find(self) -> int:
        """The node's main process, 0 if there is none; removes a pid file that names another process.

        A node that is still loading has no pid file yet: it is the one of its processes that nobody is the parent of.
        """
        pid = self.noted()
        if pid:
            return pid
        with contextlib.suppress(OSError):
            os.unlink(self.pidfile)
        return next((pid for pid in self.family() if parent(pid) == 1), 0)

    def multi(self, verb: str) -> None:
        """Begin `celery multi VERB NODE`."""
        pid = self.find()
        if pid and verb != "start" and not self.noted():
            Path(self.pidfile).write_text(f"{pid}\n")  # without it `celery multi` would say that the node is down
        own = self.supervisor
        self.verb, self.changed = verb, False
        self.give_up_at = time.monotonic() + self.spec["stop"]
        self.operation = subprocess.Popen(
            [own.celery, "-A", own.app, "multi", verb, self.name, f"--pidfile={own.runtime}/%n.pid", f"--logfile={own.logs}/%n%I.log", *self.spec["arguments"]],
            env={**os.environ, "NOTIFY_SOCKET": own.address, "WATCHDOG_USEC": str(own.watchdog * 10**6)},
            preexec_fn=(lambda: os.nice(self.spec["nice"])) if self.spec["nice"] else None,
        )

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Signal the node's main process; with SIGKILL all its processes."""
        for pid in self.family() if number == signal.SIGKILL else filter(None, [self.find()]):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def look(self) -> None:
        """Note what has become of the process and of the operation that is under way."""
        now = time.monotonic()
        if self.operation is None and self.pid and not self.owns(self.pid):
            self.kill()  # its pool, which would go on with tasks that nobody hears of
        pid = self.find()
        if pid and pid != self.pid:
            self.silent_at, self.born, self.heard = now + LOADING, now, False
        self.pid = pid
        if self.operation is not None:
            if self.operation.poll() is not None:
                self.operation = None
                if self.verb == "stopwait":
                    self.not_before = now + 3  # it may take a moment to be gone
            elif self.verb != "start" and now > self.give_up_at:
                print(f"{self.name}: its tasks took longer than {self.spec['stop']} s, killing it", flush=True)
                self.kill()
        elif pid and now - self.born > STABLE:
            self.failures = 0

    def stop(self) -> None:
        """Begin to stop it, if that is not under way."""
        if self.operation is None and self.pid and (self.verb != "stopwait" or time.monotonic() >= self.not_before):
            self.multi("stopwait")

    def heal(self) -> None:
        """Start what is dead, kill what hangs."""
        now = time.monotonic()
        if self.operation is not None:
            return
        if not self.pid and now >= self.not_before:
            self.not_before = now + min(LONGEST_DELAY, 2.0**self.failures)
            self.failures += 1
            print(f"{self.name}: starting it", flush=True)
            self.multi("start")
        elif self.pid and self.spec["watched"] and now > self.silent_at:
            print(f"{self.name}: process {self.pid} hangs, killing it", flush=True)
            self.kill()


class Supervisor:
    """All nodes of one application."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.loaded = ""
        self.nodes: dict[str, Node] = {}
        self.leaving: dict[str, Node] = {}
        self.stopping = False
        self.ready = False
        self.load()
        self.address = f"{self.runtime}/notify"
        for old in (self.address, f"{self.runtime}/state.json"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(old)
        self.channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.channel.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.channel.bind(self.address)
        self.channel.settimeout(1.0)

    def load(self) -> None:
        """Read the configuration if it changed; begin what follows from it."""
        text = read(self.path)
        digest = hashlib.sha256(text.encode()).hexdigest()
        if not text or digest == self.loaded:
            return
        data = json.loads(text)
        self.celery, self.app, self.runtime, self.logs, self.watchdog = (data[key] for key in ("celery", "app", "runtime", "logs", "watchdog"))
        for name in [*self.nodes]:
            if name not in data["nodes"]:
                self.leaving[name] = self.nodes.pop(name)
        for name, spec in data["nodes"].items():
            if name not in self.nodes:
                self.nodes[name] = self.leaving.pop(name, None) or Node(name, spec, self).adopt()
            node = self.nodes[name]
            if node.spec != spec:
                node.spec, node.changed, node.failures = spec, True, 0
        self.loaded = digest

    def hear(self) -> None:
        """Take the nodes' signs of life for up to a second; the kernel says which process sent each."""
        until = time.monotonic() + 1
        while time.monotonic() < until:
            try:
                _message, ancillary, _flags, _address = self.channel.recvmsg(4096, socket.CMSG_SPACE(12))
            except (TimeoutError, socket.timeout, InterruptedError):
                return
            sender = struct.unpack("3i", ancillary[0][2][:12])[0]
            for node in self.nodes.values():
                if node.pid == sender:
                    node.heard = True
                    node.silent_at = time.monotonic() + self.watchdog

    def turn(self) -> None:
        """One look at everything."""
        self.load()
        for node in [*self.nodes.values(), *self.leaving.values()]:
            node.look()
        for name, node in [*self.leaving.items()]:
            if node.operation is None and not node.pid:
                del self.leaving[name]
            else:
                node.stop()
        for node in self.nodes.values():
            if self.stopping:
                node.stop()
            elif node.changed and node.operation is None and node.pid:
                node.multi("restart")
            else:
                node.heal()
        self.report()

    def settled(self) -> bool:
        """Whether every node runs and nothing is under way."""
        return not self.leaving and all(node.heard and node.pid and node.operation is None and not node.changed for node in self.nodes.values())

    def report(self) -> None:
        """Say how things are: to systemd, and in a file to whoever changed the configuration."""
        alive = sum(bool(node.pid) for node in self.nodes.values())
        status = f"STATUS={alive} of {len(self.nodes)} nodes run" + (", finishing their tasks" if self.stopping else "")
        failing = sorted(node.name for node in self.nodes.values() if node.failures > 2 and not node.pid)
        if not self.ready and (failing or self.settled()):
            self.ready = True
            tell("READY=1")
        tell(status, "WATCHDOG=1")
        state = {
            "loaded": {self.path: self.loaded},
            "settled": self.settled(),
            "failing": failing,
            "nodes": {node.name: node.pid for node in self.nodes.values()},
        }
        Path(f"{self.runtime}/.state").write_text(json.dumps(state) + "\n")
        os.replace(f"{self.runtime}/.state", f"{self.runtime}/state.json")

    def rotate(self) -> None:
        """Move large logs aside."""
        for log in Path(self.logs).glob("*.log"):
            with contextlib.suppress(OSError):
                if log.stat().st_size > LOG_LIMIT:
                    log.rename(f"{log}.1")

    def on_signal(self, number: int, _frame: object) -> None:
        """Note what is wanted; the next turn does it."""
        if number == signal.SIGTERM:
            self.stopping = True
        elif number == signal.SIGHUP:
            for node in self.nodes.values():
                node.changed = True
        elif number == signal.SIGQUIT:
            for node in self.nodes.values():
                node.kill(signal.SIGQUIT)

    def run(self) -> None:
        """Supervise until told to stop, then until all nodes have."""
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, self.on_signal)
        rotated = 0.0
        while not (self.stopping and all(not node.pid and node.operation is None for node in self.nodes.values())):
            self.turn()
            if time.monotonic() - rotated > 60:
                self.rotate()
                rotated = time.monotonic()
            self.hear()


if __name__ == "__main__":
    Supervisor(sys.argv[1]).run()
