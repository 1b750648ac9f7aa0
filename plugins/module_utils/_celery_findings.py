# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Celery application itself gets wrong, judged from what it said (`_celery_program`). No Ansible and no host in here."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.constants import REDIS_VISIBILITY

LOCAL = ("", "localhost", "127.0.0.1", "::1")
PICKLES = ("pickle", "application/x-python-serialize")
SHARED_BY_NOBODY = ("memory", "filesystem", "in-memory")
GIVING_BACK = 10
"""Seconds that a node gets at the end of a host's shutdown to give its tasks back (celery_host_stop.py)."""


@dataclasses.dataclass(frozen=True)
class Node:
    """A node of this host as it is wanted."""

    queues: tuple[str, ...]
    children: int
    """At most."""
    held: int
    """Seconds for which it may hold a message."""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What the role knows of an application."""

    nodes: t.Mapping[str, Node]
    """By their names on the wire, such as default@web-1."""
    owned: frozenset[str] = frozenset()
    """Queues that somebody takes from, here or elsewhere."""
    pickle: bool = False

    @property
    def held(self) -> int:
        """Seconds for which any node may hold a message."""
        return max((node.held for node in self.nodes.values()), default=0)


Said = t.Mapping[str, t.Any]
Check = t.Callable[[Said, Wanted], t.Iterable[str]]


@dataclasses.dataclass(frozen=True)
class Rule:
    """One thing that must be so. check yields one sentence for each breach; a rule that refuses keeps the application from being started."""

    id: str
    severity: str
    wants: str
    check: Check
    refuses: bool = False


@dataclasses.dataclass(frozen=True)
class Finding:
    """One breach of a rule."""

    id: str
    severity: str
    saw: str
    wants: str

    def __str__(self) -> str:
        return f"{self.saw} [{self.severity} {self.id}] {self.wants}"


def _names(found: t.Iterable[str]) -> str:
    """At most five names of a list that may be long."""
    listed = sorted(found)
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")


def _configured(said: Said) -> list[tuple[str, Said]]:
    """The application's settings, and those of each running node that has other ones, each with whose they are."""
    fresh = said["settings"]
    return [("the application", fresh), *((name, node["settings"]) for name, node in said.get("nodes", {}).items() if node["settings"] != fresh)]


def _pickle(said: Said, wanted: Wanted) -> t.Iterator[str]:
    for whose, settings in [] if wanted.pickle else _configured(said):
        words = [*(settings["accept_content"] or ()), *(settings["result_accept_content"] or ()), settings["task_serializer"], settings["result_serializer"]]
        if set(PICKLES) & set(words):
            yield f"{whose} accepts or sends pickle"


def _unowned(said: Said, wanted: Wanted) -> t.Iterator[str]:
    by_queue: dict[str, list[str]] = {}
    for name, task in said["tasks"].items():
        if task["queue"] and task["queue"] not in wanted.owned:
            by_queue.setdefault(task["queue"], []).append(name)
    for queue, names in sorted(by_queue.items()):
        yield f"the application sends {_names(names)} to queue {queue}, which no node takes from (nodes have {', '.join(sorted(wanted.owned))})"


def _default_queue(said: Said, wanted: Wanted) -> t.Iterator[str]:
    queue = said["settings"]["task_default_queue"]
    if queue not in wanted.owned and queue not in {task["queue"] for task in said["tasks"].values()}:
        yield f"task_default_queue is {queue}, which no node takes from"


def _unrouted(said: Said, _wanted: Wanted) -> t.Iterator[str]:
    names = [name for name, task in said["tasks"].items() if "error" in task]
    if names:
        yield f"task_routes cannot be asked where it sends {_names(names)}"


def _not_shared(said: Said, _wanted: Wanted) -> t.Iterator[str]:
    if said["broker"]["kind"] in SHARED_BY_NOBODY:
        yield f"the application's broker is {said['broker']['kind']}"


