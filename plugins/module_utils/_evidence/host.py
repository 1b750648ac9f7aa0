# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running host as a topic sees it: everything is asked, nothing is changed. A test puts another one in its place."""

from __future__ import annotations

import dataclasses
import functools
import glob
import http.client
import os
import time
import typing as t

LINES = 100  # of a log
TAIL = 65536  # bytes in which they are looked for


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer over HTTP. status: 0 when there was none; headers: names in lower case."""

    status: int
    headers: t.Mapping[str, str]


class Host:
    """run_command: AnsibleModule's."""

    def __init__(self, run_command: t.Callable[..., tuple[int, str, str]]) -> None:
        self.run_command = run_command

    def run(self, *command: str) -> str:
        """What a command prints; empty when it fails or is not there."""
        try:
            code, out, _err = self.run_command(list(command), handle_exceptions=False)
        except OSError:
            return ""
        return "" if code else out

    def ask(self, method: str, path: str) -> Answer:
        """Ask Apache on the loopback."""
        connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=10)
        try:
            connection.request(method, path, headers={"User-Agent": "evenkeel-evidence"})
            response = connection.getresponse()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()})
        except (OSError, http.client.HTTPException):
            return Answer(0, {})
        finally:
            connection.close()

    def read(self, path: str) -> str | None:
        """Text of a file; None when there is none."""
        try:
            with open(path, encoding="utf-8", errors="replace") as stream:
                return stream.read()
        except OSError:
            return None

    def age(self, path: str) -> float | None:
        """Seconds since a file was written; None when it is not there."""
        try:
            return time.time() - os.stat(path).st_mtime
        except OSError:
            return None

    def newest_lines(self, log: str) -> list[str]:
        """The last whole lines of the newest file of a log's set."""
        files = [path for path in glob.glob(glob.escape(log) + "*") if path == log or path[len(log) + 1 :].isdigit()]
        if not files:
            return []
        with open(max(files, key=os.path.getmtime), "rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - TAIL))
            text = stream.read().decode("utf-8", "replace")
        lines = text.split("\n")[1 if size > TAIL else 0 : -1]
        return lines[-LINES:]

    def main_pid(self, unit: str) -> str:
        """Process of a unit; empty when it does not run."""
        pid = self.run("systemctl", "show", "--property=MainPID", "--value", unit).strip()
        return "" if pid == "0" else pid

    def own_mounts(self, pid: str) -> bool | None:
        """Whether a process has a mount namespace of its own; None when that cannot be seen."""
        try:
            return os.readlink(f"/proc/{pid}/ns/mnt") != os.readlink("/proc/1/ns/mnt")
        except OSError:
            return None

    @functools.cached_property
    def listeners(self) -> dict[int, list[str]]:
        """{port: addresses on which something listens over TCP}."""
        found: dict[int, list[str]] = {}
        for line in self.run("ss", "-Hltn").splitlines():
            address, _colon, port = line.split()[3].rpartition(":")
            found.setdefault(int(port), []).append(address)
        return found
