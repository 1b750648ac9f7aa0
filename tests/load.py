# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Constant load from outside: requests leave at their times whatever became of the ones before, each on a connection of its own.

load.py --address A --host H --path PATH --rate 25 [--slow 2:0.5 --slow 8:0.25 --slow-path '/wait?ms={ms:.0f}'] --log FILE

Runs until it is told to stop (SIGTERM). FILE gets one line of JSON for each request: begin, seconds, status (0: refused, cut off or no
answer), kind (0 is a fast request, else the seconds that it wanted), body. Knows nothing of Apache or of deploys.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import time

PATIENCE = 60


def whole(head: bytes, rest: bytes) -> bytes:
    """Return a body without its chunks' sizes; refuse one that was cut off."""
    length = re.search(rb"\r\ncontent-length: (\d+)", head)
    if b"\r\ntransfer-encoding: chunked" not in head:
        if length and len(rest) < int(length.group(1)):
            raise ValueError("the body was cut off")
        return rest
    body = b""
    while True:
        size, _newline, rest = rest.partition(b"\r\n")
        count = int(size.split(b";")[0], 16)
        if not count:
            return body
        if len(rest) < count + 2:
            raise ValueError("the body was cut off")
        body, rest = body + rest[:count], rest[count + 2 :]


async def request(arguments: argparse.Namespace, path: str) -> tuple[int, str]:
    """One request; (0, why) when no whole answer came."""
    try:
        reader, writer = await asyncio.open_connection(arguments.address, arguments.port)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {arguments.host}\r\nConnection: close\r\n\r\n".encode())
            answer = await reader.read()
        finally:
            writer.close()
        head, _blank, body = answer.partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), whole(head.lower(), body).decode(errors="replace")
    except (OSError, ValueError, IndexError) as exc:
        return 0, f"{type(exc).__name__}: {exc}"


async def measured(arguments: argparse.Namespace, kind: float, log) -> None:
    """Send one request and write what became of it."""
    path = arguments.slow_path.format(ms=kind * 1000) if kind else arguments.path
    begin, started = time.time(), time.monotonic()
    try:
        status, body = await asyncio.wait_for(request(arguments, path), PATIENCE + kind)
    except asyncio.TimeoutError:
        status, body = 0, "no answer"
    row = {"begin": begin, "seconds": round(time.monotonic() - started, 4), "status": status, "kind": kind, "body": body[:200]}
    print(json.dumps(row), file=log, flush=True)


async def stream(arguments: argparse.Namespace, kind: float, rate: float, stop: asyncio.Event, log) -> None:
    """Send requests of one kind at a constant rate until told to stop; then wait for those under way."""
    running = set()
    following = time.monotonic()
    while not stop.is_set():
        task = asyncio.create_task(measured(arguments, kind, log))
        running.add(task)
        task.add_done_callback(running.discard)
        following += 1 / rate
        await asyncio.sleep(max(0.0, following - time.monotonic()))
    await asyncio.gather(*running)


async def main() -> None:
    """Send until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--host", required=True)
    parser.add_argument("--path", default="/")
    parser.add_argument("--rate", type=float, default=20)
    parser.add_argument("--slow", action="append", default=[], help="SECONDS:RATE")
    parser.add_argument("--slow-path", default="/")
    parser.add_argument("--log", required=True)
    arguments = parser.parse_args()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    kinds = [(0.0, arguments.rate), *((float(seconds), float(rate)) for seconds, _colon, rate in (text.partition(":") for text in arguments.slow))]
    with open(arguments.log, "w", encoding="utf-8") as log:
        await asyncio.gather(*(stream(arguments, kind, rate, stop, log) for kind, rate in kinds))


if __name__ == "__main__":
    asyncio.run(main())
