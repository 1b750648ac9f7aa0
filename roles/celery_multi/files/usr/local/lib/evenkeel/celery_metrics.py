# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Celery's nodes do, as a text file for node_exporter: celery_metrics.py CONFIGURATION. Role: evenkeel.wsgi.celery_multi

Reads the small file that each node writes about itself (evenkeel_numbers.py). A node is up when its file is fresh and its process is there, so
that a node that died, hangs or never started shows as down, whoever supervises it. The files belong to applications: what they say is taken
for numbers and names only.

CONFIGURATION: {"output": text file, NAME.prom, "nodes": [{"application", "node", "queues": [name], "file": path}]}
"""

from __future__ import annotations

import json
import math
import os
import stat
import sys
import tempfile
import time

FRESH = 20.0
"""Seconds after which a node's file is old; it writes one every 5 s."""
LARGEST = 1 << 18
METRICS = {
    "celery_node_up": ("gauge", "Whether the node runs and says so."),
    "celery_queue_length": ("gauge", "Messages that wait in the queue, as the broker told its node. No value while the broker does not answer."),
    "celery_tasks_active": ("gauge", "Tasks that run."),
    "celery_tasks_reserved": ("gauge", "Tasks that the node holds and that do not run yet."),
    "celery_task_oldest_seconds": ("gauge", "Age of the task that runs longest, 0 when none runs."),
    "celery_tasks_received_total": ("counter", "Tasks that the node was given."),
    "celery_tasks_redelivered_total": ("counter", "Of these, tasks that the broker had handed out before."),
    "celery_tasks_ended_total": ("counter", "Tasks that ended; state: success, failure, retry, ignored, rejected, killed (its process died or was killed)."),
    "celery_task_seconds": ("summary", "How long tasks ran."),
}
STATES = ("success", "failure", "retry", "ignored", "rejected", "killed")


def read(path):
    """What a node's file says, {} when there is none. Whoever owns it cannot make this program wait, or read another file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return {}
            said = json.loads(stream.read(LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def number(value, *keys):
    """A finite number inside of dictionaries and lists, 0 for anything else."""
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return 0
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) else 0


def up(said, now):
    """Whether a node's file is fresh and its process is there."""
    pid = number(said, "pid")
    return abs(now - number(said, "time")) < FRESH and pid > 0 and os.path.exists("/proc/%d" % pid)


def samples(node, said, now):
    """[(metric, labels, number)] of one node."""
    own = {"application": node["application"], "node": node["node"]}
    alive = up(said, now)
    found = [("celery_node_up", own, int(alive))]
    for queue in node["queues"] if alive else []:
        labels = {**own, "queue": queue}
        if queue in (said.get("length") or {}):
            found.append(("celery_queue_length", labels, number(said, "length", queue)))
        for metric, key in (("tasks_active", "active"), ("tasks_reserved", "reserved"), ("task_oldest_seconds", "oldest")):
            found.append(("celery_" + metric, labels, number(said, key, queue)))
        for metric, key in (("received", "received"), ("redelivered", "redelivered")):
            found.append(("celery_tasks_%s_total" % metric, labels, number(said, key, queue)))
        for state in STATES:
            found.append(("celery_tasks_ended_total", {**labels, "state": state}, number(said, "ended", queue, state)))
        found.append(("celery_task_seconds_sum", labels, number(said, "seconds", queue, 0)))
        found.append(("celery_task_seconds_count", labels, number(said, "seconds", queue, 1)))
    return found


def exposition(found):
    """The text that Prometheus reads."""
    lines = []
    for metric, (kind, meaning) in METRICS.items():
        lines += ["# HELP evenkeel_%s %s" % (metric, meaning), "# TYPE evenkeel_%s %s" % (metric, kind)]
        for name, labels, value in found:
            if name == metric or (kind == "summary" and name in (metric + "_sum", metric + "_count")):
                # JSON escapes in a string what Prometheus wants escaped.
                inside = ",".join("%s=%s" % (label, json.dumps(text, ensure_ascii=False)) for label, text in labels.items())
                lines.append("evenkeel_%s{%s} %s" % (name, inside, value))
    return "\n".join(lines) + "\n"


def main():
    with open(sys.argv[1], encoding="utf-8") as stream:
        configuration = json.load(stream)
    now = time.time()
    found = [sample for node in configuration["nodes"] for sample in samples(node, read(node["file"]), now)]
    output = configuration["output"]
    # Replaced whole, readable by all; node_exporter reads only names that end in .prom.
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(output), prefix=".%s." % os.path.basename(output))
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        os.fchmod(stream.fileno(), 0o644)
        stream.write(exposition(found))
    os.rename(temporary, output)


if __name__ == "__main__":
    main()
