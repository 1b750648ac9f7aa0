# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the JSON access log costs: requests per second with it and with Apache's combined format straight into rotatelogs.

The health endpoint, so that nothing but Apache and its log works; the same configuration else, switched to and fro.
"""

from __future__ import annotations

import argparse
import statistics
import typing as t
from pathlib import Path

import frame

FRAGMENT = '"$(sed "s/Define EVENKEEL_GENERATION //" /etc/apache2/evenkeel/current.conf)"/security_baseline-access-log.conf'
PLAIN = r"""s#^GlobalLog .*#GlobalLog "|/usr/bin/rotatelogs -D -n 7 /var/log/apache2/evenkeel/plain 86400" combined#"""
RESTART = "systemctl restart apache2; for i in $(seq 50); do curl -sfo /dev/null http://127.0.0.1/-/healthz && exit 0; sleep 0.1; done; exit 1"


def main() -> None:
    """Measure both logs in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", required=True, type=Path)
    parser.add_argument("--rounds", type=int, default=5, help="pairs to take the median of (default 5)")
    options = parser.parse_args()

    hosts = frame.start_hosts(["web"])
    inventory = frame.write_inventory(hosts)
    frame.run("ansible-playbook", *inventory, frame.ROOT / "examples/broker.yml")
    frame.run("ansible-playbook", *inventory, "evenkeel.wsgi.site")
    host = frame.Container(hosts[0])
    host.run("systemctl stop celery; apt-get -qqy --no-install-recommends install curl")
    host.run(f"cp {FRAGMENT} /root/json.conf; sed '{PLAIN}' /root/json.conf > /root/plain.conf; ! cmp -s /root/json.conf /root/plain.conf")

    runs: list[dict[str, t.Any]] = []
    for _round in range(options.rounds):
        for kind in ("plain", "json"):
            host.run(f"cp /root/{kind}.conf {FRAGMENT}; {RESTART}")
            rate, p99, errors = host.wrk("/-/healthz", 64)
            runs.append({"kind": kind, "requests_per_s": rate, "p99_ms": p99, "errors_percent": errors})
            print(f"{kind:<6} {rate:9.0f} requests/s  p99 {p99:.1f} ms", flush=True)

    rates = {kind: statistics.median(run["requests_per_s"] for run in runs if run["kind"] == kind) for kind in ("plain", "json")}
    lines = int(host.run("cat /var/log/apache2/evenkeel/access.json* | wc -l"))
    frame.report(
        options.json,
        [
            frame.Target("requests/s with the plain log / with the JSON log", rates["plain"] / rates["json"], 2),
            frame.Target("requests/s, plain", rates["plain"]),
            frame.Target("requests/s, JSON", rates["json"]),
            frame.Target("lines in the JSON log", lines),
        ],
        runs,
    )


if __name__ == "__main__":
    main()
