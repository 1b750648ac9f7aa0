# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders, files and units of one owner: what differs from what is wanted, and what is left over. No Ansible in here."""

from __future__ import annotations

import dataclasses
import grp
import json
import os
import pwd
import re
import stat
import typing as t

PATH = re.compile(r"(?:/\.?[A-Za-z0-9_@~+-][A-Za-z0-9._@~+-]*)+")
UNIT = re.compile(r"[A-Za-z0-9_@-][A-Za-z0-9._@-]*\.(?:service|timer|socket|path)")
PROPERTIES = "ActiveState,UnitFileState,NeedDaemonReload"


class SystemFilesError(Exception):
    """What cannot be done; the text says why and what to change."""


@dataclasses.dataclass(frozen=True)
class Record:
    """What an owner has on the host: what a later run removes when it is not wanted any more."""

    files: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    unfinished: bool = False

    @classmethod
    def parse(cls, text: bytes | None) -> Record:
        """Read it; a host without one has nothing of this owner."""
        data = json.loads(text) if text else {}
        return cls(*(tuple(data.get(name, ())) for name in ("files", "units", "readers")), data.get("unfinished", False))

    def dump(self) -> bytes:
        """Write it."""
        lists = {"files": sorted(self.files), "units": sorted(self.units), "readers": sorted(self.readers)}
        return (json.dumps({**lists, **({"unfinished": True} if self.unfinished else {})}, indent=1) + "\n").encode()

    def union(self, other: Record) -> Record:
        """Return what may be there in the middle of a run."""
        both = ((self.files, other.files), (self.units, other.units), (self.readers, other.readers))
        return Record(*(tuple(sorted({*mine, *theirs})) for mine, theirs in both), unfinished=True)


def check(paths: t.Iterable[str], units: t.Iterable[str]) -> None:
    """Refuse names that no such thing can have."""
    for path in paths:
        if not PATH.fullmatch(path):
            raise SystemFilesError(f"{path!r} is not an absolute path without spaces, . and ..: write for example /etc/systemd/system/shop.timer")
    for unit in units:
        if not UNIT.fullmatch(unit):
            raise SystemFilesError(f"{unit!r} is not the name of a systemd unit: write for example shop.timer")


def mode(text: str) -> int:
    """Read an octal mode."""
    if not re.fullmatch(r"0?[0-7]{3,4}", text):
        raise SystemFilesError(f"mode={text!r} is not an octal mode in quotes: write for example '0755'")
    return int(text, 8)


def account(user: str, group: str) -> tuple[int, int] | None:
    """Numbers of a user and a group; None when one is missing."""
    try:
        return pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid
    except KeyError:
        return None


def folder_differs(path: str, owner: tuple[int, int] | None, wanted: int) -> bool:
    """Whether a folder is not there or not its owner's. One that is a link is refused: its owner could aim it anywhere."""
    try:
        state = os.lstat(path)
    except FileNotFoundError:
        return True
    if not stat.S_ISDIR(state.st_mode):
        raise SystemFilesError(f"{path} is not a folder: move it away")
    return owner is None or (state.st_uid, state.st_gid, stat.S_IMODE(state.st_mode)) != (*owner, wanted)


def settled(shown: str) -> bool:
    """Whether `systemctl show` says that a unit is enabled, runs (a oneshot of a timer does between its runs, too) and is the file's."""
    values = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    return values.get("ActiveState") == "active" and values.get("UnitFileState") == "enabled" and values.get("NeedDaemonReload") != "yes"


def reload_needed(paths: t.Iterable[str]) -> bool:
    """Whether systemd has to read its unit files again after these changed."""
    return any(UNIT.fullmatch(os.path.basename(path)) for path in paths)
