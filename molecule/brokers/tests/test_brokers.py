# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two applications on two brokers: their queues, what redelivery costs on each, what is refused and what is found."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import typing as t
from pathlib import Path

import pytest

PLAY = Path(__file__).parents[1] / "odd/play.yml"
FINDINGS = Path(__file__).parents[1] / "findings.yml"
OWNERS = {
    "shop": {"Q1": "orders", "Q2": "orders", "Q3": "rest", "Q4": "rest"},
    "post": {"Q1": "letters", "Q2": "letters", "Q3": "parcels", "Q4": "parcels"},
}
REDIS = "export REDISCLI_AUTH=$(sed -n 's/^requirepass //p' /etc/redis/redis.conf); redis-cli --tls --cacert /etc/ssl/broker.crt "
VISIBLE, RESTORES = 16, 10
"""Seconds after which Redis hands a task out again, and between two looks of a node at what it has to hand out."""


class Application:
    """One of the two, as its own code sees it."""

    def __init__(self, host: t.Any, name: str) -> None:
        self.host, self.name = host, name

    def ask(self, code: str) -> t.Any:
        """Run code in its environment, which sets `said`."""
        files = "".join(f" -p EnvironmentFile=/etc/evenkeel/celery/{self.name}.{kind}" for kind in ("env", "secrets"))
        run = f"systemd-run --quiet --wait --pipe --collect -p User={self.name} -p WorkingDirectory=/srv/shop/current{files}"
        program = f"import json, time\nfrom shop.celery import app\nfrom shop import tasks\n{code}\nprint(json.dumps(said))\n"
        return json.loads(self.host.check_output(f"{run} /srv/shop/current/venv/bin/python - <<'END'\n{program}END"))

    def send(self, queue: str, seconds: float) -> str:
        return str(self.ask(f"said = tasks.BY_QUEUE[{queue!r}].delay({seconds}).id"))

    def heard(self, node: str, words: str) -> int:
        """How often a node has said something."""
        return int(self.host.run(f"journalctl --no-pager -u celery@{node} | grep -cF '{words}'").stdout)

    def kill(self, node: str) -> None:
        self.host.check_output(f"kill -9 $(systemctl show -P MainPID celery@{node})")


@pytest.fixture(params=["shop", "post"])
def application(host: t.Any, request: pytest.FixtureRequest) -> Application:
    return Application(host, request.param)


