# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel's audit wrote down, by the keys of our rules; how much waits for the receiver of logs. Role: evenkeel.wsgi.security_baseline"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re

from evenkeel_logs import unread
from evenkeel_textfile import family, remembered, replace

# One action is several lines; the one of the system call has the rule's key.
EVENT = re.compile(rb'^type=SYSCALL .*\bkey="([\w-]+)"')


class Audit:
    """Counts since they were first kept."""

    def __init__(self, state, log, keys):
        """state: file that remembers the counts and how far the log was read; log: auditd's; keys: of the rules."""
        self.path, self.log = state, log
        self.state = {"place": None, "counts": {}, **remembered(state)}
        self.state["counts"] = {key: self.state["counts"].get(key, 0) for key in keys}

    def text(self):
        """Read on and return the text for Prometheus."""
        state, lines = self.state, [b""]
        while lines:
            lines, state["place"] = unread(self.log, state["place"])
            for match in filter(None, map(EVENT.match, lines)):
                key = match.group(1).decode()
                if key in state["counts"]:
                    state["counts"][key] += 1
        replace(self.path, json.dumps(state))
        samples = [("", {"key": key}, count) for key, count in state["counts"].items()]
        return "\n".join(family("evenkeel_audit_events_total", "counter", "Actions that a rule of the kernel's audit wrote down.", samples)) + "\n"


class Spool:
    """What waits on disk for the receiver of logs."""

    def __init__(self, _state, directory, limit_bytes):
        self.directory, self.limit = directory, limit_bytes

    def text(self):
        """Return the text for Prometheus."""
        size = 0
        for path in glob.glob(os.path.join(glob.escape(self.directory), "spool.*")):
            with contextlib.suppress(OSError):  # sent a moment ago
                size += os.stat(path).st_size
        lines = family("evenkeel_log_spool_bytes", "gauge", "Logs on disk that the receiver has not acknowledged, in files of up to 16 MiB.", [("", {}, size)])
        lines += family("evenkeel_log_spool_limit_bytes", "gauge", "From there on logs wait where they are.", [("", {}, self.limit)])
        return "\n".join(lines) + "\n"
