# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The slots of an application: the daemon groups that are declared in Apache once, and what each of them runs.

    <directory>/slots/<slot>/release -> ../../releases/<id>   what its processes load; read once, when a process starts
    <directory>/slots/<slot>/environment.json                 root:<group> 0640: what they find in os.environ, secrets included
    <directory>/slots/<slot>/slot.json                        root 0600: there when its processes were seen to run exactly this
    <directory>/slots/active.map                              which slot gets the requests; Apache reads it on the next request
    <directory>/slots/hooks.json                              which hooks a release has had
    <directory>/entry.wsgi                                    what mod_wsgi runs in every slot

Two slots, blue and green, switch without a stall; the one slot `live` is replaced in place. No Ansible in here.
"""

from __future__ import annotations

import hashlib
import json
import os
import typing as t
from dataclasses import asdict, dataclass

from ansible_collections.evenkeel.wsgi.plugins.module_utils._files import link_atomically, read_or_none, write_atomically

SLOTS = "slots"
ENTRY = "entry.wsgi"


@dataclass(frozen=True)
class Load:
    """What a slot runs: a release's folder and the two texts that are read at the start of a process."""

    release: str
    environment: bytes
    entry: bytes

    def state(self) -> dict[str, str]:
        """Return what identifies it, without the environment's content."""
        digest = {name: hashlib.sha256(value).hexdigest() for name, value in (("environment", self.environment), ("entry", self.entry))}
        return {"release": self.release, **digest}


def environment_file(variables: t.Mapping[str, t.Any]) -> bytes:
    """Return the environment as entry.wsgi reads it."""
    return (json.dumps({key: str(value) for key, value in variables.items()}, sort_keys=True) + "\n").encode()


class Slots:
    """The slots of one application on disk."""

    def __init__(self, directory: str, names: t.Sequence[str], gid: int) -> None:
        self.directory, self.names, self.gid = directory, tuple(names), gid
        self.folder = os.path.join(directory, SLOTS)
        self.map = os.path.join(self.folder, "active.map")

    def path(self, slot: str, *parts: str) -> str:
        """Return a path in a slot."""
        return os.path.join(self.folder, slot, *parts)

    def active(self) -> str | None:
        """Return the slot that gets the requests: what Apache makes of the map, None when no slot ever got any."""
        words = (read_or_none(self.map) or b"").decode(errors="replace").split()
        if len(words) == 2 and words[0] == "active" and words[1] in self.names:
            return words[1]
        return self.names[0] if self.release(self.names[0]) else None

    def mapped(self, slot: str) -> bool:
        """Whether the map says exactly this."""
        return read_or_none(self.map) == f"active {slot}\n".encode()

    def activate(self, slot: str) -> None:
        """Send all new requests to a slot: one rename, seen by Apache on the next request."""
        write_atomically(self.map, f"active {slot}\n".encode(), 0o644)

    def other(self, slot: str | None) -> str:
        """Return the slot that a new release goes into."""
        return next((name for name in self.names if name != slot), self.names[0])

    def release(self, slot: str) -> str | None:
        """Return the folder of the release that a slot points to, None when it points to none."""
        link = self.path(slot, "release")
        return os.path.realpath(link) if os.path.isdir(link) else None

    def proven(self, slot: str) -> dict[str, str] | None:
        """Return what the slot's processes were seen to run, None when the last change of the slot was not finished."""
        text = read_or_none(self.path(slot, "slot.json"))
        return json.loads(text) if text else None

    def load(self, slot: str) -> Load | None:
        """Return what a slot holds, proven or not."""
        release, environment = self.release(slot), read_or_none(self.path(slot, "environment.json"))
        entry = read_or_none(os.path.join(self.directory, ENTRY))
        return None if release is None or environment is None or entry is None else Load(release, environment, entry)

    def private(self, slot: str) -> bool:
        """Whether the slot's environment belongs to root and its group alone."""
        try:
            state = os.stat(self.path(slot, "environment.json"))
        except FileNotFoundError:
            return False
        return (state.st_mode & 0o7777, state.st_uid, state.st_gid) == (0o640, os.geteuid(), self.gid)

    def put(self, slot: str, load: Load) -> None:
        """Let a slot's next processes run something; it counts as unproven from the first change on."""
        make_folder(self.folder)
        make_folder(self.path(slot))
        if os.path.exists(self.path(slot, "slot.json")):
            os.unlink(self.path(slot, "slot.json"))
        environment = self.path(slot, "environment.json")
        if not self.private(slot) or read_or_none(environment) != load.environment:
            write_atomically(environment, load.environment, 0o600)
            os.chown(environment, os.geteuid(), self.gid)
            os.chmod(environment, 0o640)
        entry = os.path.join(self.directory, ENTRY)
        if read_or_none(entry) != load.entry:
            write_atomically(entry, load.entry, 0o644)
        inside = load.release.startswith(os.path.realpath(self.directory) + os.sep)
        link_atomically(os.path.relpath(load.release, os.path.realpath(self.path(slot))) if inside else load.release, self.path(slot, "release"))

    def prove(self, slot: str, load: Load) -> None:
        """Put down that the slot's processes run this."""
        write_atomically(self.path(slot, "slot.json"), (json.dumps(load.state(), sort_keys=True) + "\n").encode(), 0o600)

    def used(self) -> set[str]:
        """Return the folders of all releases that some slot points to."""
        return {release for release in map(self.release, self.names) if release}


def make_folder(path: str) -> None:
    """Make a folder that all can enter and only its owner can change."""
    if not os.path.isdir(path):
        os.makedirs(path)
        os.chmod(path, 0o755)


@dataclass(frozen=True)
class Hooks:
    """Commands of a release as lists of arguments: `before` it gets requests, `after` it did."""

    before: tuple[tuple[str, ...], ...] = ()
    after: tuple[tuple[str, ...], ...] = ()

    def digest(self, stage: str) -> str:
        """Return what identifies the commands of a stage."""
        return hashlib.sha256(json.dumps(asdict(self)[stage]).encode()).hexdigest()


class HookRecord:
    """Which commands each release has had, so that a run that was interrupted goes on with the first one it did not finish."""

    def __init__(self, slots: Slots) -> None:
        self.path = os.path.join(slots.folder, "hooks.json")
        self.done: dict[str, dict[str, str]] = json.loads(read_or_none(self.path) or b"{}")

    def had(self, release: str, stage: str, hooks: Hooks) -> bool:
        """Whether a release had the commands of a stage, or there are none."""
        return not getattr(hooks, stage) or self.done.get(release, {}).get(stage) == hooks.digest(stage)

    def put(self, release: str, stage: str, hooks: Hooks) -> None:
        """Put down that it had them; releases that are gone are forgotten."""
        self.done = {path: had for path, had in self.done.items() if os.path.isdir(path)}
        self.done.setdefault(release, {})[stage] = hooks.digest(stage)
        make_folder(os.path.dirname(self.path))
        write_atomically(self.path, (json.dumps(self.done, sort_keys=True) + "\n").encode(), 0o600)
