# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of a deploy: what may happen when, and what is true if it ends in between. No Ansible in here.

    check      the candidate is imported as the application's user           the old release serves; nothing of it was touched
    before     hooks: migrations, collectstatic                              the same
    put        the idle slot points to the candidate                         the same: no request gets there
    restart    the idle slot's processes are replaced                        the same
    probe      every one of them answers real requests                       the same
    activate   the map is renamed: the next request goes to the candidate    the candidate serves
    current    the link that Celery and static files follow is renamed      the same
    after      hooks                                                         the same; a failure is reported, not undone
    recycle    the old slot's processes finish and start anew, idle          the same; they are the way back

Whatever is not done when a run ends in between is seen and done by the next run.
"""

from __future__ import annotations

import os
import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.evenkeel.wsgi.plugins.module_utils._deploy import commands
from ansible_collections.evenkeel.wsgi.plugins.module_utils._deploy.daemons import Daemons
from ansible_collections.evenkeel.wsgi.plugins.module_utils._deploy.probes import Group, Probe
from ansible_collections.evenkeel.wsgi.plugins.module_utils._deploy.slots import HookRecord, Hooks, Load, Slots
from ansible_collections.evenkeel.wsgi.plugins.module_utils._files import link_atomically
from ansible_collections.evenkeel.wsgi.plugins.module_utils._release import ReleaseError

STARTUP = 90
"""Seconds in which all processes of a slot must have loaded the application and answered."""
SETTLE = 1.0
"""Requests that looked at the map just before it was renamed are with the old slot's processes after so many seconds."""


@dataclass(frozen=True)
class Target:
    """The application as its deploys see it."""

    slots: Slots
    daemons: Daemons
    probe: Probe
    groups: tuple[Group, ...]
    user: str
    script: str
    drain: int
    """Seconds that a process may need to finish its running requests."""
    hooks: Hooks = field(default_factory=Hooks)
    writable: tuple[str, ...] = ()
    python: str | None = None
    moves_current: bool = True
    """False when the releases are somebody else's, who moves `current`."""
    forced: bool = False
    """New processes even when nothing changed."""


@dataclass
class Done:
    """What a run did, for the module's result."""

    slot: str = ""
    previous: str = ""
    steps: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    processes: int = 0


