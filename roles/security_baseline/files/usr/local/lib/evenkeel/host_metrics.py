# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures this host every few seconds, as text files for node_exporter. Role: evenkeel.wsgi.security_baseline

One process that stays: to start Python for each look costs far more than the look. A part that fails says so in the journal and
leaves its file as it was, which becomes stale and raises an alarm; the other parts go on.

Usage: host_metrics.py SETTINGS     a file of JSON: interval_s, directory (of the text files), state (a directory), and one object
                                    for each part, with the arguments of its class
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback

from access_metrics import Answers
from change_metrics import Changes
from evenkeel_textfile import replace
from log_metrics import Audit, Spool

PARTS = {"http": Answers, "changes": Changes, "audit": Audit, "spool": Spool}  # name in the settings and of the text file: class


def measure(parts, directory):
    """Let each part write its text file; True when all could."""
    good = True
    for name, part in parts.items():
        try:
            replace(os.path.join(directory, "evenkeel_%s.prom" % name), part.text())
        except Exception:  # whatever it is: the others go on
            print("%s: %s" % (name, traceback.format_exc()), file=sys.stderr, flush=True)
            good = False
    return good


def main():
    with open(sys.argv[1], encoding="utf-8") as stream:
        settings = json.load(stream)
    keep = settings["state"]
    parts = {name: PARTS[name](os.path.join(keep, "%s.json" % name), **arguments) for name, arguments in settings["parts"].items()}
    while True:
        began = time.monotonic()
        measure(parts, settings["directory"])
        time.sleep(max(1, settings["interval_s"] - (time.monotonic() - began)))


if __name__ == "__main__":
    main()
