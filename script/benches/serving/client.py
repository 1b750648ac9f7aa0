# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A load generator that tells statuses apart, which wrk does not: client.py URL-PATH CLIENTS SECONDS, JSON on standard output.

Each client opens a connection, sends one request, reads the answer and starts again, until the time is over. SECONDS 0: one request
for each client, all at once.
"""

import asyncio
import json
import sys
import time

ANSWERS = {}  # status, or the name of an exception: latencies in ms


async def ask(path):
    """One request on a connection of its own."""
    started = time.monotonic()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", 80)
        writer.write(b"GET %s HTTP/1.0\r\nHost: bench\r\n\r\n" % path.encode())
        answer = await reader.read()
        writer.close()
        status = answer[9:12].decode() or "empty"
    except OSError as exc:
        status = type(exc).__name__
    ANSWERS.setdefault(status, []).append((time.monotonic() - started) * 1000)


async def client(path, end):
    """Ask until the time is over, at least once."""
    await ask(path)
    while time.monotonic() < end:
        await ask(path)


async def main(path, clients, seconds):
    """Run all clients and print what they met."""
    end = time.monotonic() + seconds
    await asyncio.gather(*(client(path, end) for _attempt in range(clients)))
    report = {}
    for status, latencies in ANSWERS.items():
        latencies.sort()
        report[status] = {"count": len(latencies), "p99": latencies[int(len(latencies) * 0.99)], "max": latencies[-1]}
    print(json.dumps(report))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