def wait(what: t.Callable[[], t.Any], patience: float) -> float:
    """Seconds until something is true."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < patience
        time.sleep(0.3)
    return time.monotonic() - began


def play(path: Path, **variables: t.Any) -> subprocess.CompletedProcess[str]:
    """Run a playbook against the scenario's host."""
    inventory = os.environ["MOLECULE_EPHEMERAL_DIRECTORY"] + "/inventory"
    return subprocess.run(
        ["ansible-playbook", "-i", inventory, "-e", json.dumps(variables), str(path)], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def metric(host: t.Any, name: str, **labels: str) -> float | None:
    """A number of the text file for node_exporter."""
    wanted = ",".join(f'{label}="{value}"' for label, value in labels.items())
    text = host.run("cat /var/lib/prometheus/node-exporter/evenkeel_celery.prom").stdout
    found = re.search(rf"^evenkeel_celery_{name}\{{{re.escape(wanted)}\}} (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else None


def test_each_queue_is_run_by_its_owner_on_its_own_broker(application: Application) -> None:
    code = "sent = {q: task.delay() for q, task in tasks.BY_QUEUE.items()}\nsaid = {q: r.get(timeout=30)['node'].split('@')[0] for q, r in sent.items()}"
    assert application.ask(code) == OWNERS[application.name]


def test_a_node_grows_to_its_maximum_with_every_kind_of_queue(application: Application) -> None:
    node = OWNERS[application.name]["Q1"]
    sent = application.ask("sent = [tasks.order.delay(7) for _ in range(3)]\nfor r in sent: r.get(timeout=60)\nsaid = [r.id for r in sent]")
    log = application.host.check_output(f"journalctl --no-pager -u celery@{node}")
    workers = {found for task in sent for found in re.findall(rf"(ForkPoolWorker-\d+)\] Task [\w.]+\[{task}\] succeeded", log)}
    assert len(workers) == 3, "three tasks of 7 s did not run in three processes"


def test_rabbitmq_has_quorum_queues_in_a_virtual_host_of_its_own(host: t.Any) -> None:
    queues = dict(line.split() for line in host.check_output("rabbitmqctl -q list_queues -p post name type --no-table-headers").splitlines())
    assert {queue: queues[queue] for queue in ("Q1", "Q2", "Q3", "Q4")} == dict.fromkeys(("Q1", "Q2", "Q3", "Q4"), "quorum")
    assert "Q1" not in host.check_output("rabbitmqctl -q list_queues -p / name")


def test_the_number_of_the_plan_reaches_the_application(host: t.Any) -> None:
    shown = {name: host.check_output(f"tr '\\0' '\\n' </proc/$(systemctl show -P MainPID celery@{name})/environ") for name in ("orders", "letters")}
    assert "CELERY_VISIBILITY_TIMEOUT=16\n" in shown["orders"] and "CELERY_CONSUMER_TIMEOUT=7200\n" in shown["letters"]
    assert "CONSUMER" not in shown["orders"] and "VISIBILITY" not in shown["letters"]


def test_a_task_of_a_killed_node_runs_again_once_and_a_long_one_not_at_all(application: Application) -> None:
    """At once on RabbitMQ, which sees the connection go; after the visibility timeout on Redis, which sees nothing."""
    node, sibling = OWNERS[application.name]["Q3"], OWNERS[application.name]["Q1"]
    long = application.send("Q1", 10)
    task = application.send("Q3", 8)
    wait(lambda: application.heard(node, f"{task}] received"), 30)
    application.kill(node)
    took = wait(lambda: application.heard(node, f"{task}] succeeded"), 120)
    work = 6 + 8 + 5  # start of the node, the task, and looking, on a machine that has nothing else to do
    assert took < (VISIBLE + RESTORES if application.name == "shop" else 0) + work * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    redelivered = {"application": application.name, "node": node, "queue": "Q3"}
    wait(lambda: metric(application.host, "tasks_redelivered_total", **redelivered) == 1, 15)
    assert application.heard(node, f"{task}] succeeded") == 1 and application.heard(sibling, f"{long}] succeeded") == 1


def test_metrics_say_what_waits_runs_and_ended(application: Application) -> None:
    host, node = application.host, OWNERS[application.name]["Q4"]
    labels = {"application": application.name, "node": node, "queue": "Q4"}
    ended = metric(host, "tasks_ended_total", **labels, state="success") or 0
    took = metric(host, "task_seconds_sum", **labels) or 0.0
    application.ask("said = [tasks.log.delay(4).id for _ in range(4)]")
    wait(lambda: metric(host, "tasks_active", **labels) == 1 and (metric(host, "queue_length", **labels) or 0) >= 1, 20)
    wait(lambda: metric(host, "tasks_ended_total", **labels, state="success") == ended + 4, 40)
    assert 16 <= (metric(host, "task_seconds_sum", **labels) or 0) - took < 20
    assert metric(host, "queue_length", **labels) == 0 and metric(host, "tasks_active", **labels) == 0
    assert metric(host, "node_up", application=application.name, node=node) == 1


ODD: list[tuple[dict[str, t.Any], str]] = [
    ({"conf": {"task_default_queue": "O1", "accept_content": ["json", "pickle"]}}, "application odd1: the application accepts or sends pickle"),
    (
        {"conf": {"task_routes": {"odd.work": {"queue": "nobody"}}}},
        "odd2: the application sends odd.work to queue nobody, which no node takes from (nodes have O1)",
    ),
    ({"conf": {"task_default_queue": "O1", "broker_url": "memory://"}}, "odd3: the application's broker is memory"),
    (
        {"conf": {"task_default_queue": "O1", "broker_url": "redis://"}, "limit": 10000},
        "odd4: the application has broker_transport_options.visibility_timeout 3600 s",
    ),
    ({"conf": {"task_default_queue": "O1"}, "limit": 10000}, "odd5: RabbitMQ gives a task of queue O1 7200 s, and it may take 10000 s"),
    ({"conf": {}, "app": "missing"}, "odd6: missing cannot be loaded from /srv/odd as odd6"),
]


def test_applications_that_must_not_go_live_are_refused_before_anything_is_touched(host: t.Any) -> None:
    look = "systemctl show -P MainPID celery@orders celery@letters; ls /etc/systemd/system /etc/evenkeel/celery; md5sum /var/lib/evenkeel/*"
    before = host.check_output(look)
    done = play(PLAY, odd=[case for case, _said in ODD])
    told = " ".join((done.stdout + done.stderr).replace("\\n", " ").split())
    assert done.returncode and [said for _case, said in ODD if said not in told] == [], told
    assert host.check_output(look) == before
    assert host.run("ls -d /run/evenkeel-ask-*").rc, "a file with an environment was left"


def test_what_is_wrong_with_the_brokers_and_the_nodes_is_found(host: t.Any) -> None:
    eval_timeout = "rabbitmqctl -q eval 'application:set_env(rabbit, consumer_timeout, %d).'"
    host.check_output(f"{REDIS} config set maxmemory-policy allkeys-lru appendonly no; {eval_timeout % 1800000}; systemctl stop celery@rest")
    try:
        done = play(FINDINGS)
    finally:
        host.check_output(f"{REDIS} config set maxmemory-policy noeviction appendonly yes; {eval_timeout % 7200000}; systemctl start celery@rest")
    found = sorted(re.findall(r"id: (celery-[a-z-]+)", done.stdout))
    assert found == ["celery-broker-evicts", "celery-broker-forgets", *["celery-consumer-timeout-redelivery"] * 4, "celery-node-silent"], done.stdout
    assert "rest@web does not answer" in done.stdout and "RabbitMQ gives a task of queue Q1 1800 s, and it may take 6000 s" in done.stdout
