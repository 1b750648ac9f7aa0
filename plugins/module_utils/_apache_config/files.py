# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that survive a power cut: everything is written and synced aside, then renamed."""

from __future__ import annotations

import os
import shutil


def sync_dir(path):
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_text(path):
    """Text of a file, None if there is none."""
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read()
    except OSError:
        return None


def write_new(path, text, mode=0o640):
    """Write a new file and sync it; its directory is the caller's to sync. Raises OSError (disk full) before anything is live."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        os.fchmod(handle, mode)
        stream.write(text)
        stream.flush()
        os.fsync(handle)


def replace(path, text, mode=0o640):
    """Write a file in place of another by one rename."""
    aside = os.path.join(os.path.dirname(path), ".evenkeel-new-" + os.path.basename(path))
    try:
        write_new(aside, text, mode)
        os.rename(aside, path)
    except OSError:
        remove(aside)
        raise
    sync_dir(os.path.dirname(path))


def remove(path):
    """Remove a file or link; True if there was one."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def sweep(folder):
    """Remove what a killed run left half done; none of it was ever included by anything (its names start with a dot)."""
    for entry in os.listdir(folder) if os.path.isdir(folder) else []:
        if entry.startswith((".new-", ".evenkeel-")):
            path = os.path.join(folder, entry)
            if os.path.isdir(path):
                remove_tree(path)
            else:
                remove(path)


def remove_tree(path):
    shutil.rmtree(path, ignore_errors=True)


def make_dir(path, mode=0o755):
    if not os.path.isdir(path):
        os.makedirs(path, mode)


def move(source, destination):
    """Rename, replacing what is there; a link is made anew where the two are on different file systems."""
    make_dir(os.path.dirname(destination))
    try:
        os.rename(source, destination)
    except OSError:
        if not os.path.islink(source):
            raise
        link(os.readlink(source), destination)
        os.unlink(source)


def link(text, path):
    """Make a symbolic link in place of what is there, by one rename."""
    aside = os.path.join(os.path.dirname(path), ".evenkeel-link")
    remove(aside)
    os.symlink(text, aside)
    os.rename(aside, path)
