# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten deploys and two that must not succeed, while an independent client (tests/load.py, asyncio, from outside) sends a constant load.

The example application on one host: fast requests, and some that take 2 s and 8 s, so that some are under way in every deploy.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import typing as t
from pathlib import Path

import frame

FAST, SLOW = 20.0, (("2", "0.5"), ("8", "0.25"))
BROKEN = {
    "fails at import": ("shop/wsgi.py", "raise RuntimeError('broken at import')\n"),
    "fails its health check": ("shop/views.py", "\n\ndef healthz(request):\n    raise RuntimeError('broken health')\n"),
}


def pack(version: str, broken: tuple[str, str] | None = None) -> None:
    """Make the example application another release; its page shows which."""
    folder = frame.BUILD / "bench/deploy-app"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(frame.ROOT / "examples/app", folder, ignore=shutil.ignore_patterns("__pycache__"))
    views = folder / "shop/views.py"
    views.write_text(views.read_text().replace("<h1>shop</h1>", f"<h1>shop release-{version}.</h1>"))
    if broken:
        path = folder / broken[0]
        path.write_text(path.read_text() + broken[1])
    with tarfile.open(frame.BUILD / "shop.tar.gz", "w:gz") as tar:
        tar.add(folder, ".")


def deploy(inventory: t.Sequence[str | Path], *flags: str) -> tuple[bool, str, float]:
    """Run playbooks/deploy.yml: whether it succeeded, what it said, seconds."""
    started = time.monotonic()
    command = ["ansible-playbook", *map(str, inventory), *flags, "-e", "evenkeel_application=shop", "evenkeel.wsgi.deploy"]
    done = subprocess.run(command, cwd=frame.ROOT, capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr, time.monotonic() - started


def main() -> None:
    """Deploy under load and report what the load saw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", required=True, type=Path)
    parser.add_argument("--release", default="trixie", choices=["trixie", "bookworm"])
    parser.add_argument("--deploys", type=int, default=10, help="how many good releases (default 10)")
    options = parser.parse_args()

    hosts = frame.start_hosts(["web"], release=options.release)
    inventory = frame.write_inventory(hosts)
    pack("0")
    frame.run("ansible-playbook", *inventory, frame.ROOT / "examples/broker.yml")
    print(f"{'first':<24} {frame.run('ansible-playbook', *inventory, 'evenkeel.wsgi.site').wall:6.1f} s", flush=True)

    log = frame.BUILD / "bench/deploy-load.jsonl"
    slow = [word for seconds, rate in SLOW for word in ("--slow", f"{seconds}:{rate}")]
    command = [sys.executable, str(frame.ROOT / "tests/load.py"), "--address", f"{frame.NET}.11", "--host", "shop.example.org"]
    load = subprocess.Popen([*command, "--rate", str(FAST), *slow, "--slow-path", "/reports/bench?ms={ms:.0f}", "--log", str(log)])
    runs: list[dict[str, t.Any]] = []
    modules = 0
    try:
        time.sleep(5)
        for number in range(1, options.deploys + 1):
            pack(str(number))
            good, output, seconds = deploy(inventory, *(["-vvv"] if number == options.deploys else []))
            if not good:
                raise SystemExit("\n".join(output.splitlines()[-30:]))
            runs.append({"kind": f"deploy {number}", "wall_s": round(seconds, 1)})
            print(f"{f'deploy {number}':<24} {seconds:6.1f} s", flush=True)
            modules = len(re.findall(rf"^<{re.escape(hosts[0])}> EXEC .*python3", output, re.MULTILINE))
        for kind, broken in BROKEN.items():
            pack("broken", broken)
            good, output, seconds = deploy(inventory)
            said = re.search(r"RuntimeError: (broken at import)|answered /healthz with 500", output)
            if good or not said:
                raise SystemExit(f"a release that {kind} was not refused with its reason:\n" + "\n".join(output.splitlines()[-30:]))
            runs.append({"kind": f"refused: {kind}", "wall_s": round(seconds, 1)})
            print(f"{f'refused: {kind}':<24} {seconds:6.1f} s: {said.group(0)}", flush=True)
        time.sleep(2)
    finally:
        load.send_signal(signal.SIGTERM)
        load.wait()

    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    fast = sorted(row["seconds"] for row in rows if not row["kind"])
    lost = [row for row in rows if row["status"] != 200]
    for row in lost[:10]:
        print(f"lost: {row}")
    served = {found.group(1) for row in rows for found in [re.search(r"release-(\w+)\.", row["body"])] if found}
    unseen = {str(number) for number in range(options.deploys + 1)} - served
    frame.report(
        options.json,
        [
            frame.Target("requests lost or refused", len(lost), 0),
            frame.Target("fast requests: longest, s", fast[-1], 0.25),
            frame.Target("fast requests: median, s", fast[len(fast) // 2]),
            frame.Target("good releases that never served", len(unseen), 0),
            frame.Target("answers from a broken release", sum("release-broken." in row["body"] for row in rows), 0),
            frame.Target("remote module executions of one deploy", modules, 8),
            frame.Target("seconds of a deploy, median", sorted(run["wall_s"] for run in runs if run["kind"].startswith("deploy"))[options.deploys // 2]),
            frame.Target("fast requests", len(fast)),
            *(frame.Target(f"requests of {seconds} s", sum(row["kind"] == float(seconds) for row in rows)) for seconds, _rate in SLOW),
        ],
        runs,
    )


if __name__ == "__main__":
    main()
