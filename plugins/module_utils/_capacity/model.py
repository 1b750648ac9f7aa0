# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the capacity model: what goes in, and the Setting of which a plan is made.

All of them are frozen. Memory is in MiB, times of requests in milliseconds, timeouts in whole seconds, as the programs
that are configured count them. ``inputs`` builds the input classes from a user's dictionaries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union

Value = Union[int, float, str]


@dataclass(frozen=True)
class Setting:
    """One number of the plan together with its unit, its reason and where that reason comes from."""

    name: str
    value: Value
    unit: str
    why: str
    source: str

    def as_dict(self) -> dict[str, Any]:
        """Return the setting without its name, which is its key in a plan."""
        return {"value": self.value, "unit": self.unit, "why": self.why, "source": self.source}


Settings = tuple[Setting, ...]


@dataclass(frozen=True)
class Host:
    """What a host has, as the cgroup limits allow it (the dictionary ``evenkeel_host``)."""

    vcpus: float
    memory_mib: int
    somaxconn: int = 4096
    tcp_max_syn_backlog: int = 512
    swap_mib: int = 0
    python: str | None = None
    apache: str | None = None
    mod_wsgi: str | None = None
    hostname: str = ""
    distribution: str = ""
    release: str = ""


@dataclass(frozen=True)
class Demand:
    """What requests of one kind need, and the numbers that the user pinned for them."""

    cpu_share: float
    """CPU time / unloaded time of a request, 0 < f <= 1."""
    latency_ms: float
    target_p99_ms: float
    requests_per_second: float | None
    """Peak rate, the burst multiplier already in it; None when the user did not say."""
    memory_mib: int
    """Memory of one daemon process with one thread."""
    thread_safe: bool
    longest_request_s: int
    processes: int | None = None
    threads: int | None = None
    options: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class SlowRoute:
    """Requests below one path that get a daemon group of their own."""

    name: str
    path: str
    demand: Demand


@dataclass(frozen=True)
class Application:
    """One WSGI application."""

    name: str
    path: str
    demand: Demand
    slow_routes: tuple[SlowRoute, ...] = ()
    slots: tuple[str, ...] = ("live",)
    """Every group exists once for each slot; the second one waits, loaded, for the next release or for the way back."""


@dataclass(frozen=True)
class CeleryNode:
    """One named Celery worker."""

    name: str
    queues: tuple[str, ...]
    low: int
    """Pool children (or threads) when idle."""
    high: int
    """Pool children (or threads) under load."""
    autoscale: bool
    pool: str
    prefetch_multiplier: int
    time_limit: int
    soft_time_limit: int | None
    max_tasks_per_child: int | None
    max_memory_per_child_mib: int
    loglevel: str
    priority: str = "normal"
    """high, normal or low: who gets the CPU when there is not enough."""


@dataclass(frozen=True)
class CeleryApplication:
    """The nodes of one application; they share a broker and so a visibility timeout."""

    name: str
    nodes: tuple[CeleryNode, ...]
    broker_url: str = ""
    visibility_timeout: int | None = None
    consumer_timeout: int | None = None

    @property
    def broker(self) -> str:
        """The kind of the broker, such as redis or amqp, empty when nobody said it; never its URL, which may hold a password."""
        return self.broker_url.partition("://")[0].partition("+")[0]


@dataclass(frozen=True)
class LoadBalancer:
    """The load balancer in front of Apache."""

    idle_timeout: int = 60
    """Seconds without a byte after which it closes a connection (AWS: ``idle_timeout.timeout_seconds``)."""


@dataclass(frozen=True)
class RuleException:
    """A rule that may be broken: by whom, why, and until when (ISO date)."""

    rule: str
    reason: str
    owner: str
    expires: str


@dataclass(frozen=True)
class Request:
    """Everything a plan is computed from."""

    host: Host
    applications: tuple[Application, ...] = ()
    celery: tuple[CeleryApplication, ...] = ()
    load_balancer: LoadBalancer = LoadBalancer()
    policy: str = "headroom"
    directives: Mapping[str, Value] = field(default_factory=dict)
    exceptions: tuple[RuleException, ...] = ()
    reserved_memory_mib: int | None = None


@dataclass(frozen=True)
class Group:
    """One daemon group with its size, before and after its timeouts are known."""

    name: str
    application: str
    path: str
    demand: Demand
    processes: int
    threads: int
    limited_by: str
    """Why there are not more slots: cpu, memory, slots (the model's upper bounds) or pin."""
    why_processes: str
    why_threads: str
    copies: int = 1
    """How many times its processes exist: 2 with blue and green, of which one gets the requests."""

    @property
    def slots(self) -> int:
        """Requests that the group works on at the same time."""
        return self.processes * self.threads


@dataclass(frozen=True)
class Plan:
    """The whole plan of one host, as plain data in the order in which it is printed."""

    data: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as the filter returns it."""
        return dict(self.data)
