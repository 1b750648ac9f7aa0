# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apache's event MPM: from wanted concurrency to directives that agree with each other.

The pool is fixed: all children start at once and none is reaped, because a child that ends closes the idle keep-alive
connections of a load balancer under its requests. ThreadLimit equals ThreadsPerChild, so the scoreboard has ServerLimit x
ThreadsPerChild entries, of which MaxRequestWorkers are busy or idle while the pool is whole.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity import sources
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.constants import (
    LISTEN_BACKLOG,
    MAX_TPC,
    MIN_CHILDREN,
    MIN_TPC,
    SCOREBOARD_GENERATIONS,
)
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError, nearest, refuse
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.model import Setting, Settings, Value

SIZES = (
    "ServerLimit", "ThreadLimit", "ThreadsPerChild", "MaxRequestWorkers", "StartServers", "MinSpareThreads",
    "MaxSpareThreads", "AsyncRequestWorkerFactor", "MaxConnectionsPerChild", "ListenBacklog",
)  # fmt: skip
TIMES = ("KeepAliveTimeout", "MaxKeepAliveRequests", "Timeout", "RequestReadTimeout", "GracefulShutdownTimeout")
ZERO_ALLOWED = ("MaxConnectionsPerChild", "MaxKeepAliveRequests", "GracefulShutdownTimeout")
NO_PINS: Mapping[str, Value] = MappingProxyType({})
READ_TIMEOUT = re.compile(r"(handshake|header|body)=\d+(-\d+)?(,[Mm]in[Rr]ate=\d+)?")


@dataclass(frozen=True)
class Shape:
    """Children and threads of Apache."""

    children: int
    threads: int
    workers: int
    """MaxRequestWorkers; children x threads unless a pin says otherwise."""


def check_pins(pins: Mapping[str, Value]) -> dict[str, Value]:
    """Return the pinned directives with their types, or refuse the first wrong one."""
    found: dict[str, Value] = {}
    for name, value in pins.items():
        where = f"directives.{name}"
        if name not in SIZES + TIMES:
            raise CapacityError(f"{where} is not a directive of the plan. {nearest(str(name), SIZES + TIMES)}")
        if name == "RequestReadTimeout":
            words = str(value).split()
            if not words or not all(READ_TIMEOUT.fullmatch(word) for word in words):
                raise refuse(where, value, "it is not the argument of RequestReadTimeout", 'Write for example "header=65-85,MinRate=500 body=20,MinRate=500".')
            found[name] = " ".join(words)
            continue
        found[name] = _number(where, name, value)
    return found


def _number(where: str, name: str, value: Value) -> Value:
    """Return a pinned number, or refuse it."""
    low = 0 if name in ZERO_ALLOWED else 1
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise refuse(where, value, "it must be a number", f"Write a whole number from {low}.") from None
    if name == "AsyncRequestWorkerFactor":
        if isinstance(value, bool) or not 0 < number <= 100:
            raise refuse(where, value, "Apache wants a positive number", "Write 2.")
        return int(number) if number == int(number) else number
    if isinstance(value, bool) or number != int(number) or not low <= number <= 1 << 31:
        raise refuse(where, value, "it must be a whole number", f"Write a whole number from {low}.")
    return int(number)