def _visibility(said: Said, wanted: Wanted) -> t.Iterator[str]:
    for whose, settings in _configured(said) if said["broker"]["kind"] == "redis" else []:
        after = settings["visibility_timeout"] or REDIS_VISIBILITY
        if after <= wanted.held:
            yield f"{whose} has broker_transport_options.visibility_timeout {after} s, and a task may take {wanted.held} s"


def _consumer(said: Said, wanted: Wanted) -> t.Iterator[str]:
    of_broker = said["broker"].get("consumer_timeout_ms")
    for name, queue in said["queues"].items() if said["broker"]["kind"] == "amqp" else []:
        patience = queue["consumer_timeout_ms"] or of_broker
        if patience and patience <= wanted.held * 1000:
            yield f"RabbitMQ gives a task of queue {name} {patience // 1000} s, and it may take {wanted.held} s"


def _consumer_unknown(said: Said, wanted: Wanted) -> t.Iterator[str]:
    broker = said["broker"]
    unknown = [name for name, queue in said["queues"].items() if not queue["consumer_timeout_ms"]]
    if broker["kind"] == "amqp" and "answers" in broker and not broker.get("consumer_timeout_ms") and unknown:
        yield f"RabbitMQ is on another host, so nobody saw whether it gives queue {_names(unknown)} more than {wanted.held} s"


def _early(said: Said, _wanted: Wanted) -> t.Iterator[str]:
    names = [name for name, task in said["tasks"].items() if not task["acks_late"]]
    if names:
        yield f"acknowledged before they run: {_names(names)}"


def _lost(said: Said, _wanted: Wanted) -> t.Iterator[str]:
    names = [name for name, task in said["tasks"].items() if task["acks_late"] and not task["reject_on_worker_lost"]]
    if names:
        yield f"acknowledged when their process dies: {_names(names)}"


def _soft_shutdown(said: Said, _wanted: Wanted) -> t.Iterator[str]:
    for whose, settings in _configured(said):
        if (settings["worker_soft_shutdown_timeout"] or 0) >= GIVING_BACK:
            yield f"{whose} has worker_soft_shutdown_timeout {settings['worker_soft_shutdown_timeout']:g} s"


def _broker_silent(said: Said, _wanted: Wanted) -> t.Iterator[str]:
    if said["broker"].get("answers") is False:
        yield f"the broker does not answer the application ({said['broker']['error']})"


def _node_silent(said: Said, wanted: Wanted) -> t.Iterator[str]:
    for name in sorted(wanted.nodes.keys() - said["nodes"].keys()) if "nodes" in said else []:
        yield f"{name} does not answer"


def _node_queues(said: Said, wanted: Wanted) -> t.Iterator[str]:
    for name, node in said.get("nodes", {}).items():
        if set(node["queues"]) != set(wanted.nodes[name].queues):
            yield f"{name} takes from {', '.join(node['queues']) or 'no queue'}, not from {', '.join(wanted.nodes[name].queues)}"


def _prefetch(said: Said, wanted: Wanted) -> t.Iterator[str]:
    for name, node in said.get("nodes", {}).items():
        if (node["prefetch"] or 0) > wanted.nodes[name].children:
            yield f"{name} holds up to {node['prefetch']} messages for {wanted.nodes[name].children} children"


def _evicts(said: Said, _wanted: Wanted) -> t.Iterator[str]:
    policy = said["broker"].get("maxmemory_policy")
    if policy and policy != "noeviction":
        yield f"Redis has maxmemory-policy {policy}"


def _forgets(said: Said, _wanted: Wanted) -> t.Iterator[str]:
    if said["broker"].get("aof_enabled") == 0:
        yield "Redis has appendonly no"


def _plain(said: Said, _wanted: Wanted) -> t.Iterator[str]:
    broker = said["broker"]
    if broker["host"] not in LOCAL and not broker["tls"]:
        yield f"the connection to the broker at {broker['host']} is not encrypted"


def _open(said: Said, _wanted: Wanted) -> t.Iterator[str]:
    if not said["broker"]["password"]:
        yield "the broker wants no password"


def _classic(said: Said, _wanted: Wanted) -> t.Iterator[str]:
    names = [name for name, queue in said["queues"].items() if queue["type"] != "quorum"]
    if said["broker"]["kind"] == "amqp" and names:
        yield f"classic queues: {_names(names)}"


