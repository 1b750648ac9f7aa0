# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every rule: a configuration that breaks it is caught, and the planner's own is not."""

from __future__ import annotations

import copy
import datetime
from typing import Any

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity import inputs, plan, rules
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError

NODE = {"name": "default", "queues": ["Q1"], "autoscale": {"max": 4, "min": 1}, "time_limit": 3000}
HOST = {"vcpus": 2, "memory_mib": 8192, "mod_wsgi": "5.0.2"}
TODAY = datetime.date(2026, 6, 1)


def planned(**options: Any) -> dict[str, Any]:
    return plan.make(inputs.request(HOST, [{"name": "shop"}], [{"name": "shop", "nodes": [NODE]}], **options), TODAY).as_dict()


PLAN = planned()
MATCHED = planned(policy="matched")
BROKEN: list[tuple[str, dict[str, Any]]] = [
    # rule, what is changed in the plan: path -> bare value
    ("max-request-workers-not-multiple", {"apache.MaxRequestWorkers": 161}),
    ("max-request-workers-exceeds-server-limit", {"apache.ServerLimit": 1}),
    ("threads-per-child-exceeds-thread-limit", {"apache.ThreadLimit": 64}),
    ("thread-limit-excessive", {"apache.ThreadLimit": 1024}),
    ("server-limit-excessive", {"apache.ServerLimit": 1024}),
    ("start-servers-exceeds-capacity", {"apache.StartServers": 10}),
    ("start-servers-exceeds-max-spare", {"apache.MaxSpareThreads": 75, "apache.MinSpareThreads": 25}),
    ("spare-threads-not-multiple", {"apache.MaxSpareThreads": 90}),
    ("max-spare-threads-too-low", {"apache.MaxSpareThreads": 50}),
    ("pool-not-fixed", {"apache.MaxSpareThreads": 100}),
    ("scoreboard-no-headroom", {"apache.ServerLimit": 2}),
    ("few-large-children", {"apache.MaxConnectionsPerChild": 5000}),
    ("max-connections-per-child-low", {"apache.MaxConnectionsPerChild": 96}),
    ("keepalive-shorter-than-lb", {"apache.KeepAliveTimeout": 60}),
    ("reqtimeout-vs-lb-preconnect", {"apache.RequestReadTimeout": "header=20-40,MinRate=500"}),
    ("timeout-shorter-than-lb", {"apache.Timeout": 10}),
    ("lb-idle-timeout-excessive", {"load_balancer.idle_timeout": 1800}),
    ("keepalive-requests-unlimited", {"apache.MaxKeepAliveRequests": 0}),
    ("graceful-shutdown-too-short", {"apache.GracefulShutdownTimeout": 5}),
    ("frontend-smaller-than-daemons", {"groups.shop.options.threads": 100}),
    ("frontend-without-headroom", {"groups.shop.options.threads": 50}),
    ("daemon-queue-cannot-fill", {"groups.shop.options.listen-backlog": 170}),
    ("daemon-threads-too-high", {"groups.shop.options.threads": 26}),
    ("daemon-capacity-too-small", {"groups.shop.demand.requests_per_second": 1000}),
    ("processes-1-explicit", {"groups.shop.options.processes": 1}),
    ("thread-unsafe-with-threads", {"groups.shop.demand.thread_safe": False}),
    ("listen-backlog-raised", {"groups.shop.options.listen-backlog": 101}),
    ("daemon-backlog-above-somaxconn", {"groups.shop.options.listen-backlog": 5000}),
    ("queue-timeout-missing", {"groups.shop.options.queue-timeout": 0}),
    ("queue-timeout-not-below-lb", {"groups.shop.options.queue-timeout": 60}),
    ("request-timeout-missing", {"groups.shop.options.request-timeout": 0}),
    ("request-timeout-below-longest", {"groups.shop.options.request-timeout": 30}),
    ("request-timeout-not-below-lb", {"groups.shop.options.request-timeout": 60}),
    ("request-timeout-excessive", {"groups.shop.options.request-timeout": 3600}),
    ("drain-shorter-than-longest", {"groups.shop.options.shutdown-timeout": 5}),
    ("maximum-requests-low", {"groups.shop.options.maximum-requests": 5000}),
    ("socket-timeout-too-long", {"groups.shop.options.socket-timeout": 600}),
    ("socket-timeout-below-longest", {"groups.shop.options.socket-timeout": 20}),
    ("cpu-oversubscribed", {"groups.shop.options.processes": 20}),
    ("option-unknown-to-version", {"groups.shop.options.switch-interval": "0.001"}),
    ("celery-autoscale-reversed", {"celery.default.options.autoscale": "1,4"}),
    ("celery-soft-limit-not-below-hard", {"celery.default.options.soft_time_limit": 3000}),
    ("celery-stop-timeout-kills-tasks", {"celery.default.options.TimeoutStopSec": 90}),
    ("celery-visibility-timeout-redelivery", {"celery.default.options.visibility_timeout": 3000}),
    ("celery-consumer-timeout-redelivery", {"celery.default.options.consumer_timeout": 3000}),
    ("celery-memory-cap-too-low", {"celery.default.options.MemoryMax": 300}),
    ("celery-limits-not-enforced", {"celery.default.options.pool": "threads"}),
    ("celery-prefetch-high", {"celery.default.options.prefetch_multiplier": 4}),
    ("celery-loglevel-debug", {"celery.default.options.loglevel": "DEBUG"}),
    ("memory-overcommit", {"host.memory_mib": 1200}),
    ("unit-memory-too-low", {"systemd.apache2.MemoryMax": 200}),
    ("tasks-max-too-low", {"systemd.apache2.TasksMax": 60}),
    ("open-files-too-low", {"systemd.apache2.APACHE_ULIMIT_MAX_FILES": "ulimit -n 256"}),
    ("stop-timeout-too-short", {"systemd.apache2.TimeoutStopSec": 20}),
    ("listen-backlog-above-somaxconn", {"apache.ListenBacklog": 8192}),
    ("syn-backlog-below-listen-backlog", {"kernel.net.ipv4.tcp_max_syn_backlog": 128}),
]


