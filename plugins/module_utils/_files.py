# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are either the old or the new one, also after a kill -9 or a power cut in between."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile


def sync_directory(path: str) -> None:
    """Make the names in a directory durable: a rename is only safe on disk once its directory is."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: str, content: bytes, mode: int) -> None:
    """Replace a file whole. It never exists with other permissions than mode, so a secret is never readable in between.

    The temporary name starts with a dot: neither systemd nor Apache reads such a file if a crash leaves it behind.
    """
    folder = os.path.dirname(path)
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=f".{os.path.basename(path)}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    sync_directory(folder)


def link_atomically(target: str, link: str) -> None:
    """Point a symbolic link at target without a moment in which the link does not exist."""
    temporary = f"{os.path.dirname(link)}/.{os.path.basename(link)}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    os.symlink(target, temporary)
    os.rename(temporary, link)
    sync_directory(os.path.dirname(link))


def read_or_none(path: str) -> bytes | None:
    """Return what a file holds, or None when there is no such file."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def file_differs(path: str, content: bytes, wanted: int) -> bool:
    """Whether a file is not exactly this, root's and with this mode."""
    if os.path.islink(path) or read_or_none(path) != content:
        return True
    state = os.stat(path)
    return (stat.S_IMODE(state.st_mode), state.st_uid, state.st_gid) != (wanted, os.geteuid(), os.getegid())
