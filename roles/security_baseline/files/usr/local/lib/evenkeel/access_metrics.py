# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Apache answered, from its access log: counts and times. Role: evenkeel.wsgi.security_baseline"""

from __future__ import annotations

import json

from evenkeel_logs import unread
from evenkeel_textfile import family, remembered, replace

BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # s


def count(lines, totals, left_out=()):
    """Add lines to totals, but for virtual hosts that are left out.

    totals: {"codes": {host: {code: n}}, "times": {host: [n of each bound…, n, sum of s]}, "unreadable": n}
    """
    for line in lines:
        try:
            entry = json.loads(line)
            host, code, seconds = str(entry["host"]), str(int(entry["status"])), int(entry["ms"]) / 1000
        except (ValueError, KeyError, TypeError):
            totals["unreadable"] += 1
            continue
        if host in left_out:
            continue
        codes = totals["codes"].setdefault(host, {})
        codes[code] = codes.get(code, 0) + 1
        times = totals["times"].setdefault(host, [0] * (len(BOUNDS) + 1) + [0.0])
        for index, bound in enumerate(BOUNDS):
            times[index] += seconds <= bound
        times[-2] += 1
        times[-1] = round(times[-1] + seconds, 3)


def exposition(totals, shown):
    """The text that Prometheus reads. shown: ["HOST CODE"] that an earlier run has shown, and afterwards these too.

    What is new starts with 0, once: Prometheus sees no increase in a series that begins with the burst itself.
    """
    answers = []
    for host, codes in sorted(totals["codes"].items()):
        for code, n in sorted(codes.items()):
            known = "%s %s" % (host, code)
            answers.append(("", {"vhost": host, "code": code}, n if known in shown else 0))
            if known not in shown:
                shown.append(known)
    times = []
    for host, counts in sorted(totals["times"].items()):
        bounds = [str(bound) for bound in BOUNDS] + ["+Inf"]
        times += [("_bucket", {"vhost": host, "le": bound}, n) for bound, n in zip(bounds, counts)]
        times += [("_count", {"vhost": host}, counts[-2]), ("_sum", {"vhost": host}, counts[-1])]
    unreadable = [("", {}, totals["unreadable"])]
    lines = family("evenkeel_http_requests_total", "counter", "Answers of Apache by virtual host and status code.", answers)
    lines += family("evenkeel_http_request_seconds", "histogram", "Time from a request's arrival to the end of its answer.", times)
    lines += family("evenkeel_http_unreadable_lines_total", "counter", "Lines of the log that are not what this program reads.", unreadable)
    return "\n".join(lines) + "\n"


class Answers:
    """The counts since they were first kept."""

    def __init__(self, state, log, leave_out=()):
        """state: file that remembers the counts and how far the log was read; leave_out: virtual hosts that do not count."""
        self.path, self.log, self.leave_out = state, log, leave_out
        nothing = {"place": None, "totals": {"codes": {}, "times": {}, "unreadable": 0}, "shown": []}
        self.state = {**nothing, **remembered(state)}

    def text(self):
        """Read on and return the text for Prometheus."""
        state, lines = self.state, [b""]
        while lines:
            lines, state["place"] = unread(self.log, state["place"])
            count(lines, state["totals"], self.leave_out)
        text = exposition(state["totals"], state["shown"])
        replace(self.path, json.dumps(state))
        return text