def changed(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a plan with other numbers."""
    found = copy.deepcopy(base)
    for path, value in changes.items():
        keys = path.split(".") if not path.startswith("kernel.") else ["kernel", path[len("kernel.") :]]
        part = found
        for key in keys[:-1]:
            part = part[key]
        part[keys[-1]] = value
    return found


def broken(data: dict[str, Any]) -> set[str]:
    return {finding.rule.id for finding in rules.check(rules.configuration(data))}


@pytest.mark.parametrize(("rule", "changes"), BROKEN, ids=[rule for rule, _changes in BROKEN])
def test_a_breach_is_caught(rule: str, changes: dict[str, Any]) -> None:
    assert rule not in broken(PLAN)
    assert rule in broken(changed(PLAN, changes))


def test_matched_is_judged_as_matched() -> None:
    assert broken(MATCHED) == set()
    assert broken(changed(MATCHED, {"apache.MaxRequestWorkers": 320, "apache.ServerLimit": 40})) >= {"frontend-not-matched"}
    assert "frontend-without-headroom" in broken({**MATCHED, "policy": "headroom"})


def test_every_rule_has_a_test_and_an_id_of_its_own() -> None:
    ids = [rule.id for rule in rules.RULES]
    assert len(ids) == len(set(ids))
    assert {rule for rule, _changes in BROKEN} | {"frontend-not-matched"} == set(ids)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.id)
def test_a_rule_says_what_to_do_and_where_it_comes_from(rule: rules.Rule) -> None:
    assert rule.severity in ("error", "warning", "info")
    assert rule.sentence.endswith(".") and rule.instead.endswith(".") and rule.source and rule.topic


def test_an_unknown_number_breaks_nothing() -> None:
    assert not any(finding.rule.refuses for finding in rules.check(rules.configuration({})))


# ---- exceptions ----

PIN = {"directives": {"KeepAliveTimeout": 5}}
EXCEPTION = {"rule": "keepalive-shorter-than-lb", "reason": "no balancer yet", "owner": "ops", "expires": "2026-06-01"}


def test_a_pin_that_breaks_a_rule_is_refused() -> None:
    with pytest.raises(CapacityError, match="KeepAliveTimeout 5 is not above .* Raise KeepAliveTimeout"):
        planned(**PIN)


def test_an_exception_turns_the_refusal_into_a_warning() -> None:
    warnings = planned(**PIN, exceptions=[EXCEPTION])["warnings"]
    assert any("excepted until 2026-06-01 by ops (no balancer yet)" in warning for warning in warnings)


def test_an_expired_exception_refuses_again() -> None:
    with pytest.raises(CapacityError, match="The exception of ops expired on 2026-05-31"):
        planned(**PIN, exceptions=[{**EXCEPTION, "expires": datetime.date(2026, 5, 31)}])


def test_an_exception_that_nothing_needs_is_named() -> None:
    assert any("is not needed" in warning for warning in planned(exceptions=[EXCEPTION])["warnings"])


def test_an_exception_for_no_rule_is_refused() -> None:
    with pytest.raises(CapacityError, match=r"exceptions\[0\].rule 'keepalive-shorter-then-lb' .* keepalive-shorter-than-lb"):
        planned(exceptions=[{**EXCEPTION, "rule": "keepalive-shorter-then-lb"}])
