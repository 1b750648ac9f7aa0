# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What being measured costs an idle host: CPU and memory of the whole host with all metrics read every 15 s, and with none."""

from __future__ import annotations

import argparse
import http.client
import statistics
import subprocess
import time
import typing as t
from pathlib import Path

import frame

# Whatever runs that the topic brought: exporters, what measures, what sends logs away.
LIST = "systemctl list-units --plain --no-legend --type=service --state=running 'prometheus-*-exporter.service' 'evenkeel-*'"
INTERVAL = 15  # s, how often Prometheus asks


# Of the container's own control group, in either version: CPU seconds, MiB of memory without caches.
USAGE = r"""
v1=$(sed -n 's/^[0-9]*:[^:]*cpuacct[^:]*://p' /proc/1/cgroup)
v2=$(sed -n 's/^0:://p' /proc/1/cgroup)
if [ -n "$v1" ]; then
  awk '{print $1 / 1e9}' "/sys/fs/cgroup/cpuacct$v1/cpuacct.usage"
  awk '$1 == "total_rss" {print $2 / 1048576}' "/sys/fs/cgroup/memory$v1/memory.stat"
else
  cd "/sys/fs/cgroup${v2%/init.scope}"
  awk '$1 == "usage_usec" {print $2 / 1e6}' cpu.stat
  awk '$1 == "anon" {print $2 / 1048576}' memory.stat
fi
"""


def shell(host: str, command: str) -> str:
    """Run a command on a host and return what it printed; it must succeed."""
    return subprocess.run(["docker", "exec", host, "bash", "-ec", command], check=True, capture_output=True, text=True).stdout


def usage(host: str) -> tuple[float, float]:
    """(CPU seconds since its start, MiB of memory without caches) of a container."""
    cpu, memory = shell(host, USAGE).split()
    return float(cpu), float(memory)


def idle(host: str, seconds: int, *, scraped: bool) -> dict[str, t.Any]:
    """Let a host idle, read as Prometheus would, and return what it used."""
    before, _memory = usage(host)
    started, memory = time.monotonic(), []
    while time.monotonic() < started + seconds:
        if scraped:  # from here, so that asking costs the host only the answer
            for port in (9100, 9117):
                connection = http.client.HTTPConnection(f"{frame.NET}.11", port, timeout=10)
                connection.request("GET", "/metrics")
                connection.getresponse().read()
        time.sleep(INTERVAL)
        memory.append(usage(host)[1])
    after, _memory = usage(host)
    took = time.monotonic() - started
    return {"measured": scraped, "cpu_percent": round(100 * (after - before) / took, 3), "memory_mib": round(statistics.median(memory), 1)}


def main() -> None:
    """Measure by turns, so that what else the machine does meets both alike."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", required=True, type=Path)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default 3)")
    parser.add_argument("--seconds", type=int, default=60, help="how long each time (default 60)")
    options = parser.parse_args()

    hosts = frame.start_hosts(["web"])
    inventory = frame.write_inventory(hosts)
    frame.run("ansible-playbook", *inventory, frame.ROOT / "examples/broker.yml")
    frame.run("ansible-playbook", *inventory, "-e", f"security_baseline_metrics_address={frame.NET}.11", "evenkeel.wsgi.site")
    units = " ".join(line.split()[0] for line in shell(hosts[0], LIST).splitlines())
    print(f"measured: {units}", flush=True)
    runs = []
    for _round in range(options.rounds):
        for measured in (True, False):
            shell(hosts[0], f"systemctl {'start' if measured else 'stop'} {units}")
            time.sleep(5)
            runs.append(idle(hosts[0], options.seconds, scraped=measured))
            print(runs[-1], flush=True)

    def difference(what: str) -> float:
        on, off = ([run[what] for run in runs if run["measured"] is measured] for measured in (True, False))
        return statistics.median(on) - statistics.median(off)

    targets = [frame.Target("added CPU, % of one core", difference("cpu_percent"), 2), frame.Target("added memory, MiB", difference("memory_mib"), 100)]
    frame.report(options.json, targets, runs)


if __name__ == "__main__":
    main()
