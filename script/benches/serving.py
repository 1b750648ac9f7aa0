# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The measurements behind the capacity model (docs/capacity.md, Findings): one Apache, configured in turn as each finding needs it.

Load and server share the machine: compare the values of one run with each other, not with another machine's.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import time
import typing as t
from pathlib import Path

import frame

FILES = Path(__file__).parent / "serving"
POOL = {"StartServers": 2, "ServerLimit": 2, "ThreadLimit": 256, "MinSpareThreads": 1, "KeepAliveTimeout": 65, "MaxKeepAliveRequests": 0, "ListenBacklog": 4096}
DISTRIBUTION: dict[str, int] = {}  # MPM and connections as Debian ships them
CONFIGURATION = """
ServerRoot /etc/apache2
ServerName bench
DefaultRuntimeDir /run/apache2
PidFile /run/apache2/bench.pid
User www-data
Group www-data
ErrorLog /var/log/apache2/bench.log
Listen 80
Include mods-enabled/*.load
Include mods-enabled/*.conf
DocumentRoot /srv/bench
<Directory /srv/bench>
    Require all granted
</Directory>
WSGIRestrictEmbedded On
WSGIDaemonProcess bench user=games group=games {daemon}
WSGIScriptAlias /app /srv/bench/application.py process-group=bench application-group=%{{GLOBAL}}
{mpm}
"""


class Server(frame.Container):
    """Apache in a container, and the load generators beside it."""

    def __init__(self, container: str) -> None:
        super().__init__(container)
        self.run("apt-get -qq update && apt-get -qqy --no-install-recommends install apache2 libapache2-mod-wsgi-py3 curl")
        self.run("systemctl disable --quiet --now apache2; mkdir -p /srv/bench && head -c 1000 /dev/zero > /srv/bench/static.bin")
        for name in ("application.py", "client.py"):
            self.run(f"cat > /srv/bench/{name}", stdin=(FILES / name).read_text(encoding="utf-8"))

    def start(self, daemon: str, mpm: t.Mapping[str, int]) -> None:
        """Start Apache anew, with these options of WSGIDaemonProcess and these directives."""
        text = CONFIGURATION.format(daemon=daemon, mpm="\n".join(f"{name} {value}" for name, value in mpm.items()))
        self.run("cat > /etc/apache2/bench.conf", stdin=text)
        apache = ". /etc/apache2/envvars; mkdir -p /run/apache2; apache2 -f /etc/apache2/bench.conf"
        self.run(f"if [ -e /run/apache2/bench.pid ]; then ({apache} -k stop); while pgrep -x apache2 > /dev/null; do sleep 0.1; done; fi; {apache} -k start")
        self.run("for i in $(seq 100); do curl -sfo /dev/null http://127.0.0.1/app/sleep/0 && exit 0; sleep 0.1; done; exit 1")

    def overflows(self) -> int:
        """How often the kernel had no place for a connection in a listen queue, since the container started."""
        names, values = (line.split()[1:] for line in self.run("grep ^TcpExt: /proc/net/netstat").splitlines())
        return int(dict(zip(names, values))["ListenOverflows"])

    def clients(self, path: str, clients: int, seconds: float) -> dict[str, dict[str, float]]:
        """What new connections met, by status: {status: {count, p99 and max in ms}}."""
        return t.cast("dict[str, dict[str, float]]", json.loads(self.run(f"ulimit -n 8192; python3 /srv/bench/client.py {path} {clients} {seconds}")))

    def behind(self, path: str, clients: int, seconds: float) -> subprocess.Popen[bytes]:
        """The same in the background, as the load beside which something else is measured."""
        command = ["docker", "exec", self.container, "python3", "/srv/bench/client.py", path, str(clients), str(seconds)]
        load = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1.5)  # until its first requests hold their slots
        return load

    def memory(self) -> float:
        """PSS of the daemon process in MiB."""
        out = self.run("for p in $(pgrep -u games); do cat /proc/$p/smaps_rollup; done")
        return sum(map(int, re.findall(r"^Pss:\s+(\d+)", out, re.MULTILINE))) / 1024