class Deploy:
    """One deploy."""

    def __init__(self, target: Target) -> None:
        self.target, self.slots = target, target.slots
        self.done = Done()
        self.begin = time.monotonic()

    def step(self, name: str) -> None:
        """Put down that a step was done, and when."""
        self.done.steps.append(name)
        self.done.seconds[name] = round(time.monotonic() - self.begin, 2)

    def pending(self, load: Load) -> list[str]:
        """Return what is left to do until this load serves; nothing is touched."""
        active = self.slots.active()
        left = []
        if active is None or self.slots.proven(active) != load.state() or not self.slots.private(active) or self.target.forced:
            left.append("deploy")
        elif not self.slots.mapped(active):
            left.append("activate")
        if any(self.slots.release(name) is None for name in self.slots.names):
            left.append("fill")
        if self.target.moves_current and self._current() != load.release:
            left.append("current")
        if self.target.moves_current and not HookRecord(self.slots).had(load.release, "after", self.target.hooks):
            left.append("after")
        return left

    def run(self, load: Load) -> Done:
        """Make a load the one that serves; do nothing when it is."""
        left = self.pending(load)
        active = self.slots.active()
        self.done.slot, self.done.previous = active or "", (active and self.slots.release(active)) or ""
        if "deploy" in left:
            self._deploy(load, active)
        elif "activate" in left and active:
            self._activate(active)
        for name in self.slots.names:
            if self.slots.release(name) is None:  # Apache starts processes in every slot: each needs something to load
                self.slots.put(name, load)
        if self.target.moves_current:
            self._point_current(load)
        if "deploy" in left or "after" in left:
            self._hooks("after", load)
        self._recycle(active)
        return self.done

    def back(self) -> Done:
        """Make the load that served before serve again: it waits, warm, in the other slot."""
        active = self.slots.active()
        idle = self.slots.other(active)
        load = self.slots.load(idle)
        if active is None or idle == active or load is None or self.slots.proven(idle) is None:
            raise ReleaseError("no release waits in the other slot")
        self.done.slot, self.done.previous = active, self.slots.release(active) or ""
        self._prove(idle, load)
        self._activate(idle)
        if self.target.moves_current:
            self._point_current(load)
        return self.done

    def _deploy(self, load: Load, active: str | None) -> None:
        """Bring the load into the idle slot, see that it works, and send the requests there."""
        commands.check_venv(load.release, self.target.python)
        commands.Runner(self.target.user, load.release, commands.decoded(load.environment)).try_import(self.target.script)
        self.step("check")
        self._hooks("before", load)
        slot = self.slots.other(active)
        before, proven = self.slots.load(slot), self.slots.proven(slot)
        if proven != load.state() or self.target.forced:
            self.slots.put(slot, load)
            self.step("put")
        if self._hot():
            try:
                if "put" in self.done.steps:
                    self.target.daemons.restart(slot, self.target.drain + STARTUP)
                    self.step("restart")
                self._prove(slot, load)
            except BaseException:
                if before is not None:
                    self._put_back(slot, before, proven)
                raise
        self.slots.prove(slot, load)
        self._activate(slot)

    def _hot(self) -> bool:
        """Whether the running Apache has processes in these slots. It has none before the first apply of its configuration."""
        if not self.target.daemons.parent:
            return False
        deadline = time.monotonic() + (3 if self.slots.active() else 0)
        while not any(self.target.daemons.running(name) for name in self.slots.names):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def _prove(self, slot: str, load: Load) -> None:
        """See that every process of a slot answers."""
        self.done.processes = self.target.probe.all_processes(
            slot, self.target.groups, load.release, lambda: {one.pid for one in self.target.daemons.running(slot)}, STARTUP
        )
        self.step("probe")

    def _put_back(self, slot: str, before: Load, proven: dict[str, str] | None) -> None:
        """Let a slot have again what it had before a candidate that does not work."""
        self.slots.put(slot, before)
        try:
            self.target.daemons.restart(slot, self.target.drain + STARTUP)
        except ReleaseError:
            return  # the slot counts as unproven; what is reported is why the candidate does not work
        if proven == before.state():
            self.slots.prove(slot, before)

    def _activate(self, slot: str) -> None:
        """Send the requests to a slot."""
        self.slots.activate(slot)
        self.switched = time.monotonic()
        self.done.slot = slot
        self.step("activate")

    def _current(self) -> str:
        """Return the release that `current` points to."""
        return os.path.realpath(os.path.join(self.slots.directory, "current"))

    def _point_current(self, load: Load) -> None:
        """Let Celery and Apache's static files follow."""
        if self._current() != load.release:
            link_atomically(os.path.relpath(load.release, os.path.realpath(self.slots.directory)), os.path.join(self.slots.directory, "current"))
            self.step("current")

    def _hooks(self, stage: str, load: Load) -> None:
        """Run the hooks of a stage that this release has not had."""
        hooks, record = self.target.hooks, HookRecord(self.slots)
        if not getattr(hooks, stage) or (self.target.moves_current and record.had(load.release, stage, hooks)):
            return
        runner = commands.Runner(self.target.user, load.release, commands.decoded(load.environment))
        folders = self.target.writable if stage == "before" and self.target.moves_current else ()
        with commands.writable(load.release, folders, self.target.user):
            for arguments in getattr(hooks, stage):
                runner.hook(stage, arguments)
        record.put(load.release, stage, hooks)
        self.step(stage)

    def _recycle(self, old: str | None) -> None:
        """Give the slot that served until now new processes: they wait with the memory of a fresh start."""
        if old is None or self.done.slot == old or "probe" not in self.done.steps:
            return
        time.sleep(max(0.0, self.switched + SETTLE - time.monotonic()))
        self.target.daemons.recycle(old)
        self.step("recycle")


def groups(given: t.Iterable[t.Mapping[str, t.Any]]) -> tuple[Group, ...]:
    """Return the daemon groups from plain data."""
    return tuple(Group(str(one["name"]), int(one["processes"]), int(one["threads"])) for one in given)
