# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What site.yml costs: its first run on bare hosts, and a run that finds nothing to do, beside a playbook with one ping."""

from __future__ import annotations

import argparse
import re
import statistics
import typing as t
from pathlib import Path

import frame

PING = "- {hosts: web, gather_facts: false, tasks: [{name: Ping, ansible.builtin.ping: {}}]}\n"


def remote_commands(output: str, hosts: t.Sequence[str]) -> tuple[float, float]:
    """Modules run on a host, and all commands run there (also the shell's, for files), per host, from a log of -vvv."""
    commands = [line for host in hosts for line in re.findall(rf"^<{re.escape(host)}> EXEC .*", output, re.MULTILINE)]
    return sum("python3" in line for line in commands) / len(hosts), len(commands) / len(hosts)


def changes(output: str) -> int:
    """How many tasks changed something, over all hosts."""
    return sum(map(int, re.findall(r"changed=(\d+)", output)))


def main() -> None:
    """Measure a first run and several later ones, each beside a ping."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", required=True, type=Path)
    parser.add_argument("--hosts", type=int, default=1, help="hosts that converge at once (default 1)")
    parser.add_argument("--rounds", type=int, default=5, help="later runs to take the median of (default 5)")
    options = parser.parse_args()

    hosts = frame.start_hosts([f"web-{i + 1}" for i in range(options.hosts)])
    inventory = frame.write_inventory(hosts)
    ping = frame.BUILD / "bench" / "ping.yml"
    ping.write_text(PING, encoding="utf-8")
    playbook = ("ansible-playbook", "--forks=20", *inventory)
    runs: list[dict[str, t.Any]] = []

    def measure(kind: str, *command: str | Path) -> frame.Run:
        done = frame.run(*playbook, *command)
        runs.append({"kind": kind, "wall_s": round(done.wall, 2), "cpu_s": round(done.cpu, 2), "changed": changes(done.output)})
        print(f"{kind:<8} {done.wall:6.1f} s wall {done.cpu:6.1f} s CPU  changed={changes(done.output)}", flush=True)
        return done

    def median(kind: str, what: str) -> float:
        return statistics.median(run[what] for run in runs if run["kind"] == kind)

    frame.run(*playbook, frame.ROOT / "examples/broker.yml")
    measure("first", "evenkeel.wsgi.site")
    for _round in range(options.rounds):
        measure("ping", ping)
        measure("no-op", "evenkeel.wsgi.site")
    modules, commands = remote_commands(frame.run(*playbook, "-vvv", "evenkeel.wsgi.site").output, hosts)

    frame.report(
        options.json,
        [
            frame.Target("no-op: remote module executions per host", modules, 20),
            frame.Target("no-op: remote commands of any kind per host", commands),
            frame.Target("no-op: changed tasks", max(run["changed"] for run in runs if run["kind"] == "no-op"), 0),
            frame.Target("no-op: wall time as a multiple of a ping", median("no-op", "wall_s") / median("ping", "wall_s"), 6.9),
            frame.Target("no-op: wall seconds", median("no-op", "wall_s")),
            frame.Target("no-op: controller CPU seconds per host", median("no-op", "cpu_s") / options.hosts),
            frame.Target("first run: wall seconds", median("first", "wall_s")),
            frame.Target("first run: controller CPU seconds per host", median("first", "cpu_s") / options.hosts),
        ],
        runs,
    )


if __name__ == "__main__":
    main()
