# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks sent at a constant rate to every queue, whatever happens to the nodes, and what became of each of them.

What was run is counted twice, by nobody who sends: from the results that the backend has, and from what the nodes logged, where a task that ran
twice shows twice.
"""

from __future__ import annotations

import json
import re
import subprocess

SENT = "/tmp/sent.jsonl"
SENDER = f"""\
import json, signal, sys, time
from shop import tasks
rate, long, every, only = json.loads(sys.argv[1])
running = True
def end(*_):
    global running
    running = False
signal.signal(signal.SIGTERM, end)
queues, number, begin = only or list(tasks.BY_QUEUE), 0, time.time()
with open("{SENT}", "a") as out:
    while running:
        queue, seconds = queues[number % len(queues)], long if every and number % every == 0 else 0
        now = time.time()
        print(json.dumps([tasks.BY_QUEUE[queue].delay(seconds).id, queue, seconds, now]), file=out, flush=True)
        number += 1
        time.sleep(max(0, begin + number / rate - time.time()))
"""
COLLECTOR = f"""\
import json, sys, time
from shop.celery import app
rows = [json.loads(line) for line in open("{SENT}")]
waiting, done, deadline = {{row[0] for row in rows}}, {{}}, time.time() + float(sys.argv[1])
while waiting and time.time() < deadline:
    for task in list(waiting):
        meta = app.backend.get_task_meta(task)
        if meta["status"] == "SUCCESS":
            waiting.discard(task)
            done[task] = app.AsyncResult(task).date_done.timestamp()
    time.sleep(0.2)
print(json.dumps([rows, done]))
"""


def client(shop, program, *arguments):
    """The command that runs a program in the application's environment."""
    inside = "cd /srv/shop/current && SECRET_KEY=x PYTHONPATH=. exec venv/bin/python %s %s" % (program, " ".join("'%s'" % word for word in arguments))
    return ["docker", "exec", shop.name, "sh", "-c", inside]


class Load:
    """Tasks per second over all queues; every n-th takes `long` seconds, the others none. only: queues to send to."""

    def __init__(self, shop, rate, long=0.0, every=0, only=()):
        self.shop = shop
        shop.sh("rm -f %s" % SENT)
        shop.put("/opt/sender.py", SENDER)
        shop.put("/opt/collector.py", COLLECTOR)
        self.since = shop.sh("date +%s").strip()
        self.sender = subprocess.Popen(client(shop, "/opt/sender.py", json.dumps([rate, long, every, list(only)])))

    def end(self, patience=120):
        """Stop sending, and wait for what was sent: {sent, lost: [id], duplicated: [id], latency: {queue: [s from sending to the result, sorted]}}."""
        self.shop.sh("pkill -TERM -f /opt/sender.py")
        assert self.sender.wait(30) == 0, "a task could not be sent"
        rows, done = json.loads(subprocess.run(client(self.shop, "/opt/collector.py", patience), check=True, capture_output=True, text=True).stdout)
        ran = {}
        for task in re.findall(r"\[([0-9a-f-]{36})\] succeeded", self.shop.sh("journalctl --no-pager -o cat --since @%s -u 'celery@*'" % self.since)):
            ran[task] = ran.get(task, 0) + 1
        latency = {}
        for task, queue, seconds, sent in rows:
            if task in done:
                latency.setdefault(queue, []).append(done[task] - sent - seconds)
        return {
            "sent": len(rows),
            "lost": [row[0] for row in rows if row[0] not in done or row[0] not in ran],
            "duplicated": [row[0] for row in rows if ran.get(row[0], 0) > 1],
            "latency": {queue: sorted(found) for queue, found in latency.items()},
        }
