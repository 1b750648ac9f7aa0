# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Daemon groups: options by version, pins, timeouts and the comparison."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity import inputs, plan
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.express import compare
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.mod_wsgi import known_options
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.timeouts import celery_limits


def options(version: Any = "5.0.2", balancer: Any = None, **app: Any) -> tuple[dict[str, Any], list[str]]:
    found = plan.make(inputs.request({"vcpus": 2, "memory_mib": 8192, "mod_wsgi": version}, [{"name": "shop", **app}], load_balancer=balancer)).as_dict()
    return {name: setting["value"] for name, setting in found["groups"]["shop"]["options"].items()}, found["warnings"]


@pytest.mark.parametrize(
    ("version", "has", "lacks"),
    [
        ("4.9.4", "newrelic-config-file", "switch-interval"),
        ("5.0.2", "newrelic-environment", "interrupt-timeout"),
        ("6.1.1", "switch-interval", "newrelic-config-file"),
        (None, "queue-timeout", "switch-interval"),
        (None, "queue-timeout", "newrelic-config-file"),
        ("unknown", "queue-timeout", "switch-interval"),
    ],
)
def test_options_by_version(version: Any, has: str, lacks: str) -> None:
    assert has in known_options(version) and lacks not in known_options(version)


@pytest.mark.parametrize("version", ["4.9.4", "5.0.2", "6.1.1", None])
def test_the_planners_options_are_valid_in_every_version(version: Any) -> None:
    assert set(options(version)[0]) <= set(known_options(None))


def test_an_option_that_the_version_lacks_is_dropped_with_a_note() -> None:
    found, warnings = options("5.0.2", options={"switch-interval": "0.001"})
    assert "switch-interval" not in found
    assert any("options.switch-interval was left out: mod_wsgi 5.0.2" in warning for warning in warnings)
    assert options("6.1.1", options={"switch-interval": "0.001"})[0]["switch-interval"] == "0.001"


def test_an_essential_option_that_the_version_lacks_is_refused() -> None:
    with pytest.raises(CapacityError, match="interrupt-timeout is 5: mod_wsgi 5.0.2 does not have it"):
        options("5.0.2", options={"interrupt-timeout": 5})


@pytest.mark.parametrize(
    ("pins", "words"),
    [
        ({"listen-baklog": 5}, "Did you mean listen-backlog?"),
        ({"listen-backlog": "many"}, "mod_wsgi wants a whole number"),
        ({"listen-backlog": -1}, "mod_wsgi refuses less than 0"),
        ({"header-buffer-size": 100}, "refuses less than 8192 bytes"),
        ({"shutdown-timeout": 5}, "drain-shorter-than-longest"),
        ({"request-timeout": 10}, "request-timeout-below-longest"),
    ],
)
def test_pinned_options_are_checked(pins: dict[str, Any], words: str) -> None:
    with pytest.raises(CapacityError, match=words):
        options(options=pins)


def test_an_application_that_is_not_thread_safe_has_processes_instead_of_threads() -> None:
    found, _warnings = options(thread_safe=False)
    assert (found["processes"], found["threads"]) == (16, 1)
    with pytest.raises(CapacityError, match="thread-unsafe-with-threads"):
        options(thread_safe=False, threads=4)


@pytest.mark.parametrize(
    ("app", "queue", "limit", "drain", "socket"),
    [
        ({}, 1, 35, 35, 41),
        ({"target_p99_ms": 10000}, 9, 35, 35, 49),
        ({"target_p99_ms": 60000}, 29, 35, 35, 69),  # bounded by the load balancer: 29 + 30 < 60
        ({"longest_request_s": 5}, 1, 10, 10, 16),
        ({"longest_request_s": 100}, 1, 110, 110, 116),
    ],
)
def test_timeouts(app: dict[str, Any], queue: int, limit: int, drain: int, socket: int) -> None:
    found, _warnings = options(**app)
    assert (found["queue-timeout"], found["request-timeout"], found["socket-timeout"]) == (queue, limit, socket)
    assert {found[name] for name in ("graceful-timeout", "eviction-timeout", "shutdown-timeout")} == {drain}


def test_a_request_longer_than_the_load_balancer_waits_is_said() -> None:
    assert any("request-timeout-not-below-lb" in warning for warning in options(longest_request_s=100)[1])
    assert not options(longest_request_s=100, balancer={"idle_timeout": 120})[1]


def test_the_chain_outlasts_the_load_balancer() -> None:
    found = plan.make(inputs.request({"vcpus": 2, "memory_mib": 8192}, [{"name": "shop"}], load_balancer={"idle_timeout": 120})).as_dict()
    assert found["apache"]["KeepAliveTimeout"]["value"] == 125
    assert found["apache"]["RequestReadTimeout"]["value"].startswith("header=125-145,")
    assert found["systemd"]["apache2"]["TimeoutStopSec"]["value"] > found["apache"]["GracefulShutdownTimeout"]["value"] >= 35


@pytest.mark.parametrize(("limit", "soft", "wanted"), [(3000, None, (2940, 3030)), (10, None, (9, 40)), (1, None, (1, 31)), (100, 50, (50, 130))])
def test_celery_limits(limit: int, soft: Any, wanted: tuple[int, int]) -> None:
    assert celery_limits(limit, soft) == wanted


@pytest.mark.parametrize(
    ("processes", "threads", "wanted"),
    [(1, 5, (20, 10, 2, 1)), (2, 15, (72, 18, 4, 1)), (3, 50, (247, 19, 13, 2))],
)
def test_mod_wsgi_express(processes: int, threads: int, wanted: tuple[int, ...]) -> None:
    found = compare(processes, threads)
    assert tuple(found[n].value for n in ("MaxRequestWorkers", "ThreadsPerChild", "ServerLimit", "StartServers")) == wanted
