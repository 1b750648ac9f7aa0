# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon processes of one slot: finding them, restarting them without losing a request. No Ansible in here.

mod_wsgi shows a process under its group's display-name, but only in the room that argv[0] has: 17 characters. So the name begins
with the slot (`green:shop-report`), and a process is known by that, by its user, and by Apache's main process as its parent.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.evenkeel.wsgi.plugins.module_utils._files import read_or_none
from ansible_collections.evenkeel.wsgi.plugins.module_utils._release import ReleaseError

ROOM = len("/usr/sbin/apache2")
REPEAT = 5
"""A process that was signalled in the first moment of its life may not have heard: it is told again after so many seconds."""


@dataclass(frozen=True, order=True)
class Process:
    """One process; its start time tells it from a later one with the same pid."""

    pid: int
    started: str


@dataclass(frozen=True)
class Daemons:
    """The daemon processes of one application."""

    groups: tuple[str, ...]
    uid: int
    parent: int

    def running(self, slot: str) -> set[Process]:
        """Return the processes of a slot."""
        names = {f"{slot}:{group}"[:ROOM] for group in self.groups}
        found = (process(pid, self.parent, self.uid, names) for pid in os.listdir("/proc") if pid.isdigit())
        return {one for one in found if one}

    def restart(self, slot: str, patience: float) -> int:
        """Replace all processes of a slot and return how many there are; each finishes its running requests first.

        :raises ReleaseError: if some have not ended, or not as many came back, after so many seconds.
        """
        old = self.running(slot)
        begin = told = time.monotonic()
        tell(old)
        while True:
            now = self.running(slot)
            if not old & now and len(now) >= len(old):
                return len(now)
            if time.monotonic() - begin > patience:
                left = ", ".join(str(one.pid) for one in sorted(old & now)) or "none"
                raise ReleaseError(
                    f"slot {slot} did not get new processes within {patience:.0f} s (old ones still there: {left}; new: {len(now - old)} of {len(old)}). "
                    "Look at Apache's error log for why they do not end or start"
                )
            if time.monotonic() - told > REPEAT and old & now:
                told = time.monotonic()
                tell(old & now)
            time.sleep(0.05)

    def recycle(self, slot: str) -> None:
        """Let a slot's processes finish what they do and start anew, without waiting for it."""
        tell(self.running(slot))


def tell(processes: t.Iterable[Process]) -> None:
    """SIGUSR1: mod_wsgi finishes the running requests, for at most eviction-timeout, then Apache starts a new process."""
    for one in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGUSR1)


def process(pid: str, parent: int, uid: int, names: t.Container[str]) -> Process | None:
    """Return a process if it is one of these."""
    try:
        name = (read_or_none(f"/proc/{pid}/cmdline") or b"").split(b"\0")[0].decode(errors="replace").rstrip()
        if name not in names:
            return None
        fields = (read_or_none(f"/proc/{pid}/stat") or b"").rpartition(b")")[2].split()
        user = re.search(rb"^Uid:\s+(\d+)", read_or_none(f"/proc/{pid}/status") or b"", re.MULTILINE)
    except (ProcessLookupError, PermissionError):
        return None
    if len(fields) < 20 or user is None or int(fields[1]) != parent or int(user.group(1)) != uid:
        return None
    return Process(int(pid), fields[19].decode())


def main_pid(service: str) -> int:
    """Return the main process of a service, 0 when it does not run or there is no systemd."""
    try:
        done = subprocess.run(["systemctl", "show", "--property=MainPID", "--value", service], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return 0
    return int(done.stdout.strip() or 0) if done.returncode == 0 else 0
