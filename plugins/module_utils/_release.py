# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of one application: which one is wanted, what an archive may hold, which ones to keep. No Ansible in here.

    <directory>/releases/<id>/            root's, world-readable: the archive's files, venv/, release.json
    <directory>/current -> releases/<id>  what runs; moved by one rename

A virtual environment holds absolute paths (pyvenv.cfg, the first line of every script), so a release cannot be built
elsewhere and renamed into place. It is built where it stays, and release.json, written last, is what makes it whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import posixpath
import re
import shutil
import tarfile
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils._files import write_atomically

MARKER = "release.json"
VENV = "venv"


class ReleaseError(Exception):
    """A release that cannot be made; the text says why and what to change."""


def release_id(*, checksum: str, python: str, python_version: str, requirements: str, packages: t.Sequence[str] = ()) -> str:
    """Name a release after everything it is built from, so that the same inputs are never built twice.

    The first part is the beginning of the archive's own SHA-256, for people who compare; the second stands for the rest:
    after an upgrade of the distribution another Python gives another release.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", checksum):
        raise ReleaseError(f"checksum={checksum!r} is not a SHA-256 in lower case: write the output of `sha256sum` on the archive")
    rest = hashlib.sha256("\n".join((python, python_version, requirements, *packages)).encode()).hexdigest()
    return f"{checksum[:12]}-{rest[:6]}"


def is_whole(path: str) -> bool:
    """Whether a release was built to its end."""
    return os.path.isfile(os.path.join(path, MARKER))


def mark_whole(path: str, facts: dict[str, t.Any]) -> None:
    """Declare a release whole; everything in it reaches the disk before the mark does."""
    os.sync()
    write_atomically(os.path.join(path, MARKER), (json.dumps(facts, indent=1, sort_keys=True) + "\n").encode(), 0o644)


def current_release(directory: str) -> str | None:
    """Return the id of the release that `current` points to, None when there is none."""
    try:
        return os.path.basename(os.readlink(os.path.join(directory, "current")))
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise ReleaseError(
            f"{directory}/current is not a symbolic link, so releases cannot be switched: move it away and name its content as an archive"
        ) from exc


def releases_to_remove(names: t.Sequence[str], *, whole: t.Container[str], keep: int, current: str) -> list[str]:
    """Choose what to remove of the releases, given oldest first: half ones, and whole ones beyond the newest `keep`.

    The current release always stays and counts as one of those kept.
    """
    others = [name for name in names if name in whole and name != current]
    kept = {current, *others[len(others) - (keep - 1) :]} if keep > 1 else {current}
    return [name for name in names if name not in kept]


def remove(path: str) -> None:
    """Remove a release so that a half-removed one does not look whole."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(path, MARKER))
    shutil.rmtree(path)


def _clean_name(member: tarfile.TarInfo) -> str:
    """Return a member's path below the release, '.' for the release itself; refuse what could lead out of it."""
    if member.name.startswith("/") or ".." in member.name.split("/"):
        raise ReleaseError(f"the archive holds {member.name!r}, which leads out of the release: pack it with relative names only")
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        raise ReleaseError(f"the archive holds {member.name!r}, a device or pipe: pack only files, folders and links")
    name = posixpath.normpath(member.name)
    if name in (VENV, MARKER) or name.startswith(f"{VENV}/"):
        raise ReleaseError(f"the archive holds {name!r}, a name that each release uses for its own: leave it out when packing")
    return name


def extract(archive: str, destination: str) -> None:
    """Unpack a .tar.gz below destination (made here): root's files, 0644 or 0755, times as packed.

    tarfile's own extraction filters are missing in older patch releases of Python 3.9 to 3.11, so this takes only names,
    content, the executable bit and the time from the archive. Symbolic links are made last: nothing is written through one.
    """
    try:
        with tarfile.open(archive, "r:gz") as tar:
            members = [(_clean_name(member), member) for member in tar]
            os.mkdir(destination)
            os.chmod(destination, 0o755)
            for name, member in members:
                if not member.issym():
                    _extract_one(tar, member, os.path.join(destination, name))
            _link_all(destination, [(name, member.linkname) for name, member in members if member.issym()])
    except (tarfile.TarError, EOFError) as exc:
        raise ReleaseError(f"{archive} cannot be read as .tar.gz: {exc}") from exc
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as exc:
        raise ReleaseError(f"the archive holds {exc.filename!r} as a file or link and as a folder") from exc


def _make_folder(path: str) -> None:
    """Make a folder and those above it, world-readable whatever the umask."""
    if not os.path.isdir(path):
        _make_folder(os.path.dirname(path))
        os.mkdir(path)
        os.chmod(path, 0o755)


def _extract_one(tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
    """Write one folder or file; a hard link becomes a copy of its target, which must be in the archive."""
    if member.isdir():
        _make_folder(path)
        return
    _make_folder(os.path.dirname(path))
    try:
        source = tar.extractfile(member)
    except KeyError as exc:
        raise ReleaseError(f"the archive holds {member.name!r}, a hard link to {member.linkname!r}, which it does not hold") from exc
    if source is None:  # only folders and devices have no content, and those were sorted out before
        raise ReleaseError(f"the archive holds {member.name!r} without content")
    with source, open(path, "wb") as target:
        shutil.copyfileobj(source, target)
    os.chmod(path, 0o755 if member.mode & 0o111 else 0o644)
    os.utime(path, (member.mtime, member.mtime))


def _link_all(destination: str, links: t.Sequence[tuple[str, str]]) -> None:
    """Make the symbolic links; refuse any that leads out of the release, by itself or together with another one."""
    root = os.path.realpath(destination)

    def leads_out(name: str, target: str) -> bool:
        resolved = os.path.realpath(os.path.join(root, os.path.dirname(name), target))
        return os.path.isabs(target) or os.path.commonpath([root, resolved]) != root

    for name, target in links:
        path = os.path.join(root, name)
        if leads_out(name, target):
            break
        _make_folder(os.path.dirname(path))
        if os.path.realpath(os.path.dirname(path)) != os.path.dirname(path):
            raise ReleaseError(f"the archive holds {name!r} below a folder that it also holds as a link: pack one of them")
        os.symlink(target, path)
    for name, target in links:  # again, all of them: a later link can change where an earlier one leads
        if leads_out(name, target):
            raise ReleaseError(f"the archive holds {name!r}, a link to {target!r} outside the release: link within it or copy the file")
