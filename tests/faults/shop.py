# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with Redis, the example application and the article's three nodes."""

from __future__ import annotations

import json
import os
import subprocess
import time

import yaml

from .conftest import ROOT, Host

NODES = [
    {"name": "default", "queues": ["Q1"], "autoscale": {"max": 4, "min": 1}, "time_limit": 3000},
    {"name": "reports", "queues": ["Q2"], "autoscale": {"max": 4, "min": 1}, "time_limit": 3000},
    {"name": "others", "queues": ["Q3", "Q4"], "autoscale": {"max": 2, "min": 1}, "time_limit": 10000},
]
OWNERS = {"Q1": "default", "Q2": "reports", "Q3": "others", "Q4": "others"}
NAMES = [node["name"] for node in NODES]
SECRET = "quotes \" ' $HOME `id` \\n %h #\nand a second line"
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {
                "ansible.builtin.stat": {"path": "{{ archive }}", "checksum_algorithm": "sha256"},
                "delegate_to": "localhost",
                "vars": {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"},
                "register": "looked",
            },
            {"ansible.builtin.copy": {"src": "{{ archive }}", "dest": "/var/cache/shop.tar.gz", "mode": "0644"}},
            {
                "evenkeel.wsgi.application_release": {
                    "directory": "/srv/shop",
                    "archive": "/var/cache/shop.tar.gz",
                    "checksum": "{{ looked.stat.checksum }}",
                }
            },
            {"ansible.builtin.import_role": {"name": "evenkeel.wsgi.celery_multi"}},
        ],
    }
]
# The application's own client, one process for a whole test file: a line of JSON in, a line of JSON out.
CLIENT = """\
import json, sys
from shop.celery import app
from shop import tasks
for line in sys.stdin:
    verb, *words = json.loads(line)
    if verb == "send":
        queue, seconds, count = words
        said = [tasks.BY_QUEUE[queue].delay(seconds).id for _ in range(count)]
    elif verb == "result":
        result = app.AsyncResult(words[0])
        said = [result.state, result.result if result.state == "SUCCESS" else repr(result.result)]
    print(json.dumps(said), flush=True)
"""


def slack():
    """How much longer things may take: times are for a machine that has nothing else to do, one with more to do than processors gets more."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


class Shop(Host):
    """The host. What differs between the two supervisors is in here, so that the tests need not know it."""

    def __init__(self, name, folder):
        super().__init__(name)
        self.folder = folder
        self.supervisor = "systemd"
        self.asked = None
        (folder / "ansible_collections/evenkeel").mkdir(parents=True)
        (folder / "ansible_collections/evenkeel/wsgi").symlink_to(ROOT)
        (folder / "play.yml").write_text(yaml.safe_dump(PLAY))
        same = ["--sort=name", "--mtime=@0", "--exclude=__pycache__", "-I", "gzip -n"]
        tar = ["tar", "-C", str(ROOT / "examples/app"), *same, "-cf", str(folder / "shop.tar.gz"), "."]
        subprocess.run(tar, check=True)

    def prepare(self):
        """Install the broker and start the client."""
        if self.run("which redis-server && python3 -c 'import ensurepip'")[0]:
            self.sh("apt-get update -q; DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends redis-server python3-venv")
        self.sh("systemctl enable --now redis-server")
        self.put("/opt/client.py", CLIENT)

    def converge(self, *flags, nodes=None, **more):
        """Run the play, with the article's nodes unless others are given; return (exit code, output, changed)."""
        nodes = NODES if nodes is None else nodes
        application = {
            "name": "shop",
            "app": "shop",
            "broker_url": "redis://127.0.0.1:6379/0",
            "secrets": {"SECRET_KEY": SECRET},
            "nodes": nodes,
        }
        variables = {
            "celery_multi_applications": [application] if nodes else [],
            "archive": str(self.folder / "shop.tar.gz"),
            "celery_multi_shutdown_timeout": 3,
            "celery_multi_findings": False,  # molecule/brokers has them; it takes 2 s
            "celery_multi_supervisor": self.supervisor,
            **more,
        }
        inventory = ["-i", self.name + ",", "-c", "community.docker.docker"]
        done = subprocess.run(
            ["ansible-playbook", *inventory, "-e", json.dumps(variables), *flags, str(self.folder / "play.yml")],
            capture_output=True,
            text=True,
            check=False,
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(self.folder),
                "ANSIBLE_PIPELINING": "true",
                "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
                "ANSIBLE_NOCOLOR": "true",
            },
        )
        return done.returncode, done.stdout + done.stderr, "changed=0 " not in done.stdout

    def pids(self):
        """The main process of each node, 0 for one that is not there."""
        if self.supervisor == "systemd":
            shown = self.sh("systemctl show -P MainPID " + " ".join("celery@%s" % name for name in NAMES)).split()
        else:
            look = 'p=$(cat /run/celery/shop/%s.pid 2>/dev/null); grep -qs %s@ "/proc/$p/cmdline" && echo $p || echo 0'
            shown = self.sh("; ".join(look % (name, name) for name in NAMES)).split()
        return dict(zip(NAMES, map(int, shown)))

    def client(self, *words):
        """Ask the application's client."""
        if self.asked is None:
            command = "cd /srv/shop/current && SECRET_KEY=x PYTHONPATH=. exec venv/bin/python /opt/client.py"
            self.asked = subprocess.Popen(["docker", "exec", "-i", self.name, "sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.asked.stdin.write(json.dumps(words) + "\n")
        self.asked.stdin.flush()
        return json.loads(self.asked.stdout.readline())

    def hang_up(self):
        """End the client: it does not outlive its broker."""
        if self.asked is not None:
            self.asked.kill()
            self.asked.wait()
            self.asked = None

    def send(self, queue, seconds=0.0):
        return self.client("send", queue, seconds, 1)[0]

    def result(self, task, patience=60):
        """The node and the queue that ran a task."""
        deadline = time.monotonic() + patience
        while True:
            state, value = self.client("result", task)
            if state == "SUCCESS":
                return value["node"].split("@")[0], value["queue"]
            assert state == "PENDING" and time.monotonic() < deadline, (state, value)
            time.sleep(0.1)

    def works(self, *queues, patience=60):
        """Every queue's tasks are run by its owner."""
        patience *= slack()
        sent = {self.send(queue): queue for queue in queues or OWNERS}
        for task, queue in sent.items():
            assert self.result(task, patience) == (OWNERS[queue], queue)

    def busy(self, count=1):
        """Wait until so many tasks run."""
        for _attempt in range(100):
            if int(self.sh("redis-cli hlen unacked")) >= count:
                return
            time.sleep(0.1)
        raise AssertionError("no task was taken; " + self.sh("redis-cli keys '*'; journalctl --no-pager -n 40 -u 'celery@*'"))

    def back(self, before, *names, within):
        """Wait until nodes have other processes than before; return the seconds. The others must have kept theirs."""
        begin = time.monotonic()
        within *= slack()
        while any(self.pids()[name] in (0, before[name]) for name in names):
            assert time.monotonic() - begin < within, self.sh("journalctl --no-pager -n 60 -u 'celery*'")
            time.sleep(0.2)
        after = self.pids()
        assert {name: after[name] for name in NAMES if name not in names} == {name: before[name] for name in NAMES if name not in names}
        return time.monotonic() - begin
