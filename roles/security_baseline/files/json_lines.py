# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Between Apache and rotatelogs: make each line of the access log valid JSON.

Apache escapes what a client sent as C does. Quotes, backslashes, tabs and newlines are the same in JSON; ``\\v`` and ``\\xHH`` (any
byte that is not printable ASCII) are not. Here they become what they stood for: UTF-8 where they are, ``\\\\xHH`` where they are not.

Usage: json_lines.py COMMAND [ARGUMENT...]     stdin goes to the command's stdin
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

BLOCK = 1 << 16  # what a pipe holds: one line at a time when it is quiet, hundreds at once when it is not
# An escaped backslash is taken first, so that the client's own text "\x41", which arrives as "\\x41", stays what it is.
ESCAPE = re.compile(rb"\\\\|\\v|(?:\\x[0-9A-Fa-f]{2})+")
UNSAFE = re.compile(r'[\x00-\x1f"\\\x7f]')


def translated(match: re.Match[bytes]) -> bytes:
    """Return one escape of C as JSON has it."""
    text = match.group()
    if text == rb"\\":
        return text
    raw = b"\v" if text == rb"\v" else bytes.fromhex(text.replace(rb"\x", b"").decode("ascii"))
    return UNSAFE.sub(quoted, raw.decode("utf-8", "backslashreplace")).encode("utf-8")


def quoted(match: re.Match[str]) -> str:
    """Return a character that JSON does not allow in a text."""
    return "\\\\" if match.group() == "\\" else "\\u%04x" % ord(match.group())


def valid(lines: bytes) -> bytes:
    """Return whole lines with every escape translated; most blocks have none."""
    return ESCAPE.sub(translated, lines) if rb"\x" in lines or rb"\v" in lines else lines


def main() -> int:
    """Copy stdin to the command until Apache closes it."""
    # On a reload Apache ends us with SIGTERM while its old processes still finish requests: the end of stdin is the end.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, bufsize=0) as writer:
        assert writer.stdin is not None
        rest = b""
        while True:
            block = os.read(0, BLOCK)
            whole, newline, rest = (rest + block).rpartition(b"\n")
            left = memoryview(valid(whole + newline + (b"" if block else rest)))
            while left:
                left = left[os.write(writer.stdin.fileno(), left) :]
            if not block:
                break
    return writer.returncode


if __name__ == "__main__":
    sys.exit(main())
