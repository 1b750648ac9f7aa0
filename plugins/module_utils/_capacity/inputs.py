# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the user's dictionaries to the model: typed, with errors that name the variable and say what to write."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.constants import (
    APP_MEMORY,
    CELERY_CHILD,
    CPU_SHARE,
)
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError, nearest, refuse
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.model import (
    Application,
    CeleryApplication,
    CeleryNode,
    Demand,
    Host,
    LoadBalancer,
    Request,
    RuleException,
    SlowRoute,
    Value,
)

APPLICATIONS = "mod_wsgi_daemon_applications"
CELERY = "celery_multi_applications"
DEMAND_KEYS = (
    "workload", "cpu_share", "latency_ms", "target_p99_ms", "requests_per_second", "burst", "memory_mib", "thread_safe",
    "longest_request_s", "processes", "threads", "options",
)  # fmt: skip
APPLICATION_KEYS = (
    *DEMAND_KEYS,
    "name", "server_name", "server_aliases", "user", "group", "directory", "archive", "requirements", "wsgi_script",
    "environment", "secrets", "static", "mount_point", "slow_routes", "health_path", "python", "deploy", "hooks", "packages", "git",
    "static_max_age_s", "static_hashed", "media", "writable", "certificate", "certificate_key", "request_body_limit_mib",
    "pass_authorization", "chunked_requests", "memory_limit_mib", "recycle_interval_s", "recycle_requests",
)  # fmt: skip
ROUTE_KEYS = (*DEMAND_KEYS, "name", "path")
CELERY_KEYS = (
    "name", "user", "group", "directory", "virtualenv", "app", "broker_url", "environment", "secrets", "nodes",
    "visibility_timeout", "consumer_timeout", "beat", "pickle", "other_queues",
)  # fmt: skip
NODE_KEYS = (
    "name", "queues", "autoscale", "concurrency", "pool", "prefetch_multiplier", "time_limit", "soft_time_limit",
    "max_tasks_per_child", "max_memory_per_child_mib", "loglevel", "priority",
)  # fmt: skip
SLOTS = {"bluegreen": ("blue", "green"), "single": ("live",)}
"""The ways to deploy and the slots that each needs."""
POLICIES = ("headroom", "matched")
POOLS = ("prefork", "threads", "gevent", "eventlet", "solo")
PRIORITIES = ("high", "normal", "low")
LOGLEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "FATAL")
NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")


class Reader:
    """One of the user's dictionaries, with the path by which the user knows it."""

    def __init__(self, where: str, data: Any, keys: Iterable[str]) -> None:
        if not isinstance(data, Mapping):
            raise refuse(where, data, "it must be a dictionary", f"Write {where}: {{key: value}}.")
        known = tuple(keys)
        for key in data:
            if key not in known:
                raise CapacityError(f"{where}.{key} is not an option. {nearest(str(key), known)}")
        self.where = where
        self.data = data

    def path(self, key: str) -> str:
        """Return the path of one key as the user writes it."""
        return f"{self.where}.{key}"

    def number(self, key: str, default: float | None, low: float, high: float) -> float | None:
        """Read a number in a range; None when it is absent and has no default."""
        value = self.data.get(key)
        if value is None:
            return default
        hint = f"Write a number from {low:g} to {high:g}."
        if isinstance(value, bool):
            raise refuse(self.path(key), value, "it must be a number", hint)
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise refuse(self.path(key), value, "it must be a number", hint) from None
        if not low <= number <= high:
            raise refuse(self.path(key), number, f"it must be between {low:g} and {high:g}", hint)
        return number

    def whole(self, key: str, default: int | None, low: int, high: int) -> int | None:
        """Read a whole number in a range; None when it is absent and has no default."""
        number = self.number(key, default, low, high)
        if number is not None and number != int(number):
            raise refuse(self.path(key), number, "it must be a whole number", f"Write {int(number)} or {int(number) + 1}.")
        return None if number is None else int(number)

    def flag(self, key: str, default: bool) -> bool:
        """Read true or false."""
        value = self.data.get(key, default)
        if not isinstance(value, bool):
            raise refuse(self.path(key), value, "it must be true or false", "Write true or false without quotes.")
        return value

    def word(self, key: str, default: str | None, known: Sequence[str] | None = None) -> str:
        """Read a text; one of the known ones if they are given."""
        value = self.data.get(key, default)
        if not isinstance(value, str) or not value:
            raise refuse(self.path(key), value, "it must be a text", f"Write {self.path(key)}: something.")
        if known is not None and value not in known:
            raise refuse(self.path(key), value, "it is not one of the known words", nearest(value, known))
        return str(value)

    def name(self, key: str = "name") -> str:
        """Read a name that is safe in file names, unit names and directives."""
        value = self.word(key, None)
        if not NAME.fullmatch(value):
            raise refuse(
                self.path(key), value, "a name starts with a letter and has up to 31 of a-z, 0-9, _ and -",
                f"Write for example {re.sub('[^a-z0-9_-]', '-', value.lower()).lstrip('-0123456789_')[:31] or 'shop'}.",
            )  # fmt: skip
        return value

    def readers(self, key: str, keys: Iterable[str]) -> Iterator[Reader]:
        """Read a list of dictionaries."""
        return readers(self.path(key), self.data.get(key), keys)