RULES: tuple[Rule, ...] = (
    Rule("celery-pickle", "error",
         "accept_content and serializers without pickle: who can write to the broker would run any code as the application's user. Or write pickle: true.",
         _pickle, refuses=True),
    Rule("celery-queue-unowned", "error",
         "A node for each queue: give it to one, route the task elsewhere, or write other_queues: [it] when something outside this inventory takes from it.",
         _unowned, refuses=True),
    Rule("celery-broker-not-shared", "error", "A broker that web processes and nodes share: redis://… or amqp://….", _not_shared, refuses=True),
    Rule("celery-visibility-timeout-redelivery", "error",
         "broker_transport_options takes visibility_timeout from CELERY_VISIBILITY_TIMEOUT: Redis hands a running task out again after it.",
         _visibility, refuses=True),
    Rule("celery-consumer-timeout-redelivery", "error",
         "consumer_timeout in rabbitmq.conf, or x-consumer-timeout of the queues, of 1000 x CELERY_CONSUMER_TIMEOUT (ms): RabbitMQ closes the node's channel "
         "after it and hands its tasks out again.",
         _consumer, refuses=True),
    Rule("celery-consumer-timeout-unseen", "info", "consumer_timeout in rabbitmq.conf of 1000 x CELERY_CONSUMER_TIMEOUT (ms).", _consumer_unknown),
    Rule("celery-default-queue-unowned", "warning",
         "task_default_queue names a node's queue: a task that nobody routes, and Celery's own, go there.", _default_queue),
    Rule("celery-route-unseen", "info", "Routes that need no arguments of a call. Look yourself whether nodes take from their queues.", _unrouted),
    Rule("celery-acks-early", "warning", "task_acks_late: True, for tasks that may run twice: what runs when its process dies is lost otherwise.", _early),
    Rule("celery-lost-with-its-process", "warning", "task_reject_on_worker_lost: True beside task_acks_late.", _lost),
    Rule("celery-soft-shutdown-too-long", "warning",
         f"worker_soft_shutdown_timeout below {GIVING_BACK} s: tasks had celery_multi_shutdown_timeout, and get {GIVING_BACK} s to go back to their queues.",
         _soft_shutdown),
    Rule("celery-broker-silent", "error", "A broker that answers. Look at its service and at broker_url.", _broker_silent),
    Rule("celery-node-silent", "error", "A node that answers `celery inspect`. Look at `systemctl status celery@NODE`.", _node_silent),
    Rule("celery-node-queues", "error", "The queues of its node in celery_multi_applications; somebody used add_consumer or cancel_consumer.", _node_queues),
    Rule("celery-prefetch-high", "info", "prefetch_multiplier: 1, so that long tasks hold no messages back from idle children.", _prefetch),
    Rule("celery-broker-evicts", "error", "maxmemory-policy noeviction: others throw tasks away when memory is full.", _evicts),
    Rule("celery-broker-forgets", "warning", "appendonly yes: without it tasks of the last minutes are lost with the broker's host.", _forgets),
    Rule("celery-broker-plain", "error", "TLS: rediss://… or amqps://….", _plain),
    Rule("celery-broker-open", "warning", "A password in broker_url: any user of the host could send tasks.", _open),
    Rule("celery-queue-classic", "info",
         "task_default_queue_type and task_create_missing_queue_type: quorum. A classic queue lives on one RabbitMQ host.", _classic),
)  # fmt: skip


def judge(said: Said, wanted: Wanted, *, refusing: bool = False) -> list[Finding]:
    """Return what breaks a rule; with refusing only what keeps the application from being started."""
    return [Finding(rule.id, rule.severity, saw + ".", rule.wants) for rule in RULES if rule.refuses or not refusing for saw in rule.check(said, wanted)]


def heard(output: str, mark: str) -> t.Any:
    """Return what the program said, None when it said nothing."""
    lines = [line[len(mark) :] for line in output.splitlines() if line.startswith(mark)]
    return json.loads(lines[-1]) if lines else None