def round_up(need: int) -> int:
    """Round workers up in steps that do not depend on the host, so that more need never gives fewer workers."""
    step = 16 if need <= 512 else 64 if need <= 2048 else 256
    return max(MIN_CHILDREN * MIN_TPC, -(-need // step) * step)


def _children(workers: int, vcpus: float) -> int | None:
    """Choose how many equal children make up the workers: about one per CPU; None if no number of them fits."""
    wanted = max(MIN_CHILDREN, math.ceil(vcpus))
    least = min(workers, MIN_TPC // 2)
    fitting = [count for count in range(1, workers // least + 1) if workers % count == 0 and least <= workers // count <= MAX_TPC]
    roomy = [count for count in fitting if count == MIN_CHILDREN or (count > MIN_CHILDREN and workers // count >= 2 * MIN_TPC)]
    # a pinned number may leave only small children, or a single one
    choice = roomy or [count for count in fitting if count > MIN_CHILDREN] or fitting
    return min(choice, key=lambda count: (abs(count - wanted), count), default=None)


def shape(need: int, *, vcpus: float = 2, pins: Mapping[str, Value] = NO_PINS, natural: Shape | None = None) -> Shape:
    """Find children and threads for the needed workers around what is pinned.

    :param natural: the shape to take when nothing is pinned and it covers the need (the article's 1:1)
    """
    if need < 1:
        raise refuse("concurrency", need, "it must be at least 1", "Write how many requests run at the same time.")
    pinned = {name: int(pins[name]) for name in ("ThreadsPerChild", "MaxRequestWorkers", "StartServers", "ServerLimit") if name in pins}
    threads, workers = pinned.get("ThreadsPerChild"), pinned.get("MaxRequestWorkers")
    children = pinned.get("StartServers")
    if children is None and "ServerLimit" in pinned:
        children = max(1, pinned["ServerLimit"] // SCOREBOARD_GENERATIONS)
    if threads is not None:
        if workers is None:
            workers = max(-(-need // threads), pinned.get("StartServers", MIN_CHILDREN)) * threads
        return Shape(max(1, workers // threads), threads, workers)
    if workers is not None:
        children = children if children and workers % children == 0 else _children(workers, vcpus)
        if children is None:
            raise refuse(
                "directives.MaxRequestWorkers", workers, f"no number of equal children of up to {MAX_TPC} threads makes it up",
                f"Write {round_up(workers)}.",
            )  # fmt: skip
        return Shape(children, workers // children, workers)
    if children is not None:
        threads = -(-need // children)
        return Shape(children, threads, children * threads)
    if natural is not None and natural.workers >= need:
        return natural
    workers = round_up(need)
    children = _children(workers, vcpus) or 1
    return Shape(children, workers // children, workers)


def settings(found: Shape, why: str, *, pins: Mapping[str, Value] = NO_PINS, source: str = sources.MODEL) -> Settings:
    """Say the shape in directives, in the order in which they are printed."""
    children, threads, workers = found.children, found.threads, found.workers
    spare = max(1, min(threads, workers // 4))
    computed = (
        Setting("ServerLimit", SCOREBOARD_GENERATIONS * children, "processes",
                f"{SCOREBOARD_GENERATIONS} x {children} children: after a reload those that still finish a download keep their place in the "
                "scoreboard, and without a free one no new child starts", sources.measured(13)),
        Setting("ThreadLimit", threads, "threads", "equal to ThreadsPerChild: more only makes the scoreboard longer", sources.MPM),
        Setting("ThreadsPerChild", threads, "threads",
                f"{workers} workers in {children} children, about one child per CPU", sources.MODEL),
        Setting("MaxRequestWorkers", workers, "requests", why, source),
        Setting("StartServers", children, "processes",
                f"fixed pool: all {children} children from the start", sources.measured(3)),
        Setting("MinSpareThreads", spare, "threads",
                "a lost child is replaced, and Apache logs AH10159, when fewer threads than this are idle", sources.EVENT),
        Setting("MaxSpareThreads", max(workers, spare + threads + 1), "threads",
                "fixed pool: no child is reaped, so none closes idle connections of the load balancer under a request", sources.measured(3)),
        Setting("AsyncRequestWorkerFactor", 2, "connections/thread",
                f"Apache's default: up to {3 * workers} connections while all workers are idle", sources.EVENT),
        Setting("MaxConnectionsPerChild", 0, "connections", "never: a child that ends drops its idle keep-alive connections", sources.measured(3)),
        Setting("ListenBacklog", LISTEN_BACKLOG, "connections",
                "the kernel drops what has no place: a burst of 1000 connections overflows 511, not 4096", sources.measured(5)),
    )  # fmt: skip
    return tuple(pin(setting, pins) for setting in computed)


def pin(setting: Setting, pins: Mapping[str, Value]) -> Setting:
    """Put the user's number in the place of the computed one and say what that one was."""
    if setting.name not in pins:
        return setting
    return Setting(setting.name, pins[setting.name], setting.unit, f"pinned; computed: {setting.value} ({setting.why})", sources.PIN)


def recommend(*, concurrency: int, threads_per_child: int | None = None, vcpus: float = 2) -> Settings:
    """Turn wanted concurrency into directives, without a plan around it."""
    pins: dict[str, Value] = {} if threads_per_child is None else check_pins({"ThreadsPerChild": threads_per_child})
    found = shape(concurrency, vcpus=vcpus, pins=pins)
    return settings(found, f"{concurrency} wanted, rounded up to {found.children} children x {found.threads} threads", pins=pins)
