# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say in files whether this host should get requests; Apache's readiness endpoint looks at them. Role: evenkeel.wsgi.security_baseline

saturated: almost every worker of Apache is busy. failed: an application answers nothing, or only errors. The third state, draining, is
written by people (evenkeel.wsgi.drain) and never touched here. A state changes only after it was seen several times in a row.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import ssl
import time
import urllib.parse

PAUSE = 2  # seconds between two looks
TIMES = 3  # looks in a row that change a state
FULL, FREE = 0.95, 0.8  # share of busy workers from which a host is saturated, and below which it is so no more


def get(url, host=None):
    """(status, text) of an answer; (0, "") without one."""
    parts = urllib.parse.urlsplit(url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = parts.scheme == "http"
    link = (
        http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
        if plain
        else http.client.HTTPSConnection(parts.hostname, parts.port, timeout=10, context=context)
    )
    try:
        link.request("GET", parts.path + ("?" + parts.query if parts.query else ""), headers={"Host": host or parts.netloc, "User-Agent": "evenkeel-readiness"})
        answer = link.getresponse()
        return answer.status, answer.read(65536).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        link.close()


def busy(text):
    """Share of Apache's workers that are busy, from its status; None when it does not say."""
    found = dict(re.findall(r"^(BusyWorkers|IdleWorkers): (\d+)$", text, re.M))
    workers = sum(map(int, found.values()))
    return int(found["BusyWorkers"]) / workers if len(found) == 2 and workers else None


class State:
    """One state and its file."""

    def __init__(self, path):
        self.path = path
        self.seen = 0

    def look(self, holds):
        """Take one look: True, False, or None for neither."""
        there = os.path.exists(self.path)
        self.seen = self.seen + 1 if holds is not None and holds != there else 0
        if self.seen >= TIMES:
            self.seen = 0
            if holds:
                open(self.path, "w", encoding="ascii").close()
            else:
                os.unlink(self.path)
            print("%s: %s" % (os.path.basename(self.path), "yes" if holds else "no"), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--status-url", required=True)
    parser.add_argument("--probes", required=True, help="JSON: [{url, host}], of applications")
    parser.add_argument("--directory", required=True, help="where the states are")
    arguments = parser.parse_args()
    probes = json.loads(arguments.probes)
    saturated, failed = (State(os.path.join(arguments.directory, name)) for name in ("saturated", "failed"))
    while True:
        # Apache may be so full that not even this gets an answer; when it is down nobody asks for a state.
        share = busy(get(arguments.status_url)[1])
        saturated.look(None if share is None or FREE <= share < FULL else share >= FULL)
        answers = [get(probe["url"], probe["host"])[0] for probe in probes]
        failed.look(any(status == 0 or status >= 500 for status in answers))
        time.sleep(PAUSE)


if __name__ == "__main__":
    main()
