# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusals of inputs name the variable, the value, the reason and what to write."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity import inputs
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError

HOST = {"vcpus": 2, "memory_mib": 4096}
APP = "mod_wsgi_daemon_applications[0]"
NODE = "celery_multi_applications[0].nodes[0]"


def node(**options: Any) -> dict[str, Any]:
    return {"celery": [{"name": "shop", "nodes": [{"name": "default", "queues": ["Q1"], **options}]}]}


def app(**options: Any) -> dict[str, Any]:
    return {"applications": [{"name": "shop", **options}]}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (app(thread=4), [f"{APP}.thread is not an option", "Did you mean threads?"]),
        (app(threads=0), [f"{APP}.threads is 0", "from 1 to 10000"]),
        (app(threads=2.5), [f"{APP}.threads is 2.5", "whole number", "Write 2 or 3"]),
        (app(threads="many"), [f"{APP}.threads is 'many'", "must be a number"]),
        (app(threads=True), [f"{APP}.threads is True", "must be a number"]),
        (app(latency_ms=float("nan")), [f"{APP}.latency_ms is nan", "between 0.1 and"]),
        (app(thread_safe="no"), [f"{APP}.thread_safe is 'no'", "without quotes"]),
        (app(workload="mixd"), [f"{APP}.workload is 'mixd'", "Did you mean mixed?"]),
        (app(workload="io", cpu_share=0.1), ["both workload and cpu_share"]),
        (app(cpu_share=1.5), [f"{APP}.cpu_share is 1.5", "from 0.001 to 1"]),
        (app(latency_ms=500, target_p99_ms=200), [f"{APP}.target_p99_ms is 200", "at least 500"]),
        (app(latency_ms=5000, longest_request_s=2), [f"{APP}.longest_request_s is 2", "at least 5"]),
        (app(options={"threads": 3}), [f"{APP}.options.threads", f"Write {APP}.threads"]),
        (app(options={"lang": ["C"]}), [f"{APP}.options.lang", "number or a text"]),
        (app(options=[1]), [f"{APP}.options is [1]", "dictionary"]),
        (app(slow_routes={"name": "x"}), [f"{APP}.slow_routes", "list of dictionaries"]),
        (app(slow_routes=[{"name": "x"}]), [f"{APP}.slow_routes[0].path is None"]),
        ({"applications": [{"name": "Shop 1"}]}, [f"{APP}.name is 'Shop 1'", "Write for example shop-1"]),
        ({"applications": ["shop"]}, [f"{APP} is 'shop'", "dictionary"]),
        ({"applications": "shop"}, ["mod_wsgi_daemon_applications is 'shop'", "list"]),
        ({"applications": [{"name": "a"}, {"name": "a"}]}, ["two daemon groups have this name"]),
        ({"applications": [{"name": "a-b"}, {"name": "a", "slow_routes": [{"name": "b", "path": "/b"}]}]}, ["'a-b'", "two daemon groups"]),
        (node(queues="Q1"), [f"{NODE}.queues is 'Q1'", "queues: [Q1]"]),
        (node(queues=["a b"]), [f"{NODE}.queues is 'a b'"]),
        (node(autoscale={"max": 1, "min": 4}), [f"{NODE}.autoscale", "minimum is above", "Write max: 4, min: 1"]),
        (node(autoscale={"min": 4}), [f"{NODE}.autoscale.max is missing"]),
        (node(autoscale={"max": 4}, concurrency=2), ["both autoscale and concurrency"]),
        (node(pool="solo", concurrency=2), [f"{NODE}.concurrency is 2", "solo"]),
        (node(pool="solo", autoscale={"max": 2}), [f"{NODE}.autoscale", "cannot scale"]),
        (node(time_limit=60, soft_time_limit=60), [f"{NODE}.soft_time_limit is 60", "Write at most 59"]),
        (node(time_limt=60), [f"{NODE}.time_limt is not an option", "Did you mean time_limit?"]),
        ({"load_balancer": {"idle": 60}}, ["load_balancer.idle is not an option"]),
        ({"load_balancer": {"idle_timeout": 0}}, ["load_balancer.idle_timeout is 0"]),
        ({"policy": "match"}, ["capacity_plan.policy is 'match'", "Did you mean matched?"]),
        ({"reserved_memory_mib": -1}, ["capacity_plan.reserved_memory_mib is -1"]),
        ({"exceptions": [{"rule": "x", "reason": "r", "owner": "o", "expires": "soon"}]}, ["exceptions[0].expires is 'soon'", "2027-01-31"]),
    ],
)  # fmt: skip
def test_refusals(options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(CapacityError) as refusal:
        inputs.request(HOST, **options)
    for word in words:
        assert word in str(refusal.value)


@pytest.mark.parametrize("host", [None, {}, {"vcpus": 2}, "host"])
def test_a_host_without_facts_is_refused(host: Any) -> None:
    with pytest.raises(CapacityError, match="host_capacity_info"):
        inputs.request(host)


def test_numbers_may_come_as_text_from_the_command_line() -> None:
    assert inputs.request(HOST, **app(threads="4")).applications[0].demand.threads == 4


def test_a_route_inherits_from_its_application() -> None:
    found = inputs.request(HOST, **app(memory_mib=300, thread_safe=False, slow_routes=[{"name": "x", "path": "/x", "latency_ms": 20000}]))
    demand = found.applications[0].slow_routes[0].demand
    assert (demand.memory_mib, demand.thread_safe, demand.target_p99_ms, demand.longest_request_s) == (300, False, 80000, 60)


def test_the_burst_multiplies_the_rate() -> None:
    assert inputs.request(HOST, **app(requests_per_second=10, burst=3)).applications[0].demand.requests_per_second == 30
