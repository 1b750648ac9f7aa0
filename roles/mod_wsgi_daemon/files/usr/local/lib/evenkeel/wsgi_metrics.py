# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What mod_wsgi's daemon groups do, as a text file for node_exporter. Role: evenkeel.wsgi.mod_wsgi_daemon

Everything is asked of the kernel, so that it is true of an application that hangs, too, and no application takes part:

    busy slots     accepted connections on the group's socket: mod_wsgi takes one for each running request and none ahead
    queue          connections that nobody has accepted yet, and the kernel's limit for them (`ss -xa`)
    processes      children of Apache whose command line shows the group's name (/proc)
    starts         processes that an earlier run had not seen; one that lives shorter than the interval may be missed

Which groups there are, and with how many slots, is read from the generation of Apache's configuration that is current.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import tempfile
import time

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
METRICS = {
    "slots": ("gauge", "Requests that the group can work on at the same time."),
    "busy_slots": ("gauge", "Requests that the group works on."),
    "queued_requests": ("gauge", "Requests that wait for a slot of the group."),
    "queue_limit": ("gauge", "Requests that may wait; above it they get 503."),
    "processes": ("gauge", "Running processes of the group."),
    "wanted_processes": ("gauge", "Processes that the group should have."),
    "process_starts_total": ("counter", "Processes of the group that were started."),
    "youngest_process_seconds": ("gauge", "Age of the youngest process of the group."),
    "resident_bytes": ("gauge", "Resident memory of all processes of the group; pages that they share count for each."),
    "data_bytes_max": ("gauge", "Data of the largest process of the group, which is what memory-limit caps."),
    "memory_limit_bytes": ("gauge", "The cap on the data of one process, 0 when there is none."),
    "cpu_seconds": ("gauge", "CPU time of the processes that run now."),
}


