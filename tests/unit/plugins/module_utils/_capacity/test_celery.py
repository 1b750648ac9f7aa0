# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Celery nodes: memory, visibility timeout and the command line."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity import celery, inputs
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError


def application(*nodes: dict[str, Any], **options: Any) -> Any:
    listed = [{"name": f"n{index}", "queues": ["Q1"], **node} for index, node in enumerate(nodes)]
    request = inputs.request({"vcpus": 1, "memory_mib": 4096}, celery=[{"name": "shop", "nodes": listed, **options}])
    return request.celery[0]


@pytest.mark.parametrize(
    ("node", "mib"),
    [
        ({"autoscale": {"max": 4, "min": 1}}, 805),
        ({"concurrency": 2, "max_memory_per_child_mib": 300}, 805),
        ({"concurrency": 50, "pool": "threads"}, 288),
    ],
)
def test_memory_counts_all_children(node: dict[str, Any], mib: int) -> None:
    assert celery.memory(application(node).nodes[0]) == mib


AMQP = {"broker_url": "amqp://u:p@h/v"}


@pytest.mark.parametrize(
    ("nodes", "options", "name", "seconds"),
    [
        ([{"time_limit": 60}], {}, "visibility_timeout", 3600),
        ([{"time_limit": 3000}, {"time_limit": 10000}], {}, "visibility_timeout", 12000),
        ([{"time_limit": 3000, "prefetch_multiplier": 4}], {}, "visibility_timeout", 14400),
        ([{"time_limit": 60}], {"visibility_timeout": 7200}, "visibility_timeout", 7200),
        ([{"time_limit": 60}], AMQP, "consumer_timeout", 1800),
        ([{"time_limit": 3000}], AMQP, "consumer_timeout", 3600),
        ([{"time_limit": 3000, "queues": ["Q1", "Q2"]}], AMQP, "consumer_timeout", 7200),
        ([{"time_limit": 60}], {**AMQP, "consumer_timeout": 7200, "visibility_timeout": 5}, "consumer_timeout", 7200),
    ],
)
def test_the_broker_waits_longer_than_any_task(nodes: list[dict[str, Any]], options: dict[str, Any], name: str, seconds: int) -> None:
    again = celery.redelivery(application(*nodes, **options))
    assert again and (again.name, again.value) == (name, seconds)


def test_a_broker_without_a_clock_has_no_such_number() -> None:
    assert celery.redelivery(application({}, broker_url="pyro://h/0")) is None


def test_limits_only_where_the_pool_has_them() -> None:
    options = celery.options(application({"pool": "gevent", "concurrency": 100}).nodes[0], None)
    assert "max_memory_per_child" not in options and "soft_time_limit" not in options


def test_the_worker_line() -> None:
    node = application({"queues": ["Q3", "Q4"], "autoscale": {"max": 2, "min": 1}, "time_limit": 10000, "max_tasks_per_child": 500}).nodes[0]
    plain = {name: setting.value for name, setting in celery.options(node, None).items()}
    assert celery.arguments("others", plain) == [
        "-Q", "Q3,Q4", "--pool=prefork", "--autoscale=2,1", "--prefetch-multiplier=1", "--time-limit=10000", "--soft-time-limit=9940",
        "--max-tasks-per-child=500", "--max-memory-per-child=153600", "--loglevel=INFO",
    ]  # fmt: skip


def test_the_articles_multi_line() -> None:
    words = celery.arguments("default", {"queues": ["Q1"], "autoscale": "4,1", "time_limit": {"value": 3000}}, multi=True)
    assert words == ["-Q:default", "Q1", "--autoscale:default=4,1", "--time-limit:default=3000"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"queue": "Q1"}, "default.queue is not a setting of a Celery node. Did you mean queues?"),
        ({"queues": "Q1 -A evil"}, "not a plain word"),
        ({"queues": "Q1\n"}, "not a plain word"),
        ({"queues": "%n"}, "not a plain word"),
        ({"queues": ""}, "not a plain word"),
        ({"loglevel": "$(id)"}, "not a plain word"),
    ],
)
def test_refusals(options: dict[str, Any], words: str) -> None:
    with pytest.raises(CapacityError, match=words):
        celery.arguments("default", options)


@pytest.mark.parametrize(("priority", "found"), [("low", (10, 25)), ("high", (-5, 400)), ("normal", None)])
def test_priority_is_nice_and_weight(priority: str, found: tuple[int, int] | None) -> None:
    options = celery.options(application({"priority": priority}).nodes[0], None)
    assert (tuple(options[name].value for name in ("Nice", "CPUWeight")) if "Nice" in options else None) == found
    assert not any("ice" in word for word in celery.arguments("n0", {name: setting.value for name, setting in options.items()}))
