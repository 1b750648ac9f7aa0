# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding and replacing a slot's processes: real processes that show a group's name as mod_wsgi's do, restarted by this test as by Apache."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._deploy.daemons import Daemons, main_pid
from ansible_collections.evenkeel.wsgi.plugins.module_utils._release import ReleaseError

# Ends at SIGUSR1, after its last request.
OBEDIENT = 'trap "sleep 0.2; exit" USR1; while :; do sleep 0.05; done'
DEAF = 'trap "" USR1; while :; do sleep 0.05; done'


class Parent:
    """Starts processes, and another one for each that ends."""

    def __init__(self) -> None:
        self.running: list[tuple[str, subprocess.Popen[bytes]]] = []
        self.stopped = False

    def start(self, name: str, script: str = OBEDIENT) -> None:
        self.running.append((name, subprocess.Popen([f"{name:<17}", "-c", script], executable="/bin/sh")))
        time.sleep(0.1)  # it has to set its trap

    def watch(self) -> None:
        while not self.stopped:
            for entry in list(self.running):
                if entry[1].poll() is not None:
                    self.running.remove(entry)
                    self.start(entry[0])
            time.sleep(0.02)


@pytest.fixture
def parent() -> Iterator[Parent]:
    found = Parent()
    watcher = threading.Thread(target=found.watch)
    watcher.start()
    yield found
    found.stopped = True
    watcher.join()
    for _name, process in found.running:
        process.kill()
        process.wait()


DAEMONS = Daemons(("shop", "shop-reports"), os.getuid(), os.getpid())


def test_only_the_slots_own_processes_are_found(parent: Parent) -> None:
    for name in ("blue:shop", "blue:shop", "green:shop", "green:shop-report", "green:other", "(wsgi:shop)"):
        parent.start(name)
    assert len(DAEMONS.running("blue")) == 2
    assert len(DAEMONS.running("green")) == 2, "a name is cut off after 17 characters"
    assert not DAEMONS.running("live")
    assert not Daemons(("shop",), os.getuid() + 1, os.getpid()).running("blue"), "another user's"
    assert not Daemons(("shop",), os.getuid(), 1).running("blue"), "not Apache's children"


def test_a_restart_waits_until_all_are_new(parent: Parent) -> None:
    for name in ("blue:shop", "blue:shop", "green:shop"):
        parent.start(name)
    old, other = DAEMONS.running("blue"), DAEMONS.running("green")
    assert DAEMONS.restart("blue", 20) == 2
    assert not old & DAEMONS.running("blue")
    assert DAEMONS.running("green") == other


def test_a_process_that_does_not_end_is_named(parent: Parent) -> None:
    parent.start("blue:shop", DEAF)
    (old,) = DAEMONS.running("blue")
    with pytest.raises(ReleaseError, match=f"old ones still there: {old.pid}"):
        DAEMONS.restart("blue", 0.5)


def test_a_service_that_nobody_knows_has_no_process() -> None:
    assert main_pid("no-such-service.service") == 0
