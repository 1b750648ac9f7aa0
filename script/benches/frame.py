# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every bench shares: hosts of the test bed, timed commands, and a report with a verdict for each target."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import re
import resource
import secrets
import subprocess
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
PREFIX, NET = os.environ["EVENKEEL_PREFIX"], os.environ["EVENKEEL_NET"]


@dataclasses.dataclass(frozen=True)
class Target:
    """A measured value and the highest that was hoped for; none: only told."""

    id: str
    value: float
    target: float | None = None

    def as_dict(self) -> dict[str, t.Any]:
        return {**dataclasses.asdict(self), "ok": self.target is None or self.value <= self.target}


@dataclasses.dataclass(frozen=True)
class Run:
    """One command: wall seconds, CPU seconds of this machine (not of the hosts), what it printed."""

    wall: float
    cpu: float
    output: str


def run(*command: str | Path, **environment: str) -> Run:
    """Run a command to its end; a failure ends the bench with the last lines that it printed."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit("\n".join([f"failed: {' '.join(map(str, command))}", *done.stdout.splitlines()[-30:]]))
    return Run(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout)


class Container:
    """A host of the bench, and wrk on it as the load generator."""

    def __init__(self, container: str) -> None:
        self.container = container
        self.run("apt-get -qq update && apt-get -qqy --no-install-recommends install wrk")

    def run(self, command: str, stdin: str = "") -> str:
        """Run a command in the container; its output."""
        done = subprocess.run(["docker", "exec", "-i", self.container, "sh", "-ec", command], input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"failed: {command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def wrk(self, path: str, connections: int, seconds: int = 5) -> tuple[float, float, float]:
        """Requests per second, p99 in ms, and the share of requests in % that met an error, over kept connections."""
        out = self.run(f"wrk --latency -t2 -c{connections} -d{seconds} --timeout 10 http://127.0.0.1{path}")
        [(number, unit)] = re.findall(r"99%\s+([\d.]+)(us|ms|s)", out)
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
        count = int(re.findall(r"(\d+) requests in", out)[0])
        failed = sum(map(int, errors.groups())) if errors else 0
        return (
            float(re.findall(r"Requests/sec:\s+([\d.]+)", out)[0]),
            float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit],
            100 * failed / max(count + failed, 1),
        )


def start_hosts(names: t.Sequence[str], *, release: str = "trixie") -> list[str]:
    """Start bare hosts from .11 on and return their names in the inventory, which are those of their containers."""
    hosts = [{"name": f"{PREFIX}-{name}", "release": release, "address": f"{NET}.{11 + i}"} for i, name in enumerate(names)]
    extra = json.dumps({"molecule_yml": {"platforms": hosts}})
    run("ansible-playbook", "-i", "localhost,", "-e", extra, "molecule/shared/create.yml")
    return [host["name"] for host in hosts]


def write_inventory(hosts: t.Sequence[str]) -> list[str | Path]:
    """Write where the example inventory's hosts are; return the arguments that name both inventories."""
    connection = {"ansible_connection": "community.docker.docker", "ansible_python_interpreter": "/usr/bin/python3"}
    variables = {
        "shop_archive": str(BUILD / "shop.tar.gz"),
        "shop_secret_key": secrets.token_urlsafe(48),
        "balancer_networks": [f"{NET}.10/32"],
    }
    path = BUILD / "bench" / f"{PREFIX}.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({"web": {"hosts": dict.fromkeys(hosts, connection), "vars": variables}}), encoding="utf-8")
    return ["-i", ROOT / "examples/inventory", "-i", path]


def machine() -> dict[str, t.Any]:
    """Say what the numbers were measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return {"cores": os.cpu_count(), "memory_mib": memory, "kernel": platform.release(), "python": platform.python_version()}


def report(path: Path, targets: t.Sequence[Target], runs: t.Sequence[dict[str, t.Any]]) -> None:
    """Print the targets as a table and write everything that was measured."""
    rows = [target.as_dict() for target in targets]
    path.write_text(json.dumps({"machine": machine(), "targets": rows, "runs": runs}, indent=2) + "\n", encoding="utf-8")
    width = max(len(row["id"]) for row in rows)
    for row in rows:
        target = "" if row["target"] is None else f"at most {row['target']:g}"
        verdict = "" if row["target"] is None else ("ok" if row["ok"] else "MISSED")
        print(f"{row['id']:<{width}} {row['value']:>10.2f}  {target:<14} {verdict}")
    print(f"\nwritten: {path}")
