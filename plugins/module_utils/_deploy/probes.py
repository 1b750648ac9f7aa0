# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real requests to every process of a slot, over the loopback address that only deploys use. No Ansible in here.

A daemon process that waits for connections takes one after the other: with several processes 60 requests in a row once met only
one of them. So as many requests as the group has slots are sent at once, and entry.wsgi holds each for a moment: no process can take
more than its threads, and every one of them gets some. entry.wsgi says in a header which process it was.
"""

from __future__ import annotations

import http.client
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ansible_collections.evenkeel.wsgi.plugins.module_utils._release import ReleaseError

HOLD = 0.3
MOST = 512
TIMEOUT = 30
PROCESS = "X-Evenkeel-Process"


@dataclass(frozen=True)
class Group:
    """One daemon group of an application, without its slot."""

    name: str
    processes: int
    threads: int


@dataclass(frozen=True)
class Answer:
    """What came back: the process is "" when no process of the application answered."""

    status: int
    pid: int
    release: str
    text: str


@dataclass(frozen=True)
class Probe:
    """Where an application is asked whether it works: address and port, name and path, and whether only 200 will do."""

    address: str
    host: str
    path: str
    strict: bool

    def ask(self, group: str, hold: float) -> Answer | None:
        """Send one request; None when nothing answered."""
        where, _colon, port = self.address.rpartition(":")
        connection = http.client.HTTPConnection(where, int(port), timeout=TIMEOUT)
        try:
            connection.request("GET", self.path, headers={"Host": self.host, "X-Evenkeel-Group": group, "X-Evenkeel-Hold": str(hold)})
            answer = connection.getresponse()
            pid, _space, release = (answer.getheader(PROCESS) or "").partition(" ")
            return Answer(answer.status, int(pid or 0), release, answer.read(2000).decode(errors="replace"))
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def good(self, answer: Answer) -> bool:
        """Whether an application that answers so works."""
        return answer.status == 200 if self.strict else answer.status < 500

    def all_processes(self, slot: str, groups: t.Sequence[Group], release: str, expected: t.Callable[[], t.Collection[int]], patience: float) -> int:
        """Ask until every process of a slot has answered well and return how many did.

        :param expected: the pids that the slot has now. Where the running Apache has other groups than the plan, because its
            configuration is yet to be applied, as many as planned will do.
        :raises ReleaseError: for the first bad answer, with its text, or when some process does not answer within patience seconds.
        """
        suffix = "" if slot == "live" else f"-{slot}"
        deadline = time.monotonic() + patience
        seen: set[int] = set()
        for group in groups:
            mine: set[int] = set()
            factor = 1
            while len(mine) < group.processes:
                mine |= self._round(f"{group.name}{suffix}", min(MOST, group.processes * group.threads * factor) if group.processes > 1 else 1, release)
                factor *= 2
                if seen | mine >= set(expected()):
                    break
                if time.monotonic() > deadline:
                    raise ReleaseError(
                        f"only {len(mine)} of {group.processes} processes of {group.name}{suffix} answered within {patience:.0f} s: "
                        "look at Apache's error log for why the others do not"
                    )
                time.sleep(0 if mine else 0.1)
            seen |= mine
        return len(seen)

    def _round(self, group: str, count: int, release: str) -> set[int]:
        """Send that many requests at once and return which processes answered; none at all is no answer yet."""
        with ThreadPoolExecutor(count) as pool:
            answers = list(pool.map(lambda _number: self.ask(group, HOLD if count > 1 else 0), range(count)))
        found = set()
        for answer in answers:
            if answer is None or (not answer.pid and answer.status in (503, 504)):
                continue  # it does not listen yet, or the request waited too long while the application was loaded
            if not answer.pid or not self.good(answer):
                raise ReleaseError(
                    f"{group} answered {self.path} with {answer.status}" + (" where 200 is wanted" if self.strict else "") + f": {brief(answer.text)}"
                )
            if answer.release != release:
                raise ReleaseError(f"{group} answered from {answer.release}, not from {release}: it was changed by somebody else meanwhile, run again")
            found.add(answer.pid)
        return found


def brief(text: str) -> str:
    """Return the beginning of an answer on one line."""
    return " ".join(text.split())[:300] or "(nothing)"
