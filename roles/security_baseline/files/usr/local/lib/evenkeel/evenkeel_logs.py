# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading on in a log that is turned over. Role: evenkeel.wsgi.security_baseline

Works for both ways: rotatelogs goes round a fixed set of files (access.json, access.json.1, …) and empties the oldest; auditd
renames (audit.log becomes audit.log.1). The file that was written to last is the current one.
"""

from __future__ import annotations

import contextlib
import glob
import os

CHUNK = 2**20  # bytes read at once, so that a busy day's log needs no more memory than a quiet one's


def files(log):
    """[(path, state)] of the set, the one written to last at the end."""
    found = []
    for path in glob.glob(glob.escape(log) + "*"):
        if path == log or path[len(log) + 1 :].isdigit():
            with contextlib.suppress(OSError):  # renamed a moment ago; the next look finds it
                found.append((path, os.stat(path)))
    return sorted(found, key=lambda one: one[1].st_mtime_ns)


def whole_lines(path, offset):
    """(lines, offset after them): up to CHUNK bytes, without a last line that is still being written."""
    with open(path, "rb") as stream:
        stream.seek(offset)
        text = stream.read(CHUNK)
    end = text.rfind(b"\n") + 1 or (CHUNK if len(text) == CHUNK else 0)  # a line as long as that is none; it is passed over
    return text[:end].splitlines(), offset + end


def unread(log, place):
    """(lines, new place): the next lines after a place; no lines when there are no more.

    place: {"inode", "offset"} of the last call; None when there was none, and then only what comes from now on counts.
    """
    found = files(log)
    if not found:
        return [], place or {"inode": 0, "offset": 0}
    newest = found[-1]
    if not place:
        return [], {"inode": newest[1].st_ino, "offset": newest[1].st_size}
    path, state = next((one for one in found if one[1].st_ino == place["inode"]), newest)
    # Another file than the last time, or one that was emptied meanwhile, begins at its beginning.
    offset = place["offset"] if state.st_ino == place["inode"] and place["offset"] <= state.st_size else 0
    lines, offset = whole_lines(path, offset)
    if not lines and path != newest[0]:
        (path, state), offset = newest, 0
        lines, offset = whole_lines(path, 0)
    return lines, {"inode": state.st_ino, "offset": offset}
