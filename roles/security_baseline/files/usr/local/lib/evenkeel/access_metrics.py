# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Apache answered, as a text file for node_exporter: counts and times from its access log. Role: evenkeel.wsgi.security_baseline

Reads on where the last run stopped. rotatelogs goes round a fixed set of files (access.json, access.json.1, …): the one that was
written to last is the current one, and the one before is read to its end first.
"""

from __future__ import annotations

import argparse
import glob
import json
import os

from evenkeel_textfile import family, replace

BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # s
AT_MOST = 64 * 2**20  # bytes read in one run; more waits for the next


def current(log):
    """Path of the file of the set that was written to last; None before the first request."""
    files = [path for path in glob.glob(glob.escape(log) + "*") if path == log or path[len(log) + 1 :].isdigit()]
    return max(files, key=lambda path: os.stat(path).st_mtime_ns, default=None)


def whole_lines(path, offset, room):
    """(lines, offset after them): what was added since, without a last line that is still being written."""
    with open(path, "rb") as stream:
        stream.seek(offset)
        text = stream.read(room)
    end = text.rfind(b"\n") + 1
    return text[:end].splitlines(), offset + end


def unread(log, place):
    """(lines, new place). place: {"path", "inode", "offset"} of the last run; without one, only what comes from now on counts."""
    newest = current(log)
    if newest is None:
        return [], place or {"path": log, "inode": 0, "offset": 0}
    state = os.stat(newest)
    if not place:
        return [], {"path": newest, "inode": state.st_ino, "offset": state.st_size}
    lines = []
    if (place["path"], place["inode"]) != (newest, state.st_ino):
        if os.path.exists(place["path"]) and os.stat(place["path"]).st_ino == place["inode"]:
            lines, _offset = whole_lines(place["path"], place["offset"], AT_MOST)
        place = {"path": newest, "inode": state.st_ino, "offset": 0}
    if place["offset"] > state.st_size:  # it went round and was emptied
        place = dict(place, offset=0)
    added, offset = whole_lines(newest, place["offset"], AT_MOST)
    return lines + added, dict(place, offset=offset)


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


def remembered(path):
    """What the last run wrote down, also one of an earlier release; nothing when that cannot be read."""
    nothing = {"place": None, "totals": {"codes": {}, "times": {}, "unreadable": 0}, "shown": []}
    try:
        with open(path, encoding="utf-8") as stream:
            return {**nothing, **json.load(stream)}
    except (OSError, ValueError):
        return nothing


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", required=True, help="Apache's access log, one JSON object per line")
    parser.add_argument("--state", required=True, help="file that remembers how far the log was read")
    parser.add_argument("--output", required=True, help="text file for node_exporter, NAME.prom")
    parser.add_argument("--leave-out", nargs="*", default=[], help="virtual hosts that do not count")
    arguments = parser.parse_args()
    state = remembered(arguments.state)
    lines, place = unread(arguments.log, state["place"])
    count(lines, state["totals"], arguments.leave_out)
    replace(arguments.output, exposition(state["totals"], state["shown"]))
    replace(arguments.state, json.dumps({"place": place, "totals": state["totals"], "shown": state["shown"]}))


if __name__ == "__main__":
    main()
