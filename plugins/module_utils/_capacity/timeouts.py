# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole chain of timeouts as one object: load balancer, Apache, mod_wsgi, systemd.

Each link must outlast the one it serves: a connection that Apache closes first becomes a 502 of the load balancer, and a stop that
comes before the slowest wanted request cuts it off. All values are whole seconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity import sources
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.model import Demand, LoadBalancer, Setting, Settings

KEEPALIVE_MARGIN = 5
SERVICE_P99 = 3
"""99th percentile of an unloaded request's time over its usual latency; used where only the latency is known."""
STOP_MARGIN = 15


@dataclass(frozen=True)
class DaemonTimeouts:
    """The timeouts of one daemon group."""

    longest: int
    queue: int
    request: int
    socket: int
    drain: int
    deadlock: int
    connect: int
    startup: int = 60


@dataclass(frozen=True)
class Chain:
    """Every timeout of one host's web side."""

    idle: int
    groups: Mapping[str, DaemonTimeouts]

    @property
    def longest(self) -> int:
        """The slowest wanted request of all groups."""
        return max((group.longest for group in self.groups.values()), default=30)

    @property
    def keepalive(self) -> int:
        """Apache must not close first."""
        return self.idle + KEEPALIVE_MARGIN

    @property
    def timeout(self) -> int:
        """Silence that Apache bears while it reads or writes."""
        return max(60, self.longest + KEEPALIVE_MARGIN)

    @property
    def graceful(self) -> int:
        """How long a graceful stop waits for running requests."""
        return max((group.drain + group.queue for group in self.groups.values()), default=30)

    @property
    def stop(self) -> int:
        """How long systemd waits for that."""
        return self.graceful + STOP_MARGIN

    def settings(self) -> Settings:
        """Say Apache's part in directives."""
        first = self.idle + KEEPALIVE_MARGIN
        return (
            Setting("KeepAliveTimeout", self.keepalive, "s",
                    f"longer than the load balancer's idle timeout of {self.idle} s, so that Apache never closes a connection "
                    "that the load balancer is about to use", sources.ALB),
            Setting("MaxKeepAliveRequests", 10000, "requests",
                    "the load balancer keeps its connections; a limit only forces new ones", sources.MODEL),
            Setting("Timeout", self.timeout, "s", f"not below the slowest wanted request of {self.longest} s", sources.CORE),
            Setting("RequestReadTimeout", f"header={first}-{first + 20},MinRate=500 body=20,MinRate=500", "s, bytes/s",
                    f"a load balancer opens connections ahead of requests; it may leave one unused for {self.idle} s before its "
                    "first header", sources.REQTIMEOUT),
            Setting("GracefulShutdownTimeout", self.graceful, "s",
                    "a stop waits for the slowest wanted request and its time in the queue, not for ever", sources.MPM),
        )  # fmt: skip


def daemon(demand: Demand, idle: int) -> DaemonTimeouts:
    """Derive one group's timeouts from what its requests need."""
    longest = demand.longest_request_s
    drain = longest + max(5, math.ceil(longest * 0.1))
    spare_ms = demand.target_p99_ms - SERVICE_P99 * demand.latency_ms
    queue = max(1, min(int(spare_ms // 1000), idle - longest - 1))
    return DaemonTimeouts(longest=longest, queue=queue, request=drain, socket=queue + drain + 5, drain=drain, deadlock=max(60, 2 * longest), connect=queue + 1)


def chain(groups: Mapping[str, Demand], balancer: LoadBalancer) -> Chain:
    """Build the chain of a host."""
    idle = balancer.idle_timeout
    return Chain(idle, {name: daemon(demand, idle) for name, demand in groups.items()})


def celery_limits(time_limit: int, soft: int | None) -> tuple[int, int]:
    """Return soft limit and stop time of a node: soft < hard < stop."""
    gap = max(1, min(60, time_limit // 10))
    return (soft if soft is not None else max(1, time_limit - gap)), time_limit + 30