def readers(where: str, items: Any, keys: Iterable[str]) -> Iterator[Reader]:
    """Give each dictionary of a list its path."""
    if items is None:
        return
    if isinstance(items, (str, Mapping)) or not isinstance(items, Sequence):
        raise refuse(where, items, "it must be a list of dictionaries", f"Write {where}: [{{...}}].")
    for index, item in enumerate(items):
        yield Reader(f"{where}[{index}]", item, keys)


def host(data: Any) -> Host:
    """Build the host from ``evenkeel_host``; keys the core does not use are left alone."""
    if not isinstance(data, Mapping) or "vcpus" not in data or "memory_mib" not in data:
        raise CapacityError(
            "evenkeel_host must be a dictionary with vcpus and memory_mib. "
            "Run the module evenkeel.wsgi.host_capacity_info and pass ansible_facts.evenkeel_host."
        )
    reader = Reader("evenkeel_host", data, data)
    texts = {key: None if data.get(key) is None else str(data[key]) for key in ("python", "apache", "mod_wsgi")}
    return Host(
        vcpus=reader.number("vcpus", 1, 0.05, 4096) or 1.0,
        memory_mib=reader.whole("memory_mib", 0, 64, 1 << 26) or 0,
        somaxconn=reader.whole("somaxconn", 4096, 0, 1 << 31) or 0,
        tcp_max_syn_backlog=reader.whole("tcp_max_syn_backlog", 512, 0, 1 << 31) or 0,
        swap_mib=reader.whole("swap_mib", 0, 0, 1 << 26) or 0,
        hostname=str(data.get("hostname") or ""),
        distribution=str(data.get("distribution") or ""),
        release=str(data.get("release") or ""),
        **texts,
    )


