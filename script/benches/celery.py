# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Celery under load on the example host: what a change loses, what a flood of one queue does to another, and what supervision costs.

Every task leaves a line in a list in Redis when it has run; the bench sends tasks with one client and counts lines with another.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import frame

CLIENT = """
import json, sys, time
from shop import tasks
from shop.celery import app
with app.connection_for_write() as connection:
    for line in sys.stdin:
        queue, seconds, count, kind = json.loads(line)
        for number in range(count):
            key = "%s:%s:%.6f:%d" % (kind, queue, time.time(), number)
            tasks.BY_QUEUE[queue].apply_async((seconds, key), connection=connection, ignore_result=True, retry=True)
        print("sent", flush=True)
"""
NODES = {"default": "Q1", "reports": "Q2", "others": "Q3"}


class Shop:
    """The example host with its three nodes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sent: dict[str, int] = {}
        command = 'cd /srv/shop/current && SECRET_KEY=x PYTHONPATH=. exec venv/bin/python -c "$1"'
        self.client = subprocess.Popen(
            ["docker", "exec", "-i", name, "sh", "-c", command, "sh", CLIENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.lock = threading.Lock()

    def sh(self, command: str) -> str:
        """Run a command on the host."""
        return subprocess.run(["docker", "exec", self.name, "sh", "-c", command], capture_output=True, text=True, check=True).stdout

    def send(self, queue: str, seconds: float, kind: str, count: int = 1) -> None:
        """Send tasks and wait until the broker has them."""
        with self.lock:
            self.client.stdin.write(json.dumps([queue, seconds, count, kind]) + "\n")
            self.client.stdin.flush()
            self.client.stdout.readline()
            self.sent[kind] = self.sent.get(kind, 0) + count

    def ran(self, kind: str) -> list[tuple[str, float]]:
        """Key and latency in seconds of every run of a kind of task."""
        lines = [line.split() for line in self.sh("redis-cli lrange tally 0 -1").splitlines() if line.startswith(kind + ":")]
        return [(key, float(end) - float(key.split(":")[2])) for key, end in lines]

    def finish(self, kind: str, patience: float = 300) -> tuple[int, int, list[float]]:
        """Wait for all tasks of a kind: how many were lost, how many ran again, and the latencies."""
        deadline = time.monotonic() + patience
        while len({key for key, _latency in self.ran(kind)}) < self.sent[kind] and time.monotonic() < deadline:
            time.sleep(0.5)
        runs = self.ran(kind)
        different = len({key for key, _latency in runs})
        return self.sent[kind] - different, len(runs) - different, sorted(latency for _key, latency in runs)

    def children(self, node: str) -> int:
        """Pool processes of a node."""
        return int(self.sh(f"pgrep -cf ' {node}@' || true")) - 1

    def until(self, condition: t.Callable[[], bool], patience: float = 120) -> float:
        """Seconds until something is so."""
        begin = time.monotonic()
        while not condition():
            if time.monotonic() - begin > patience:
                raise SystemExit("failed: it never came to that")
            time.sleep(0.2)
        return time.monotonic() - begin


def p99(latencies: t.Sequence[float]) -> float:
    """The value that one in a hundred exceeds."""
    return latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))]


def steady(shop: Shop, kind: str, seconds: float) -> None:
    """Ten short tasks a second for Q1."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        shop.send("Q1", 0, kind)
        time.sleep(0.1)


def changes(shop: Shop, site: t.Sequence[str | Path], play: str) -> None:
    """Everything that an operator does to running nodes, under a load of short and long tasks."""
    over = threading.Event()

    def load() -> None:
        while not over.is_set():
            shop.send("Q1", 0.05, "change", 5)
            shop.send("Q2", 3, "change")
            shop.send("Q3", 1, "change")
            time.sleep(0.5)

    sender = threading.Thread(target=load)
    sender.start()
    try:
        for verb in ("reload", "restart", "stop", "start"):
            shop.sh(f"systemctl {verb} celery")
            time.sleep(4)
        limits = json.dumps({"celery_multi_read_write_paths": ["/srv/shop/media"]})
        frame.run(*site, "--tags=celery_multi", "-e", limits, play)
        frame.run(*site, "evenkeel.wsgi.celery_drain")
        frame.run(*site, "-e", "evenkeel_drain=false", "evenkeel.wsgi.celery_drain")
    finally:
        over.set()
        sender.join()


def cpu(shop: Shop, seconds: float) -> float:
    """The most of a core, in percent, that the main process of an idle node takes with everything that supervises it."""
    look = "for n in %s; do awk '{print $14 + $15}' /proc/$(pgrep -of \" $n@\")/stat; done; getconf CLK_TCK" % " ".join(NODES)
    before = [int(word) for word in shop.sh(look).split()]
    time.sleep(seconds)
    after = [int(word) for word in shop.sh(look).split()]
    return max((b - a) / before[-1] / seconds * 100 for a, b in zip(before[:-1], after))


def main() -> None:
    """Measure one supervisor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", required=True, type=Path)
    parser.add_argument("--supervisor", choices=["systemd", "multi"], default="systemd")
    parser.add_argument("--seconds", type=float, default=30, help="of each phase (default 30)")
    options = parser.parse_args()

    (name,) = frame.start_hosts(["web"])
    site = ("ansible-playbook", *frame.write_inventory([name]), "-e", f"celery_multi_supervisor={options.supervisor}")
    frame.run(*site, frame.ROOT / "examples/broker.yml")
    frame.run(*site, "evenkeel.wsgi.site")
    shop = Shop(name)
    shop.sh("mkdir -p /srv/shop/media")
    time.sleep(10)
    idle = cpu(shop, options.seconds)

    steady(shop, "quiet", options.seconds)
    quiet = shop.finish("quiet")
    shop.send("Q2", 0.2, "flood", int(options.seconds * 40))
    up = shop.until(lambda: shop.children("reports") >= 4)
    steady(shop, "flooded", options.seconds)
    flooded = shop.finish("flooded")
    flood = shop.finish("flood")
    down = shop.until(lambda: shop.children("reports") <= 1)
    changes(shop, site, "evenkeel.wsgi.site")
    change = shop.finish("change")

    everything = (quiet, flooded, flood, change)
    frame.report(
        options.json,
        [
            frame.Target("tasks sent", sum(shop.sent.values())),
            frame.Target("lost", sum(one[0] for one in everything), 0),
            frame.Target("run more than once", sum(one[1] for one in everything), 0),
            frame.Target("p99 latency of Q1, ms", p99(quiet[2]) * 1000),
            frame.Target("p99 latency of Q1 under a flood of Q2, ratio", p99(flooded[2]) / p99(quiet[2]), 1.5),
            frame.Target("seconds from the flood to 4 children", up),
            frame.Target("seconds from its end to 1 child", down),
            frame.Target("an idle node with its health check, % of a core", idle, 1),
        ],
        [{"supervisor": options.supervisor, "sent": shop.sent, "seconds": options.seconds}],
    )


if __name__ == "__main__":
    main()
