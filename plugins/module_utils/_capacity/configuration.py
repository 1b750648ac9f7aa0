# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The normalised configuration that rules judge: a plan, or what a host really has.

Unknown is None, and a rule that needs it stays silent. A directive or option that is absent has the value compiled into
Apache or mod_wsgi, not the one of a distribution's file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.model import Value

APACHE_DEFAULTS: Mapping[str, Value] = {
    "ServerLimit": 16, "ThreadLimit": 64, "ThreadsPerChild": 25, "MaxRequestWorkers": 400, "StartServers": 3,
    "MinSpareThreads": 75, "MaxSpareThreads": 250, "AsyncRequestWorkerFactor": 2, "MaxConnectionsPerChild": 0,
    "ListenBacklog": 511, "KeepAliveTimeout": 5, "MaxKeepAliveRequests": 100, "Timeout": 60,
    "RequestReadTimeout": "header=20-40,MinRate=500 body=20,MinRate=500", "GracefulShutdownTimeout": 0,
}  # fmt: skip
WSGI_DEFAULTS: Mapping[str, Value] = {
    "processes": 1, "threads": 15, "startup-timeout": 0, "shutdown-timeout": 5, "deadlock-timeout": 300,
    "request-timeout": 0, "graceful-timeout": 15, "eviction-timeout": 0, "connect-timeout": 15, "socket-timeout": 0,
    "queue-timeout": 0, "maximum-requests": 0, "listen-backlog": 100,
}  # fmt: skip


@dataclass(frozen=True)
class Daemon:
    """One WSGIDaemonProcess: its options as written, and what is known of its requests."""

    name: str
    options: Mapping[str, Value]
    demand: Mapping[str, Any] = field(default_factory=dict)
    copies: int = 1
    """How many times it exists: 2 with blue and green."""

    def option(self, name: str) -> int:
        """Return a number, the default if it is absent."""
        return int(self.options.get(name, WSGI_DEFAULTS.get(name, 0)))

    @property
    def all_processes(self) -> int:
        """Its processes, with those that wait idle."""
        return self.copies * self.option("processes")

    @cached_property
    def slots(self) -> int:
        """Requests that the group works on at the same time."""
        return self.option("processes") * self.option("threads")

    def known(self, name: str) -> float | None:
        """Return a number of the demand, None if nobody said it."""
        value = self.demand.get(name)
        return None if value is None else float(value)


@dataclass(frozen=True)
class Node:
    """One Celery node: its options by their names in a plan."""

    name: str
    options: Mapping[str, Value]
    broker: str = ""

    def number(self, name: str) -> int | None:
        """Return a number, None if it is absent."""
        value = self.options.get(name)
        return None if value is None else int(value)

    @property
    def bounds(self) -> tuple[int, int]:
        """Maximum and minimum of the pool, in the order in which --autoscale has them."""
        if "autoscale" in self.options:
            high, _comma, low = str(self.options["autoscale"]).partition(",")
            return int(high), int(low or 0)
        count = int(self.options.get("concurrency", 1))
        return count, count


@dataclass(frozen=True)
class Configuration:
    """Everything that rules look at."""

    policy: str = "headroom"
    apache: Mapping[str, Value] = field(default_factory=dict)
    daemons: tuple[Daemon, ...] = ()
    nodes: tuple[Node, ...] = ()
    idle_timeout: float | None = None
    """The load balancer's; None when there is none or nobody knows."""
    vcpus: float | None = None
    memory_mib: int | None = None
    reserved_mib: int | None = None
    """Memory of the system and of other services."""
    mod_wsgi: str | None = None
    somaxconn: int | None = None
    syn_backlog: int | None = None
    unit: Mapping[str, Value] = field(default_factory=dict)
    """Apache's systemd unit."""

    def directive(self, name: str) -> int:
        """Return a directive's number, Apache's compiled-in one if it is absent."""
        return int(float(self.apache.get(name, APACHE_DEFAULTS[name])))

    @property
    def children(self) -> int:
        """Children that MaxRequestWorkers needs."""
        return -(-self.directive("MaxRequestWorkers") // max(1, self.directive("ThreadsPerChild")))

    @cached_property
    def slots(self) -> int:
        """Slots of all daemon groups."""
        return sum(daemon.slots for daemon in self.daemons)

    @cached_property
    def longest(self) -> float | None:
        """The slowest wanted request of all groups, seconds."""
        known = [value for value in (daemon.known("longest_request_s") for daemon in self.daemons) if value is not None]
        return max(known) if known else None


def plain(settings: Mapping[str, Value | Mapping[str, Value]] | None) -> dict[str, Value]:
    """Return names and values of settings, whether they are written with their reasons or bare."""
    found: dict[str, Value] = {}
    for name, setting in (settings or {}).items():
        found[str(name)] = setting["value"] if isinstance(setting, Mapping) else setting
    return found


def configuration(data: Any) -> Configuration:
    """Normalise a plan, or a dictionary of the same shape with bare values; every part may be missing."""
    if not isinstance(data, Mapping):
        raise CapacityError("a plan is a dictionary as evenkeel.wsgi.capacity_plan returns it. Pass the whole plan.")
    host = data.get("host") or {}
    kernel = plain(data.get("kernel"))
    reserved = [part["mib"] for part in data.get("budget") or () if part["item"] == "system"]
    return Configuration(
        policy=data.get("policy") or "headroom",
        apache=plain(data.get("apache")),
        daemons=tuple(
            Daemon(name, plain(group.get("options")), group.get("demand") or {}, int(group.get("copies", 1)))
            for name, group in (data.get("groups") or {}).items()
        ),
        nodes=tuple(Node(name, plain(node.get("options")), node.get("broker") or "") for name, node in (data.get("celery") or {}).items()),
        idle_timeout=(data.get("load_balancer") or {}).get("idle_timeout"),
        vcpus=host.get("vcpus"),
        memory_mib=host.get("memory_mib"),
        reserved_mib=reserved[0] if reserved else None,
        mod_wsgi=host.get("mod_wsgi"),
        somaxconn=_whole(kernel.get("net.core.somaxconn", host.get("somaxconn"))),
        syn_backlog=_whole(kernel.get("net.ipv4.tcp_max_syn_backlog", host.get("tcp_max_syn_backlog"))),
        unit=plain((data.get("systemd") or {}).get("apache2")),
    )


def _whole(value: Value | None) -> int | None:
    """Return a number that may be unknown."""
    return None if value is None else int(value)
