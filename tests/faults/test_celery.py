# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The article's three nodes on a real host: the example application, Redis, the role, and what an operator and bad luck do to them.

The tests run in the order of the file, on one host; each leaves all nodes running.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid

import pytest
import yaml

from .conftest import IMAGE, PREFIX, ROOT, RUN, Host

NODES = [
    {"name": "default", "queues": ["Q1"], "autoscale": {"max": 4, "min": 1}, "time_limit": 3000},
    {"name": "reports", "queues": ["Q2"], "autoscale": {"max": 4, "min": 1}, "time_limit": 3000},
    {"name": "others", "queues": ["Q3", "Q4"], "autoscale": {"max": 2, "min": 1}, "time_limit": 10000},
]
OWNERS = {"Q1": "default", "Q2": "reports", "Q3": "others", "Q4": "others"}
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
# Sends one task, or says what became of one, with the application itself.
CLIENT = """\
import json, sys
from shop.celery import app
from shop import tasks
if sys.argv[1] == "send":
    print(tasks.BY_QUEUE[sys.argv[2]].delay(float(sys.argv[3])).id)
else:
    result = app.AsyncResult(sys.argv[2])
    print(json.dumps([result.state, result.result if result.state == "SUCCESS" else None]))
"""


class Shop(Host):
    """A host with Redis and the example application."""

    def __init__(self, name, folder):
        super().__init__(name)
        self.folder = folder
        (folder / "ansible_collections/evenkeel").mkdir(parents=True)
        (folder / "ansible_collections/evenkeel/wsgi").symlink_to(ROOT)
        (folder / "play.yml").write_text(yaml.safe_dump(PLAY))
        tar = ["tar", "-C", str(ROOT / "examples/app"), "--exclude=__pycache__", "-czf", str(folder / "shop.tar.gz"), "."]
        subprocess.run(tar, check=True)

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
        variables = {"celery_multi_applications": [application] if nodes else [], "archive": str(self.folder / "shop.tar.gz"), **more}
        done = subprocess.run(
            [
                "ansible-playbook",
                "-i",
                self.name + ",",
                "-c",
                "community.docker.docker",
                "-e",
                json.dumps(variables),
                *flags,
                str(self.folder / "play.yml"),
            ],
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
        shown = self.sh("systemctl show -P MainPID " + " ".join("celery@%s" % node["name"] for node in NODES)).split()
        return dict(zip((node["name"] for node in NODES), map(int, shown)))

    def client(self, *words):
        return self.sh("cd /srv/shop/current && SECRET_KEY=x PYTHONPATH=. venv/bin/python /opt/client.py " + " ".join(words)).strip()

    def send(self, queue, seconds=0):
        return self.client("send", queue, str(seconds))

    def result(self, task, patience=60):
        """The node and the queue that ran a task."""
        deadline = time.monotonic() + patience
        while True:
            state, value = json.loads(self.client("result", task))
            if state == "SUCCESS":
                return value["node"].split("@")[0], value["queue"]
            assert state == "PENDING" and time.monotonic() < deadline, state
            time.sleep(0.3)

    def busy(self):
        """Wait until a task runs."""
        for _attempt in range(50):
            if self.sh("redis-cli hlen unacked").strip() != "0":
                return
            time.sleep(0.1)
        raise AssertionError("no task was taken; " + self.sh("redis-cli keys '*'; journalctl --no-pager -n 40 -u 'celery@*'"))


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    name = "%s-celery-%s" % (PREFIX, uuid.uuid4().hex[:8])
    subprocess.run(["docker", "run", "-d", "--name", name, *RUN, IMAGE], check=True, capture_output=True)
    try:
        host = Shop(name, tmp_path_factory.mktemp("celery"))
        host.wait()
        if host.run("which redis-server && python3 -c 'import ensurepip'")[0]:
            host.sh("apt-get update -q; DEBIAN_FRONTEND=noninteractive apt-get install -q -y redis-server python3-venv")
        host.sh("systemctl enable --now redis-server")
        host.put("/opt/client.py", CLIENT)
        yield host
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", name], check=False, capture_output=True)


def test_converges_and_stays(shop):
    code, said, _changed = shop.converge()
    assert code == 0, said
    code, said, changed = shop.converge("--diff")
    assert code == 0 and not changed, said
    environment = shop.sh("cat /proc/%d/environ" % shop.pids()["default"]).split("\0")
    assert "SECRET_KEY=" + SECRET in environment and "CELERY_VISIBILITY_TIMEOUT=12000" in environment
    modes = shop.sh("stat -c '%U %a' /etc/evenkeel/celery/shop.env /etc/evenkeel/celery/shop.secrets")
    assert modes.splitlines() == ["root 600", "root 600"]


def test_each_queue_is_run_by_its_owner(shop):
    tasks = {queue: shop.send(queue) for queue in OWNERS}
    assert {queue: shop.result(task) for queue, task in tasks.items()} == {queue: (node, queue) for queue, node in OWNERS.items()}


def test_the_sandbox_is_really_there(shop):
    """systemd may skip what it cannot apply in silence: ask the kernel about the process."""
    process = "/proc/%d/" % shop.pids()["default"]
    mounts = {line.split()[4]: line.split()[5].split(",")[0] for line in shop.sh("cat %smountinfo" % process).splitlines()}
    assert {path: mounts[path] for path in ("/", "/home", "/tmp", "/run/celery/default")} == {
        "/": "ro",
        "/home": "ro",
        "/tmp": "rw",
        "/run/celery/default": "rw",
    }
    status = shop.sh("cat %sstatus" % process)
    assert "NoNewPrivs:\t1" in status and "CapBnd:\t0000000000000000" in status and "Seccomp:\t2" in status


def test_a_killed_node_comes_back_alone(shop):
    before = shop.pids()
    shop.sh("kill -9 %d" % before["reports"])
    deadline = time.monotonic() + 10
    while shop.pids()["reports"] in (0, before["reports"]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert shop.result(shop.send("Q2")) == ("reports", "Q2")
    after = shop.pids()
    assert after["reports"] != before["reports"] and {**after, "reports": 0} == {**before, "reports": 0}


def test_a_killed_child_costs_its_task_nothing(shop):
    before = shop.pids()
    task = shop.send("Q2", 3)
    shop.busy()
    shop.sh("kill -9 $(pgrep -P %d)" % before["reports"])
    assert shop.result(task) == ("reports", "Q2") and shop.pids() == before


def test_stop_waits_for_the_running_task(shop):
    task = shop.send("Q1", 5)
    shop.busy()
    shop.sh("systemctl stop celery")
    assert shop.result(task, patience=0) == ("default", "Q1")
    assert set(shop.pids().values()) == {0} and shop.sh("systemctl list-units --failed --no-legend 'celery*'") == ""
    shop.sh("systemctl start celery")
    assert shop.result(shop.send("Q4")) == ("others", "Q4")


def test_reload_waits_for_the_running_task_and_keeps_the_process(shop):
    before = shop.pids()
    task = shop.send("Q3", 3)
    shop.busy()
    shop.sh("systemctl reload celery")
    assert shop.result(task) == ("others", "Q3") and shop.result(shop.send("Q3")) == ("others", "Q3")
    assert shop.pids() == before


def test_one_changed_node_restarts_alone_and_after_its_task(shop):
    before = shop.pids()
    task = shop.send("Q2", 15)
    shop.busy()
    code, said, changed = shop.converge("--diff", "-vvv", nodes=[NODES[0], {**NODES[1], "autoscale": {"max": 3, "min": 1}}, NODES[2]])
    assert code == 0 and changed and "--autoscale=3,1" in said and "second line" not in said, said
    assert shop.run("journalctl --no-pager | grep -F 'and a second line'")[0] == 1, "a secret was logged"
    assert shop.result(task, patience=0) == ("reports", "Q2")
    after = shop.pids()
    assert after["reports"] != before["reports"] and {**after, "reports": 0} == {**before, "reports": 0}


def test_refusals_come_before_any_change(shop):
    code, said, changed = shop.converge(nodes=[*NODES, {"name": "more", "queues": ["Q1"]}])
    assert code and not changed and "already belongs to node 'default'" in said.replace("\\'", "'")
    assert "second line" not in said


def test_a_node_that_does_not_stay_up_fails_the_run_with_its_words(shop):
    code, said, _changed = shop.converge(nodes=[*NODES, {"name": "broken", "queues": ["Q5"], "max_tasks_per_child": 1, "pool": "eventlet"}])
    assert code and "node broken does not stay up" in said and "eventlet" in said
    assert shop.result(shop.send("Q1")) == ("default", "Q1")


def test_without_applications_nothing_is_left(shop):
    task = shop.send("Q3", 4)
    shop.busy()
    code, said, changed = shop.converge(nodes=[])
    assert code == 0 and changed, said
    assert shop.result(task, patience=0) == ("others", "Q3")
    assert shop.run("ls /etc/systemd/system/celery* /etc/evenkeel/celery/shop.* /etc/systemd/system/*.wants/celery*")[1].count("cannot access") == 3
    assert "celery" not in shop.sh("systemctl list-units --all --no-legend 'celery*'")
