# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Celery's nodes keep under load: tasks lost and run twice through every kind of change, isolation of queues, scaling, cost of being watched."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

import frame

sys.path.insert(0, str(frame.ROOT))
from tests.faults.celery_load import Load, client
from tests.faults.conftest import IMAGE, RUN
from tests.faults.shop import NAMES, NODES, Shop

CHANGED = [NODES[0], {**NODES[1], "autoscale": {"max": 3, "min": 1}}, NODES[2]]
FLOOD = "from shop import tasks\nfor _ in range(%d): tasks.report.delay(0.05)\n"


def changes(shop: Shop) -> dict[str, t.Callable[[], t.Any]]:
    """What is done to the nodes under load, in this order."""

    def deploy() -> None:
        """Release other code under the same name."""
        tar = shop.folder / "shop.tar.gz"
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["tar", "-xzf", tar, "-C", folder], check=True)
            (Path(folder) / "shop/release.txt").write_text("two\n")
            subprocess.run(["tar", "-C", folder, "--sort=name", "--mtime=@0", "-I", "gzip -n", "-cf", tar, "."], check=True)
        converge(shop, CHANGED)

    return {
        "reload": lambda: shop.sh("systemctl reload celery"),
        "restart": lambda: shop.sh("systemctl restart celery"),
        "stop, start": lambda: shop.sh("systemctl stop celery; sleep 2; systemctl start celery"),
        "one node's change": lambda: converge(shop, CHANGED),
        "deploy of new code": deploy,
    }


def converge(shop: Shop, nodes: t.Sequence[dict[str, t.Any]]) -> None:
    """Run the role; a failure ends the bench."""
    code, said, _changed = shop.converge(nodes=nodes)
    if code:
        raise SystemExit("\n".join(said.splitlines()[-30:]))


def p99(found: dict[str, t.Any]) -> float:
    """Seconds from sending a task of Q1 to its result that 99 % take at most."""
    return float(found["latency"]["Q1"][int(len(found["latency"]["Q1"]) * 0.99)])


def children(shop: Shop) -> int:
    """Pool processes of the node that owns Q1."""
    return int(shop.sh(f"pgrep -c -P {shop.pids()['default']} || true"))


def until(what: t.Callable[[], bool], patience: float = 120) -> float:
    """Seconds until something is so."""
    began = time.monotonic()
    while not what():
        if time.monotonic() - began > patience:
            raise SystemExit("waited in vain")
        time.sleep(0.1)
    return time.monotonic() - began


def idle_cost(shop: Shop, seconds: int) -> float:
    """Percent of a core that an idle node and its share of the metrics' timer take: the watchdog, the numbers, and Celery's own idling."""

    def used() -> int:
        return sum(sum(map(int, shop.sh(f"cat /proc/{pid}/stat").rpartition(")")[2].split()[11:13])) for pid in shop.pids().values())

    before = used()
    time.sleep(seconds)
    nodes = (used() - before) / 100 / seconds
    asked = shop.sh("bash -c 'TIMEFORMAT=\"%U %S\"; time python3 -I /usr/local/lib/evenkeel/celery_metrics.py /etc/evenkeel/celery/metrics.json' 2>&1")
    return 100 * (nodes + sum(map(float, asked.split()[-2:])) / 15) / len(NAMES)


def main() -> None:
    """Measure on a host of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", required=True, type=Path)
    parser.add_argument("--rate", type=float, default=10, help="tasks per second under changes (default 10)")
    parser.add_argument("--long", type=float, default=60, help="seconds of each 100th task (default 60)")
    parser.add_argument("--flood", type=int, default=3000, help="tasks of 50 ms in Q2 (default 3000)")
    parser.add_argument("--quiet", type=int, default=60, help="seconds of each measurement of latency and of idle cost (default 60)")
    options = parser.parse_args()

    name = f"{frame.PREFIX}-celery"
    subprocess.run(["docker", "run", "-d", "--name", name, *RUN, IMAGE], check=True, capture_output=True)
    shop = Shop(name, Path(tempfile.mkdtemp(prefix="celery-", dir=frame.BUILD / "bench")))
    shop.wait()
    shop.prepare()
    converge(shop, NODES)
    shop.works()
    targets = []

    load = Load(shop, options.rate, options.long, 100)
    runs: list[dict[str, t.Any]] = []
    for what, change in changes(shop).items():
        began = time.monotonic()
        change()
        runs.append({"kind": what, "wall_s": round(time.monotonic() - began, 1)})
        print(f"{what:<24} {runs[-1]['wall_s']:6.1f} s", flush=True)
        time.sleep(5)
    found = load.end(patience=options.long * 4 + 120)
    for kind in ("lost", "duplicated"):
        targets.append(frame.Target(f"tasks {kind}, of {found['sent']}", len(found[kind]), 0))

    idle = idle_cost(shop, options.quiet)
    latencies = {}
    for kind in ("quiet", "flooded"):
        if kind == "flooded":
            shop.put("/opt/flood.py", FLOOD % options.flood)
            subprocess.run(client(shop, "/opt/flood.py"), check=True)
        load = Load(shop, 5, only=["Q1"])
        time.sleep(options.quiet if kind == "quiet" else min(options.quiet, options.flood * 0.05 / 4))
        waiting = int(shop.sh("redis-cli llen Q2"))
        latencies[kind] = p99(load.end())
        runs.append({"kind": kind, "p99_s": latencies[kind], "waiting_in_Q2_at_the_end": waiting})
    targets.append(frame.Target("p99 of Q1 flooded / quiet", latencies["flooded"] / latencies["quiet"], 1.5))
    targets.append(frame.Target("p99 of Q1, quiet, ms", latencies["quiet"] * 1000))

    until(lambda: int(shop.sh("redis-cli llen Q2")) == 0 and children(shop) == 1)
    shop.client("send", "Q1", 10, 4)
    targets.append(frame.Target("scale-up from 1 to 4, s", until(lambda: children(shop) == 4)))
    until(lambda: int(shop.sh("redis-cli hlen unacked")) == 0)
    targets.append(frame.Target("scale-down from 4 to 1, s", until(lambda: children(shop) == 1)))
    targets.append(frame.Target("an idle, watched node, % of a core", idle, 1))
    frame.report(options.json, targets, runs)


if __name__ == "__main__":
    main()
