# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner: known points, and what must hold on every host."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity import inputs, plan, rules
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HOST = {"vcpus": 2, "memory_mib": 23000, "python": "3.13", "mod_wsgi": "5.0.2"}
NODES = [
    {"name": "default", "queues": ["Q1"], "autoscale": {"max": 4, "min": 1}, "time_limit": 3000},
    {"name": "reports", "queues": ["Q2"], "autoscale": {"max": 4, "min": 1}, "time_limit": 3000},
    {"name": "others", "queues": ["Q3", "Q4"], "autoscale": {"max": 2, "min": 1}, "time_limit": 10000},
]


def make(host: dict[str, Any], **options: Any) -> dict[str, Any]:
    return plan.make(inputs.request(host, **options)).as_dict()


def values(part: dict[str, Any]) -> dict[str, Any]:
    return {name: setting["value"] for name, setting in part.items()}


def numbers(found: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(found["apache"][name]["value"] for name in names)


@pytest.mark.parametrize(
    ("vcpus", "memory", "app", "processes", "threads", "workers"),
    [
        (1, 1024, {}, 1, 8, 128),  # the small virtual machine
        (2, 23000, {}, 2, 8, 176),  # the test bed
        (4, 8192, {"workload": "cpu"}, 4, 2, 128),
        (4, 8192, {"workload": "io"}, 7, 25, 464),
        (4, 8192, {"cpu_share": 0.01}, 12, 64, 1984),
        (4, 8192, {"thread_safe": False}, 27, 1, 176),  # memory for 27 in each colour
        (4, 8192, {"thread_safe": False, "deploy": "single"}, 32, 1, 192),
        (4, 2048, {"memory_mib": 500}, 1, 8, 128),  # memory for one in each colour
        (4, 2048, {"memory_mib": 500, "deploy": "single"}, 2, 8, 176),  # memory for two
        (64, 262144, {}, 64, 8, 1344),
    ],
)
def test_known_points(vcpus: float, memory: int, app: dict[str, Any], processes: int, threads: int, workers: int) -> None:
    found = make({"vcpus": vcpus, "memory_mib": memory}, applications=[{"name": "shop", **app}])
    options = values(found["groups"]["shop"]["options"])
    assert (options.get("processes", 1), options["threads"]) == (processes, threads)
    assert found["apache"]["MaxRequestWorkers"]["value"] == workers


def test_the_articles_fixed_example() -> None:
    app = {"name": "myapp", "processes": 3, "threads": 50}
    found = make(HOST, applications=[app], policy="matched", directives={"ThreadsPerChild": 50})
    assert numbers(found, "StartServers", "ThreadsPerChild", "MaxRequestWorkers") == (3, 50, 150)
    assert values(found["groups"]["myapp"]["options"])["processes"] == 3
    assert values(found["groups"]["myapp"]["options"])["threads"] == 50
    assert numbers(make(HOST, applications=[app], policy="matched"), "StartServers", "ThreadsPerChild", "MaxRequestWorkers") == (3, 50, 150)
    assert sum("trades away" in warning for warning in found["warnings"]) == 2


@pytest.mark.parametrize("policy", ["matched", "headroom"])
def test_the_articles_bad_example_is_refused(policy: str) -> None:
    with pytest.raises(CapacityError, match="MaxRequestWorkers 75 is below the 150 slots .* must be at least 150"):
        make(HOST, applications=[{"name": "a", "processes": 3, "threads": 50}], policy=policy, directives={"MaxRequestWorkers": 75})


def test_the_articles_celery_nodes() -> None:
    found = make(HOST, celery=[{"name": "shop", "nodes": NODES, "broker_url": "redis://:secret@127.0.0.1/0"}])
    assert {name: values(node["options"])["autoscale"] for name, node in found["celery"].items()} == {
        "default": "4,1", "reports": "4,1", "others": "2,1"}  # fmt: skip
    others = values(found["celery"]["others"]["options"])
    assert others["queues"] == "Q3,Q4"
    assert others["soft_time_limit"] < others["time_limit"] < others["TimeoutStopSec"] < others["visibility_timeout"]
    assert "secret" not in json.dumps(found)


def test_rabbitmq_has_a_consumer_timeout_instead() -> None:
    shop = {"name": "shop", "nodes": NODES, "broker_url": "amqp://guest@127.0.0.1//"}
    others = values(make(HOST, celery=[shop])["celery"]["others"]["options"])
    assert "visibility_timeout" not in others and others["consumer_timeout"] > 2 * others["time_limit"], "it takes from two queues"
    with pytest.raises(CapacityError, match="others may hold a message for 20000 s, RabbitMQ closes its channel after 12000 s"):
        make(HOST, celery=[{**shop, "consumer_timeout": 12000}])


def test_a_visibility_timeout_below_a_time_limit_is_refused() -> None:
    with pytest.raises(CapacityError, match="others may hold a message for 10000 s, the broker hands it out again after 3600 s"):
        make(HOST, celery=[{"name": "shop", "nodes": NODES, "visibility_timeout": 3600}])


def test_a_plan_that_does_not_fit_shows_the_table_and_what_to_change() -> None:
    with pytest.raises(CapacityError) as refusal:
        make({"vcpus": 1, "memory_mib": 1024}, applications=[{"name": "shop"}], celery=[{"name": "shop", "nodes": NODES}])
    text = str(refusal.value)
    assert "celery reports" in text and "group shop" in text and "the host has 1024 MiB" in text
    enough = int(text.partition("Give the host about ")[2].partition(" MiB")[0])
    assert "autoscale.max" in text
    make({"vcpus": 1, "memory_mib": enough}, applications=[{"name": "shop"}], celery=[{"name": "shop", "nodes": NODES}])


def test_one_process_is_not_written_out() -> None:
    group = make({"vcpus": 1, "memory_mib": 1024}, applications=[{"name": "shop"}])["groups"]["shop"]
    assert "processes" not in group["options"] and group["multiprocess"] is False and group["slots"] == 8


def test_a_slow_route_has_a_group_of_its_own() -> None:
    route = {"name": "reports", "path": "/reports", "latency_ms": 3000, "requests_per_second": 2, "workload": "io"}
    found = make(HOST, applications=[{"name": "shop", "slow_routes": [route]}])
    assert list(found["groups"]) == ["shop", "shop-reports"]
    assert found["groups"]["shop-reports"]["path"] == "/reports"
    assert found["groups"]["shop-reports"]["slots"] >= 2 * 3 * 1.3


def test_the_kernel_is_never_lowered_and_the_plan_is_made_for_what_it_will_be() -> None:
    low = make({**HOST, "somaxconn": 128, "tcp_max_syn_backlog": 128})
    assert values(low["kernel"]) == {"net.core.somaxconn": 4096, "net.ipv4.tcp_max_syn_backlog": 4096}
    assert "the host has 128" in low["kernel"]["net.core.somaxconn"]["why"]
    assert low["apache"]["ListenBacklog"]["value"] == 4096
    assert values(make({**HOST, "somaxconn": 65535})["kernel"])["net.core.somaxconn"] == 65535


def test_a_host_without_applications_serves_static_files() -> None:
    found = make(HOST)
    assert found["apache"]["MaxRequestWorkers"]["value"] >= 150 and found["groups"] == {}


def test_a_pin_is_kept_and_the_rest_computed_around_it() -> None:
    found = make(HOST, applications=[{"name": "shop", "processes": 4, "options": {"listen-backlog": 200}}], directives={"ThreadsPerChild": 25})
    assert found["apache"]["ThreadsPerChild"]["value"] == 25
    assert found["apache"]["MaxRequestWorkers"]["value"] % 25 == 0
    assert found["apache"]["MaxRequestWorkers"]["value"] >= 4 * 8 + 200 + 16
    assert "pinned; computed:" in found["apache"]["ThreadsPerChild"]["why"]
    assert any("listen-backlog-raised" in warning for warning in found["warnings"])


def test_a_rate_beyond_the_host_is_said() -> None:
    found = make(HOST, applications=[{"name": "shop", "requests_per_second": 1000}])
    assert any("1000 requests/s are wanted" in warning for warning in found["warnings"])


def test_mod_wsgi_express_is_there_to_compare() -> None:
    app = {"name": "shop", "processes": 2, "threads": 15}
    express = values(make(HOST, applications=[app])["compare"]["mod_wsgi_express"]["shop"])
    assert (express["MaxRequestWorkers"], express["ServerLimit"], express["queue-timeout"]) == (72, 4, 45)


# ---- what must hold on every host ----

NUMBERS = {"max_value": 2000, "min_value": 5}
applications = st.lists(
    st.fixed_dictionaries(
        {"memory_mib": st.sampled_from([30, 60, 120, 150, 400, 2000])},
        optional={
            "cpu_share": st.sampled_from([0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.33, 0.5, 0.9, 1.0]),
            "latency_ms": st.integers(**NUMBERS),
            "requests_per_second": st.sampled_from([0, 0.5, 3, 20, 100, 700]),
            "burst": st.sampled_from([1, 1.5, 3]),
            "thread_safe": st.booleans(),
            "slow_routes": st.just([{"name": "slow", "path": "/slow", "latency_ms": 3000, "requests_per_second": 1}]),
        },
    ),
    min_size=1,
    max_size=20,
).map(lambda apps: [{"name": f"app{index}", **app} for index, app in enumerate(apps)])
vcpus = st.sampled_from([0.5, 1, 1.5, 2, 3, 4, 6, 8, 16, 24, 48, 96, 128])
memories = st.sampled_from([512, 768, 1024, 2048, 3000, 4096, 8192, 23000, 65536, 262144, 1048576])
celery = st.sampled_from([[], [{"name": "shop", "nodes": NODES}]])
policies = st.sampled_from(["headroom", "matched"])
pins = st.sampled_from([{}, {}, {}, {"ThreadsPerChild": 25}, {"ThreadsPerChild": 50}, {"ThreadsPerChild": 7}, {"KeepAliveTimeout": 90}])
grid = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def attempt(host: dict[str, Any], **options: Any) -> dict[str, Any] | None:
    """Return the plan, or None where it is refused for want of memory in words that help."""
    try:
        return make(host, **options)
    except CapacityError as refusal:
        assert "does not fit" in str(refusal) and "Give the host about" in str(refusal), refusal
        return None


@grid
@given(vcpus, memories, applications, celery, policies, pins)
def test_every_rule_holds_and_memory_is_never_exceeded(
    cpus: float, memory: int, apps: list[Any], nodes: list[Any], policy: str, directives: dict[str, Any]
) -> None:
    found = attempt({"vcpus": cpus, "memory_mib": memory}, applications=apps, celery=nodes, policy=policy, directives=directives)
    if found is None:
        return
    broken = {finding.rule.id for finding in rules.check(rules.configuration(found))}
    if any("requests/s are wanted" in warning for warning in found["warnings"]):
        broken.discard("daemon-capacity-too-small")  # the host is too small for the stated rate, and the plan says so
    assert broken == set()
    assert sum(part["mib"] for part in found["budget"]) == memory
    assert all(part["mib"] >= 0 for part in found["budget"]), found["budget"]
    children, threads, workers = numbers(found, "StartServers", "ThreadsPerChild", "MaxRequestWorkers")
    assert workers == children * threads
    assert json.loads(json.dumps(found)) == found
    for part in (found["apache"], found["kernel"], found["prediction"], *(group["options"] for group in found["groups"].values())):
        assert all({"value", "unit", "why", "source"} == set(setting) and setting["why"] for setting in part.values())


@grid
@given(vcpus, vcpus, memories, memories, applications, celery, policies, pins)
def test_a_bigger_host_never_gets_a_smaller_plan(
    cpus: float, more_cpus: float, memory: int, more_memory: int, apps: list[Any], nodes: list[Any], policy: str, directives: dict[str, Any]
) -> None:
    options = {"applications": apps, "celery": nodes, "policy": policy, "directives": directives}
    small = attempt({"vcpus": min(cpus, more_cpus), "memory_mib": min(memory, more_memory)}, **options)
    big = attempt({"vcpus": max(cpus, more_cpus), "memory_mib": max(memory, more_memory)}, **options)
    if small is None:
        return
    assert big is not None
    assert big["apache"]["MaxRequestWorkers"]["value"] >= small["apache"]["MaxRequestWorkers"]["value"]
    for name, group in small["groups"].items():
        assert big["groups"][name]["slots"] >= group["slots"], name


@grid
@given(vcpus, memories, applications)
def test_the_same_input_gives_the_same_plan(cpus: float, memory: int, apps: list[Any]) -> None:
    host = {"vcpus": cpus, "memory_mib": memory}
    assert json.dumps(attempt(host, applications=apps)) == json.dumps(attempt(host, applications=apps))


def test_the_idle_colour_counts_in_memory_and_tasks_and_not_in_slots() -> None:
    single, both = (make(HOST, applications=[{"name": "shop", "deploy": deploy}]) for deploy in ("single", "bluegreen"))
    memory = [{part["item"]: part["mib"] for part in found["budget"]}["group shop"] for found in (single, both)]
    assert memory[1] == pytest.approx(2 * memory[0], abs=1)
    assert single["groups"]["shop"]["slots"] == both["groups"]["shop"]["slots"]
    assert both["systemd"]["apache2"]["TasksMax"]["value"] > single["systemd"]["apache2"]["TasksMax"]["value"]
    assert "2 colours x " in json.dumps(both["budget"])


def test_a_colour_is_no_name_for_a_slow_route() -> None:
    with pytest.raises(CapacityError, match="shop-blue"):
        make(HOST, applications=[{"name": "shop", "slow_routes": [{"name": "blue", "path": "/blue"}]}])
