# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each rule about an application, broken once; real applications: molecule/brokers."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _celery_findings as findings

SETTINGS = {
    "accept_content": ["json"],
    "result_accept_content": None,
    "task_serializer": "json",
    "result_serializer": "json",
    "task_default_queue": "Q1",
    "worker_soft_shutdown_timeout": 0.0,
    "visibility_timeout": 3600,
}
REDIS = {"kind": "redis", "host": "db", "password": True, "tls": True, "answers": True, "maxmemory_policy": "noeviction", "aof_enabled": 1}
RABBITMQ = {"kind": "amqp", "host": "", "password": True, "tls": False, "answers": True, "consumer_timeout_ms": 3600000}
SAID = {
    "settings": SETTINGS,
    "tasks": {"shop.order": {"queue": "Q1", "acks_late": True, "reject_on_worker_lost": True}},
    "queues": {"Q1": {"type": "quorum", "consumer_timeout_ms": None}},
    "broker": REDIS,
    "nodes": {"a@h": {"queues": ["Q1"], "prefetch": 4, "settings": dict(SETTINGS)}},
}
WANTED = findings.Wanted({"a@h": findings.Node(("Q1",), 4, 3000)}, frozenset({"Q1"}))
BROKEN = [
    ("celery-pickle", {"settings.accept_content": ["json", "pickle"]}, "the application accepts"),
    ("celery-pickle", {"nodes.a@h.settings.result_serializer": "pickle"}, "a@h accepts"),
    ("celery-queue-unowned", {"tasks.shop.order.queue": "Q2"}, "sends shop.order to queue Q2, which no node takes from (nodes have Q1)"),
    ("celery-broker-not-shared", {"broker.kind": "memory"}, "broker is memory"),
    ("celery-visibility-timeout-redelivery", {"settings.visibility_timeout": 3000}, "3000 s, and a task may take 3000 s"),
    ("celery-consumer-timeout-redelivery", {"broker": {**RABBITMQ, "consumer_timeout_ms": 1800000}}, "a task of queue Q1 1800 s"),
    ("celery-consumer-timeout-redelivery", {"broker": RABBITMQ, "queues.Q1.consumer_timeout_ms": 60000}, "a task of queue Q1 60 s"),
    ("celery-consumer-timeout-unseen", {"broker": {**RABBITMQ, "consumer_timeout_ms": None}}, "more than 3000 s"),
    ("celery-default-queue-unowned", {"settings.task_default_queue": "celery"}, "task_default_queue is celery"),
    ("celery-route-unseen", {"tasks.shop.order": {"queue": None, "error": "x", "acks_late": True, "reject_on_worker_lost": True}}, "shop.order"),
    ("celery-acks-early", {"tasks.shop.order.acks_late": False}, "before they run: shop.order"),
    ("celery-lost-with-its-process", {"tasks.shop.order.reject_on_worker_lost": False}, "when their process dies"),
    ("celery-soft-shutdown-too-long", {"settings.worker_soft_shutdown_timeout": 60.0}, "60 s"),
    ("celery-broker-silent", {"broker": {**REDIS, "answers": False, "error": "OSError"}}, "(OSError)"),
    ("celery-node-silent", {"nodes": {}}, "a@h does not answer"),
    ("celery-node-queues", {"nodes.a@h.queues": ["Q1", "Q9"]}, "a@h takes from Q1, Q9, not from Q1"),
    ("celery-prefetch-high", {"nodes.a@h.prefetch": 16}, "16 messages for 4 children"),
    ("celery-broker-evicts", {"broker.maxmemory_policy": "allkeys-lru"}, "allkeys-lru"),
    ("celery-broker-forgets", {"broker.aof_enabled": 0}, "appendonly no"),
    ("celery-broker-plain", {"broker.tls": False}, "at db is not encrypted"),
    ("celery-broker-open", {"broker.password": False}, "no password"),
    ("celery-queue-classic", {"broker": RABBITMQ, "queues.Q1.type": "classic"}, "classic queues: Q1"),
]


def changed(changes):
    said = copy.deepcopy(SAID)
    for path, value in changes.items():
        first, *keys = path.replace("shop.order", "shop/order").split(".")
        keys = [key.replace("/", ".") for key in (first, *keys)]
        part = said
        for key in keys[:-1]:
            part = part[key]
        part[keys[-1]] = value
    return said


@pytest.mark.parametrize(("rule", "changes", "saw"), BROKEN)
def test_a_breach_is_found(rule, changes, saw):
    found = [finding for finding in findings.judge(changed(changes), WANTED) if finding.id == rule]
    assert found and saw in found[0].saw and rule not in {finding.id for finding in findings.judge(SAID, WANTED)}


def test_a_good_application_has_no_findings():
    assert findings.judge(SAID, WANTED) == []
    assert findings.judge({**SAID, "broker": RABBITMQ}, WANTED) == []


def test_every_rule_has_a_breach():
    assert {rule.id for rule in findings.RULES} == {rule for rule, _changes, _saw in BROKEN}


def test_pickle_can_be_wanted_and_a_foreign_queue_owned():
    said = changed({"settings.accept_content": ["pickle"], "tasks.shop.order.queue": "Q2"})
    assert findings.judge(said, findings.Wanted(WANTED.nodes, frozenset({"Q1", "Q2"}), True)) == []


def test_what_needs_a_running_application_does_not_refuse():
    fresh = {key: value for key, value in changed({"tasks.shop.order.queue": "Q2"}).items() if key != "nodes"}
    assert [finding.id for finding in findings.judge(fresh, WANTED, refusing=True)] == ["celery-queue-unowned"]


def test_what_the_program_said_is_found_among_the_applications_own_words():
    assert findings.heard('loading\nmark {"a": 1}\nbye\n', "mark ") == {"a": 1}
    assert findings.heard("Traceback", "mark ") is None
