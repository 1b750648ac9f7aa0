# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event MPM's directives agree with each other."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.event_mpm import SIZES, Shape, check_pins, recommend, round_up, shape
from hypothesis import given
from hypothesis import strategies as st


def values(concurrency: int, **options: Any) -> dict[str, Any]:
    return {setting.name: setting.value for setting in recommend(concurrency=concurrency, **options)}


@pytest.mark.parametrize(
    ("concurrency", "threads", "children", "workers"),
    [(1, None, 2, 32), (32, None, 2, 32), (33, None, 2, 48), (150, 50, 3, 150), (151, 50, 4, 200), (1, 25, 2, 50), (600, None, 4, 640)],
)
def test_known_points(concurrency: int, threads: Any, children: int, workers: int) -> None:
    found = values(concurrency=concurrency, threads_per_child=threads)
    assert (found["StartServers"], found["MaxRequestWorkers"]) == (children, workers)


@given(st.integers(1, 5000), st.none() | st.integers(1, 300), st.floats(0.1, 128))
def test_the_numbers_agree(concurrency: int, threads: Any, vcpus: float) -> None:
    found = values(concurrency=concurrency, threads_per_child=threads, vcpus=vcpus)
    assert tuple(found) == SIZES
    assert found["MaxRequestWorkers"] == found["StartServers"] * found["ThreadsPerChild"] >= concurrency
    assert found["ServerLimit"] == 2 * found["StartServers"] >= 4
    assert found["ThreadLimit"] == found["ThreadsPerChild"]
    assert found["MaxSpareThreads"] >= max(found["MaxRequestWorkers"], found["MinSpareThreads"] + found["ThreadsPerChild"] + 1)
    assert 1 <= found["MinSpareThreads"] <= found["MaxRequestWorkers"] // 2


@given(st.integers(1, 20000))
def test_rounding_is_bounded_and_monotone(need: int) -> None:
    assert need <= round_up(need) <= round_up(need + 1)
    assert round_up(need) <= 1.125 * need + 32


@pytest.mark.parametrize(
    ("pins", "wanted"),
    [
        ({"MaxRequestWorkers": 75}, Shape(3, 25, 75)),
        ({"ThreadsPerChild": 50}, Shape(4, 50, 200)),
        ({"ThreadsPerChild": 50, "MaxRequestWorkers": 75}, Shape(1, 50, 75)),
        ({"StartServers": 3}, Shape(3, 54, 162)),
        ({"ServerLimit": 8}, Shape(4, 40, 160)),
        ({"StartServers": 3, "ThreadsPerChild": 100}, Shape(3, 100, 300)),
    ],
)
def test_pins(pins: dict[str, Any], wanted: Shape) -> None:
    assert shape(160, vcpus=2.5, pins=pins) == wanted


@pytest.mark.parametrize(
    ("pins", "words"),
    [
        ({"MaxClients": 5}, "directives.MaxClients is not a directive"),
        ({"ThreadPerChild": 5}, "Did you mean ThreadsPerChild?"),
        ({"ThreadsPerChild": 0}, "whole number from 1"),
        ({"ThreadsPerChild": "25 "}, None),
        ({"ThreadsPerChild": True}, "whole number"),
        ({"AsyncRequestWorkerFactor": 0}, "Apache wants a positive number"),
        ({"KeepAliveTimeout": "65\nLoadModule x"}, "must be a number"),
        ({"RequestReadTimeout": "header=5\nLoadModule x"}, "not the argument of RequestReadTimeout"),
    ],
)
def test_pins_are_checked(pins: dict[str, Any], words: Any) -> None:
    if words is None:
        assert check_pins(pins) == {"ThreadsPerChild": 25}
        return
    with pytest.raises(CapacityError, match=words):
        check_pins(pins)


def test_workers_without_equal_children_are_refused() -> None:
    with pytest.raises(CapacityError, match="MaxRequestWorkers is 509: .* Write 512"):
        shape(100, pins={"MaxRequestWorkers": 509})