def pool(workers: int, **more: int) -> dict[str, int]:
    """A fixed pool of two children."""
    return {**POOL, "ThreadsPerChild": workers // 2, "MaxRequestWorkers": workers // 2 * 2, "MaxSpareThreads": workers, **more}


def slots(server: Server, burn: int) -> t.Iterator[frame.Target]:
    """Findings 1 and 2: slots decide the throughput of requests that wait, threads lengthen the tail of those that compute."""
    for processes, threads in ((1, 15), (3, 50), (4, 64)):
        server.start(f"processes={processes} threads={threads}", pool(400))
        yield frame.Target(f"1: requests/s of 50 ms waits, {processes}x{threads}", server.wrk("/app/sleep/50", 256)[0])
    for processes, threads in ((5, 4), (4, 16), (3, 50)):
        server.start(f"processes={processes} threads={threads}", pool(400))
        yield frame.Target(f"2: p99 in ms of 5 ms of Python, {processes}x{threads}", server.wrk(f"/app/burn/{burn}", 64)[1])


def frontend(server: Server) -> t.Iterator[frame.Target]:
    """Findings 3, 4 and 5: a fixed pool, workers beyond the slots, a long enough backlog."""
    for name, mpm in (("the distribution's MPM", DISTRIBUTION), ("fixed pool", pool(400))):
        server.start("processes=4 threads=64", mpm)
        yield frame.Target(f"3: % of requests with an error, {name}", server.wrk("/app/sleep/50", 256)[2])
    for workers in (24, 50, 74):
        server.start("processes=2 threads=15", pool(workers))
        load = server.behind("/app/sleep/3000", 60, 5)
        yield frame.Target(f"4: p99 in ms of a file beside 60 slow requests, 30 slots, {workers} workers", server.clients("/static.bin", 4, 3)["200"]["p99"])
        load.wait()
    for backlog in (511, 4096):
        server.start("threads=40", pool(256, ListenBacklog=backlog))
        before = server.overflows()
        server.wrk("/app/sleep/200", 1000)
        yield frame.Target(f"5: connections without a place in a burst of 1000, ListenBacklog {backlog}", server.overflows() - before)


def queues(server: Server) -> t.Iterator[frame.Target]:
    """Findings 6 and 7: queue-timeout under threefold overload, and slow requests beside quick ones."""
    for option in ("", "queue-timeout=1"):
        server.start(f"processes=2 threads=5 {option}", pool(100))
        met = server.clients("/app/sleep/400", 80, 8)
        yield frame.Target(f"6: p99 in ms of accepted requests at overload, {option or 'no queue-timeout'}", met["200"]["p99"])
    for threads in (15, 60):
        server.start(f"threads={threads}", pool(200))
        load = server.behind("/app/sleep/3000", 40, 5)
        yield frame.Target(f"7: p99 in ms of 50 ms beside 40 requests of 3 s, {threads} slots", server.clients("/app/sleep/50", 4, 3)["200"]["p99"])
        load.wait()


def costs(server: Server, burn: int) -> t.Iterator[frame.Target]:
    """Findings 9 and 10: CPU of Python inside Apache, and memory of a process and of a thread."""
    server.start("threads=1", pool(100))
    inside = min(float(server.run(f"curl -sf http://127.0.0.1/app/burn/{burn * 20}")) for _attempt in range(5))
    outside = min(float(server.run(f"python3 /srv/bench/application.py {burn * 20}")) for _attempt in range(5))
    yield frame.Target("9: CPU of the same Python in mod_wsgi / on the command line", inside / outside)
    server.clients("/app/sleep/50", 64, 2)
    one = server.memory()
    yield frame.Target("10: MiB of a process of an application that imports nothing", one)
    server.start("threads=64", pool(100))
    server.clients("/app/sleep/50", 64, 2)
    yield frame.Target("10: MiB of one more thread", (server.memory() - one) / 63)


def main() -> None:
    """Measure all findings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", required=True, type=Path)
    parser.add_argument("--release", default="trixie", choices=["trixie", "bookworm"])
    options = parser.parse_args()

    server = Server(frame.start_hosts(["web"], release=options.release)[0])
    burn = round(100_000 * 0.005 / float(server.run("python3 /srv/bench/application.py 100000")))  # 5 ms on the command line
    targets: list[frame.Target] = []
    for measured in (slots(server, burn), frontend(server), queues(server), costs(server, burn)):
        for target in measured:
            print(f"measured {target.id}", flush=True)
            targets.append(target)
    frame.report(options.json, targets, [])


if __name__ == "__main__":
    main()