def demand(reader: Reader, base: Demand | None = None) -> Demand:
    """Read what requests need; a slow route inherits from its application's demand."""
    if "cpu_share" in reader.data and "workload" in reader.data:
        raise CapacityError(f"{reader.where} has both workload and cpu_share: they say the same. Write only cpu_share if you measured it, else only workload.")
    share = base.cpu_share if base else CPU_SHARE["mixed"]
    if "workload" in reader.data:
        share = CPU_SHARE[reader.word("workload", None, tuple(CPU_SHARE))]
    latency = reader.number("latency_ms", 1000.0 if base else 100.0, 0.1, 3600e3) or 0.0
    target = max(base.target_p99_ms, 4 * latency) if base else max(2000.0, 4 * latency)
    longest = max(base.longest_request_s, -int(-latency * 3 // 1000)) if base else max(30, -int(-latency * 3 // 1000))
    rate = reader.number("requests_per_second", None, 0, 1e6)
    found = Demand(
        cpu_share=reader.number("cpu_share", share, 0.001, 1.0) or share,
        latency_ms=latency,
        target_p99_ms=reader.number("target_p99_ms", target, 1, 3600e3) or target,
        requests_per_second=None if rate is None else rate * (reader.number("burst", 1.0, 1.0, 100.0) or 1.0),
        memory_mib=reader.whole("memory_mib", base.memory_mib if base else APP_MEMORY, 1, 1 << 20) or 1,
        thread_safe=reader.flag("thread_safe", base.thread_safe if base else True),
        longest_request_s=reader.whole("longest_request_s", longest, 1, 86400) or longest,
        processes=reader.whole("processes", None, 1, 10000),
        threads=reader.whole("threads", None, 1, 10000),
        options=options(reader),
    )
    if found.target_p99_ms < found.latency_ms:
        raise refuse(
            reader.path("target_p99_ms"), found.target_p99_ms, f"it is below the unloaded latency of {found.latency_ms:g} ms",
            f"Write at least {found.latency_ms:g}.",
        )  # fmt: skip
    if found.longest_request_s * 1000 < found.latency_ms:
        raise refuse(
            reader.path("longest_request_s"), found.longest_request_s, f"a usual request takes {found.latency_ms:g} ms",
            f"Write at least {-int(-found.latency_ms // 1000)}.",
        )  # fmt: skip
    return found


def options(reader: Reader) -> dict[str, Value]:
    """Read pinned WSGIDaemonProcess options; processes and threads have keys of their own."""
    found = reader.data.get("options") or {}
    if not isinstance(found, Mapping):
        raise refuse(reader.path("options"), found, "it must be a dictionary", "Write options: {listen-backlog: 50}.")
    for key, value in found.items():
        if key in ("processes", "threads"):
            raise refuse(f"{reader.path('options')}.{key}", value, "it has a key of its own", f"Write {reader.where}.{key}.")
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise refuse(f"{reader.path('options')}.{key}", value, "it must be a number or a text", "Quote On and Off.")
    return dict(found)


def application(reader: Reader) -> Application:
    """Read one WSGI application."""
    own = demand(reader)
    routes = tuple(SlowRoute(route.name(), route.word("path", None), demand(route, own)) for route in reader.readers("slow_routes", ROUTE_KEYS))
    slots = SLOTS[reader.word("deploy", "bluegreen", tuple(SLOTS))]
    return Application(reader.name(), reader.word("mount_point", "/"), own, routes, slots)


def daemon_groups(app: Application) -> Iterator[str]:
    """Name every daemon group of an application as Apache knows it, and without its slot as the plan does."""
    for name in (app.name, *(f"{app.name}-{route.name}" for route in app.slow_routes)):
        yield name
        yield from (f"{name}-{slot}" for slot in app.slots if slot != "live")


def celery_node(reader: Reader) -> CeleryNode:
    """Read one Celery node."""
    pool = reader.word("pool", "prefork", POOLS)
    queues = reader.data.get("queues")
    if isinstance(queues, str) or not isinstance(queues, Sequence) or not queues:
        raise refuse(reader.path("queues"), queues, "it must be a list of queue names", "Write queues: [Q1].")
    for queue in queues:
        if not isinstance(queue, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]*", queue):
            raise refuse(reader.path("queues"), queue, "a queue name has letters, digits and . _ : -", "Write for example Q1.")
    low, high, autoscale = pool_size(reader, pool)
    limit = reader.whole("time_limit", 3000, 1, 30 * 86400) or 3000
    soft = reader.whole("soft_time_limit", None, 1, 30 * 86400)
    if soft is not None and soft >= limit:
        raise refuse(
            reader.path("soft_time_limit"), soft, f"the hard time_limit of {limit} s ends the task before it can clean up",
            f"Write at most {limit - 1}, or raise time_limit.",
        )  # fmt: skip
    return CeleryNode(
        name=reader.name(), queues=tuple(str(queue) for queue in queues), low=low, high=high, autoscale=autoscale, pool=pool,
        prefetch_multiplier=int(reader.whole("prefetch_multiplier", 1, 1, 1000) or 1), time_limit=limit, soft_time_limit=soft,
        max_tasks_per_child=reader.whole("max_tasks_per_child", None, 1, 10**9),
        max_memory_per_child_mib=reader.whole("max_memory_per_child_mib", CELERY_CHILD, 16, 1 << 20) or CELERY_CHILD,
        loglevel=reader.word("loglevel", "INFO", LOGLEVELS), priority=reader.word("priority", "normal", PRIORITIES),
    )  # fmt: skip


def pool_size(reader: Reader, pool: str) -> tuple[int, int, bool]:
    """Read how many children a node has: at least, at most, and whether it scales between them."""
    scale = reader.data.get("autoscale")
    if scale is not None and "concurrency" in reader.data:
        raise CapacityError(f"{reader.where} has both autoscale and concurrency. Write only one of them.")
    if scale is None:
        count = reader.whole("concurrency", 1, 1, 10000) or 1
        if pool == "solo" and count > 1:
            raise refuse(reader.path("concurrency"), count, "the solo pool runs one task at a time", "Write 1, or pool: prefork.")
        return count, count, False
    if pool == "solo":
        raise refuse(reader.path("autoscale"), scale, "the solo pool cannot scale", "Remove it, or write pool: prefork.")
    bounds = Reader(reader.path("autoscale"), scale, ("max", "min"))
    high = bounds.whole("max", None, 1, 10000)
    low = bounds.whole("min", 1, 0, 10000) or 0
    if high is None:
        raise CapacityError(f"{bounds.path('max')} is missing. Write autoscale: {{max: 4, min: 1}}.")
    if low > high:
        raise refuse(bounds.where, f"max {high}, min {low}", "the minimum is above the maximum", f"Write max: {low}, min: {high}.")
    return low, high, True


def exception(reader: Reader) -> RuleException:
    """Read one exception to a rule."""
    expires = reader.data.get("expires")
    try:
        # YAML reads an unquoted 2027-01-31 as a date already.
        day = expires if isinstance(expires, datetime.date) else datetime.date.fromisoformat(str(expires))
    except ValueError:
        raise refuse(reader.path("expires"), expires, "it must be a date", 'Write for example "2027-01-31".') from None
    return RuleException(reader.word("rule", None), reader.word("reason", None), reader.word("owner", None), day.isoformat()[:10])


def read_exceptions(items: Any) -> tuple[RuleException, ...]:
    """Read the exceptions to rules."""
    return tuple(exception(reader) for reader in readers("exceptions", items, ("rule", "reason", "owner", "expires")))


def unique(where: str, kind: str, names: Iterable[str]) -> None:
    """Refuse a name that is used twice."""
    seen = set()
    for name in names:
        if name in seen:
            raise refuse(where, name, f"two {kind} have this name", "Give each a name of its own.")
        seen.add(name)


def request(
    host_facts: Any,
    applications: Any = None,
    celery: Any = None,
    load_balancer: Any = None,
    policy: Any = "headroom",
    directives: Any = None,
    exceptions: Any = None,
    reserved_memory_mib: Any = None,
) -> Request:
    """Build everything a plan is computed from; the filter's arguments, unchanged."""
    apps = tuple(application(reader) for reader in readers(APPLICATIONS, applications, APPLICATION_KEYS))
    unique(f"{APPLICATIONS}[].name", "daemon groups", (name for app in apps for name in daemon_groups(app)))
    nodes = tuple(
        CeleryApplication(
            reader.name(), tuple(celery_node(node) for node in reader.readers("nodes", NODE_KEYS)),
            str(reader.data.get("broker_url") or ""), reader.whole("visibility_timeout", None, 1, 90 * 86400),
            reader.whole("consumer_timeout", None, 1, 90 * 86400),
        )
        for reader in readers(CELERY, celery, CELERY_KEYS)
    )  # fmt: skip
    unique(f"{CELERY}[].nodes[].name", "nodes of this host", (node.name for app in nodes for node in app.nodes))
    balancer = Reader("load_balancer", load_balancer or {}, ("idle_timeout",))
    reserved = Reader("", {"reserved_memory_mib": reserved_memory_mib}, ("reserved_memory_mib",))
    reserved.where = "capacity_plan"
    pins = Reader("directives", directives or {}, directives or ())
    return Request(
        host=host(host_facts), applications=apps, celery=nodes,
        load_balancer=LoadBalancer(balancer.whole("idle_timeout", 60, 1, 4000) or 60),
        policy=Reader("capacity_plan", {"policy": policy}, ("policy",)).word("policy", None, POLICIES),
        directives=dict(pins.data),
        exceptions=read_exceptions(exceptions),
        reserved_memory_mib=reserved.whole("reserved_memory_mib", None, 0, 1 << 26),
    )  # fmt: skip