def read(path):
    """Bytes of a file, empty when it is not there any more."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return b""


def directives(folder):
    """Every WSGIDaemonProcess line in the order in which Apache reads them, which is the order of their sockets' numbers.

    folder: Apache's configuration directory.
    """
    pointer = read(os.path.join(folder, "evenkeel/current.conf")).decode()
    generation = re.search(r"^Define EVENKEEL_GENERATION (\S+)", pointer, re.M)
    for place in [os.path.join(folder, name) for name in ("mods-enabled", "conf-enabled", "sites-enabled")]:
        for name in sorted(os.listdir(place)) if os.path.isdir(place) else []:
            if name == "zz-evenkeel.conf" and generation:
                yield from lines(generation.group(1))
            elif name.endswith(".conf"):
                yield from found(os.path.join(place, name))


def lines(folder):
    """The lines of a generation."""
    for name in sorted(os.listdir(folder)):
        if name.endswith(".conf"):
            yield from found(os.path.join(folder, name))


def found(path):
    """The lines of one file."""
    return [line.strip() for line in read(path).decode("utf-8", "replace").splitlines() if re.match(r"\s*WSGIDaemonProcess\s", line)]


def group_of(number, line, room):
    """One group: {number, name, shown, slots, processes, limit}. room: how many characters of a command line mod_wsgi may overwrite."""
    words = shlex.split(line)
    options = dict(word.split("=", 1) for word in words[2:] if "=" in word)
    shown = options.get("display-name", "").replace("%{GROUP}", "(wsgi:%s)" % words[1])[:room]
    processes = int(options.get("processes", 1))
    limit = int(options.get("memory-limit", 0))
    return {"number": number, "name": words[1], "shown": shown, "slots": processes * int(options.get("threads", 15)), "processes": processes, "limit": limit}


SOCKET = re.compile(r"/wsgi\.(\d+)\.(\d+)\.(\d+)\.sock$")


def sockets(listing, parent):
    """{group's number: [busy, waiting, limit]} of `ss -xaH`. After a reload the old generation's sockets stay while requests run."""
    counts, newest = {}, {}
    for line in listing.splitlines():
        words = line.split()
        match = SOCKET.search(words[4]) if len(words) > 4 else None
        if not match or int(match.group(1)) != parent:
            continue
        generation, number = int(match.group(2)), int(match.group(3))
        count = counts.setdefault(number, [0, 0, 0])
        if words[1] == "ESTAB":
            count[0] += 1
        elif words[1] == "LISTEN":
            count[1] += int(words[2])
            if generation >= newest.get(number, 0):
                newest[number] = generation
                count[2] = int(words[3])
    return counts


def children(parent, proc="/proc"):
    """[{key, shown, rss, data, cpu, started}] of Apache's children, memory in bytes, times in seconds since boot."""
    result = []
    for pid in filter(str.isdigit, os.listdir(proc)):
        stat = read("%s/%s/stat" % (proc, pid)).decode("utf-8", "replace").rpartition(")")[2].split()
        if len(stat) < 20 or int(stat[1]) != parent:
            continue
        memory = read("%s/%s/statm" % (proc, pid)).split() or [b"0"] * 7
        shown = read("%s/%s/cmdline" % (proc, pid)).split(b"\0")[0].decode("utf-8", "replace").rstrip()
        result.append(
            {
                "key": "%s-%s" % (pid, stat[19]),
                "shown": shown,
                "rss": int(memory[1]) * PAGE,
                "data": int(memory[5]) * PAGE,
                "cpu": (int(stat[11]) + int(stat[12])) / TICKS,
                "started": int(stat[19]) / TICKS,
            }
        )
    return result


def of_processes(processes, uptime):
    """What is known of one group's processes."""
    row = {
        "processes": len(processes),
        "resident_bytes": sum(process["rss"] for process in processes),
        "data_bytes_max": max((process["data"] for process in processes), default=0),
        "cpu_seconds": round(sum(process["cpu"] for process in processes), 2),
    }
    if processes:
        row["youngest_process_seconds"] = round(max(0.0, uptime - max(process["started"] for process in processes)), 1)
    return row


def measure(groups, counts, processes, uptime, seen):
    """({metric: {group: value}}, what to remember) of all that was asked."""
    values = {name: {} for name in METRICS}
    starts, known = dict(seen.get("starts", {})), set(seen.get("known", []))
    names = [group["shown"] for group in groups]
    for group in groups:
        name = group["name"]
        busy, waiting, limit = counts.get(group["number"], (0, 0, 0))
        mine = [process for process in processes if process["shown"] == group["shown"]]
        starts[name] = starts.get(name, 0) + sum(process["key"] not in known for process in mine)
        row = {
            "slots": group["slots"],
            "busy_slots": busy,
            "queued_requests": waiting,
            "queue_limit": limit,
            "wanted_processes": group["processes"],
            "memory_limit_bytes": group["limit"],
        }
        if names.count(group["shown"]) == 1:  # of groups whose names were cut off to the same text nobody knows which process is whose
            row.update(of_processes(mine, uptime), process_starts_total=starts[name])
        for metric, value in row.items():
            values[metric][name] = value
    kept = [process["key"] for process in processes]
    return values, {"known": kept, "starts": {group["name"]: starts[group["name"]] for group in groups}}


def exposition(values, took, now):
    """The text that Prometheus reads."""
    text = []
    for metric, (kind, meaning) in METRICS.items():
        text += ["# HELP evenkeel_wsgi_%s %s" % (metric, meaning), "# TYPE evenkeel_wsgi_%s %s" % (metric, kind)]
        text += ['evenkeel_wsgi_%s{group="%s"} %s' % (metric, group, value) for group, value in values[metric].items()]
    for metric, meaning, value in (("scrape_seconds", "How long it took to ask.", took), ("scrape_time_seconds", "When it was asked.", now)):
        text += ["# HELP evenkeel_wsgi_%s %s" % (metric, meaning), "# TYPE evenkeel_wsgi_%s gauge" % metric, "evenkeel_wsgi_%s %.3f" % (metric, value)]
    return "\n".join(text) + "\n"


def replace(path, text):
    """Write a file whole, readable by all; node_exporter reads only names that end in .prom."""
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".%s." % os.path.basename(path))
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        os.fchmod(stream.fileno(), 0o644)
        stream.write(text)
    os.rename(temporary, path)


def look(arguments):
    """Measure once and write it."""
    began = time.monotonic()
    parent = int(read(arguments.pid_file) or 0)
    room = len(read("/proc/%d/cmdline" % parent).split(b"\0")[0])
    groups = [group_of(number, line, room) for number, line in enumerate(directives(arguments.configuration), 1)]
    listing = subprocess.run(["ss", "-xaH"], check=True, capture_output=True, text=True).stdout
    seen = json.loads(read(arguments.state) or b"{}")
    uptime = float(read("/proc/uptime").split()[0])
    values, state = measure(groups, sockets(listing, parent), children(parent) if parent else [], uptime, seen)
    replace(arguments.output, exposition(values, time.monotonic() - began, time.time()))
    replace(arguments.state, json.dumps(state))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configuration", required=True, help="Apache's configuration directory")
    parser.add_argument("--pid-file", required=True, help="where Apache writes its process id")
    parser.add_argument("--state", required=True, help="file that remembers which processes were seen")
    parser.add_argument("--output", required=True, help="text file for node_exporter, NAME.prom")
    parser.add_argument("--interval", type=float, required=True, help="seconds between two looks; one process that stays costs less than Python's start")
    arguments = parser.parse_args()
    while True:
        look(arguments)
        time.sleep(arguments.interval)


if __name__ == "__main__":
    main()
