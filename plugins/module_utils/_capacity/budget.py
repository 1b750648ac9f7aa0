# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How one host is divided: memory and CPU among the system, Apache, every daemon group and every Celery node.

The split is monotone: with the same applications a host with more CPUs or more memory never gets a smaller plan. For that
the threads of a process depend on the application alone, the wanted processes on the CPUs alone, and each group's part of the
memory on the memory alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity import celery, mod_wsgi
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.constants import (
    APACHE_BASE,
    APACHE_CHILD,
    APACHE_WORKER,
    DEMAND_MARGIN,
    HEADROOM,
    LIBPYTHON_FACTOR,
    LIBPYTHON_FACTOR_DEFAULT,
    MARGIN_SHARE,
    MIN_CHILDREN,
    MIN_TPC,
    PROCESSES_PER_CPU,
    REQUEST_OVERHEAD_S,
    RUNNABLE_PER_CPU,
    SATURATION,
    SPARE_WORKERS,
    SYSTEM_BASE,
    SYSTEM_MAX,
    SYSTEM_SHARE,
    THREAD_MIB,
    USABLE_CPU,
    WORKERS_ALONE,
    WORKERS_PER_SLOT,
)
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.model import Application, Demand, Group, Host, Request
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.timeouts import DaemonTimeouts

ROUNDING = 1.125
"""Upper bound of what event_mpm.round_up adds to the needed workers, besides MIN_CHILDREN x MIN_TPC."""


@dataclass(frozen=True)
class Part:
    """One line of the memory budget."""

    item: str
    mib: int
    why: str

    def as_dict(self) -> dict[str, Any]:
        """Return the line as it is printed."""
        return {"item": self.item, "mib": self.mib, "why": self.why}


@dataclass(frozen=True)
class Wish:
    """A daemon group before its processes are known."""

    name: str
    application: str
    path: str
    demand: Demand
    queue: int
    threads: int
    why_threads: str
    route: bool
    copies: int = 1


def table(parts: Sequence[Part], total: int) -> str:
    """Print a budget, one line per part."""
    rows = [*((part.mib, part.item, part.why) for part in parts), (sum(part.mib for part in parts), "sum", f"the host has {total} MiB")]
    width = max(len(item) for _mib, item, _why in rows)
    return "\n".join(f"  {item:<{width}} {mib:>8} MiB  {why}" for mib, item, why in rows)


def libpython(host: Host) -> float:
    """Return how much more CPU Python needs inside mod_wsgi than on the command line."""
    return LIBPYTHON_FACTOR.get(host.python or "", LIBPYTHON_FACTOR_DEFAULT)


def cpu_seconds(demand: Demand, host: Host) -> float:
    """Return the CPU time of one request."""
    return demand.cpu_share * demand.latency_ms / 1000 * libpython(host) + REQUEST_OVERHEAD_S


def wishes(applications: Sequence[Application], times: Mapping[str, DaemonTimeouts]) -> tuple[Wish, ...]:
    """List every daemon group: one per application, one per slow route."""
    found = []
    for app in applications:
        members = [(app.name, app.path, app.demand, False)]
        members += [(f"{app.name}-{route.name}", route.path, route.demand, True) for route in app.slow_routes]
        for name, path, demand, route in members:
            threads, why = mod_wsgi.base_threads(demand)
            if demand.threads is not None:
                threads, why = demand.threads, f"pinned; computed: {threads} ({why})"
            found.append(Wish(name, app.name, path, demand, times[name].queue, threads, why, route, len(app.slots)))
    return tuple(found)


def wanted_slots(wish: Wish, vcpus: float, applications: int) -> float:
    """Return the slots that keep the CPUs busy and carry the stated rate."""
    demand = wish.demand
    share = min(1.0, 2 / applications)
    busy = wish.threads if wish.route else SATURATION * vcpus * share / demand.cpu_share
    rate = (demand.requests_per_second or 0) * demand.latency_ms / 1000 * DEMAND_MARGIN
    per_cpu = PROCESSES_PER_CPU if demand.thread_safe else RUNNABLE_PER_CPU
    return min(max(busy, rate), per_cpu * vcpus * wish.threads)


def wanted_processes(found: Sequence[Wish], vcpus: float) -> dict[str, int]:
    """Return the processes of every group that the CPUs can use."""
    applications = sum(not wish.route for wish in found)
    slots = {wish.name: wanted_slots(wish, vcpus, applications) for wish in found}
    runnable = sum(slots[wish.name] * wish.demand.cpu_share for wish in found)
    fit = min(1.0, RUNNABLE_PER_CPU * vcpus / runnable) if runnable else 1.0
    return {wish.name: wish.demand.processes or max(1, math.ceil(slots[wish.name] * fit / wish.threads - 1e-9)) for wish in found}


def workers(demand: Demand, slots: int, queue: int, policy: str) -> float:
    """Return Apache's workers that a group's requests need, running and waiting."""
    if policy == "matched":
        return slots
    return max(WORKERS_PER_SLOT * slots, HEADROOM * (slots + mod_wsgi.backlog(demand, slots, queue)))


def cost(wish: Wish, processes: int, policy: str, worker_mib: float) -> float:
    """Return the memory of a group with its part of Apache, MiB."""
    own = wish.copies * processes * (wish.demand.memory_mib + wish.threads * THREAD_MIB)
    return own + worker_mib * workers(wish.demand, processes * wish.threads, wish.queue, policy)


def apache_mib(children: int, workers_total: int) -> float:
    """Return Apache's own memory, MiB."""
    return APACHE_BASE + APACHE_CHILD * children + APACHE_WORKER * workers_total


def fixed_parts(request: Request) -> list[Part]:
    """Return what the web side cannot have: system, margin, Celery."""
    total = request.host.memory_mib
    if request.reserved_memory_mib is None:
        reserve = Part("system", SYSTEM_BASE + min(SYSTEM_MAX, int(SYSTEM_SHARE * total)),
                       f"{SYSTEM_BASE} MiB + {SYSTEM_SHARE:.0%} of the memory, at most {SYSTEM_MAX} more")  # fmt: skip
    else:
        reserve = Part("system", request.reserved_memory_mib, "reserved_memory_mib")
    margin = Part("margin", math.ceil(MARGIN_SHARE * total), f"{MARGIN_SHARE:.0%} for growth and page cache; swap is not counted on")
    nodes = [
        Part(f"celery {node.name}", celery.memory(node), f"MemoryMax: {node.high} x {node.max_memory_per_child_mib} MiB at the maximum")
        for app in request.celery
        for node in app.nodes
    ]
    return [reserve, margin, *nodes]


def groups(request: Request, found: Sequence[Wish], pins: Mapping[str, Any]) -> tuple[Group, ...]:
    """Give every group its processes, or refuse the host with the table that shows why."""
    parts = fixed_parts(request)
    policy = request.policy
    threads = min(2 * MIN_TPC, int(pins.get("ThreadsPerChild", 2 * MIN_TPC)))
    worker_mib = ROUNDING * (APACHE_WORKER + APACHE_CHILD / threads)
    least_workers = SPARE_WORKERS if found else WORKERS_ALONE
    base = APACHE_BASE + worker_mib * (least_workers + threads) + MIN_CHILDREN * (APACHE_CHILD + MIN_TPC * APACHE_WORKER)
    if "MaxRequestWorkers" in pins:
        base, worker_mib = apache_mib(-(-int(pins["MaxRequestWorkers"]) // threads), int(pins["MaxRequestWorkers"])), 0.0
    least = {wish.name: cost(wish, wish.demand.processes or 1, policy, worker_mib) for wish in found}
    left = request.host.memory_mib - sum(part.mib for part in parts) - base
    spare = left - sum(least.values())
    if spare < 0:
        raise does_not_fit(request, parts, base, found, least)
    weights = {wish.name: 0.0 if wish.demand.processes else least[wish.name] * weight(wish) for wish in found}
    total = sum(weights.values())
    wanted = wanted_processes(found, request.host.vcpus)
    result = []
    for wish in found:
        part = least[wish.name] + (spare * weights[wish.name] / total if total else 0.0)
        count = _most(wish, part, wanted[wish.name], policy, worker_mib)
        result.append(_group(wish, count, wanted[wish.name], request.host))
    return tuple(result)


def weight(wish: Wish) -> float:
    """Return a group's claim on spare memory: the processes that its stated rate needs, at least one."""
    rate = (wish.demand.requests_per_second or 0) * wish.demand.latency_ms / 1000 * DEMAND_MARGIN
    return max(1.0, rate / wish.threads)


def _most(wish: Wish, part: float, wanted: int, policy: str, worker_mib: float) -> int:
    """Return the most processes, up to the wanted ones, whose cost fits into the group's part."""
    if wish.demand.processes:
        return wish.demand.processes
    low, high = 1, wanted
    while low < high:
        middle = (low + high + 1) // 2
        if cost(wish, middle, policy, worker_mib) <= part:
            low = middle
        else:
            high = middle - 1
    return low


def _group(wish: Wish, count: int, wanted: int, host: Host) -> Group:
    """Make the sized group and say why it has this size."""
    demand = wish.demand
    if demand.processes:
        limited, why = "pin", "pinned"
    elif count < wanted:
        limited, why = "memory", f"memory for {count} of the {wanted} processes that {host.vcpus:g} vCPU could use"
    elif wish.route and count == 1:
        limited, why = "slots", "one process of its own for the slow route"
    else:
        limited, why = "cpu", f"{count} x {wish.threads} slots at CPU share {demand.cpu_share:g} keep {host.vcpus:g} vCPU busy"
    return Group(wish.name, wish.application, wish.path, demand, count, wish.threads, limited, why, wish.why_threads, wish.copies)


def does_not_fit(request: Request, parts: Sequence[Part], base: float, found: Sequence[Wish], least: Mapping[str, float]) -> CapacityError:
    """Refuse a host: the table, and what to change."""
    rows = [*parts, Part("apache", math.ceil(base), "parent and the least number of children")]
    rows += [
        Part(f"group {wish.name}", math.ceil(least[wish.name]),
             f"{times(wish.copies, wish.demand.processes or 1)} x {wish.demand.memory_mib} MiB + {wish.threads} threads, with its part of Apache's workers")
        for wish in found
    ]  # fmt: skip
    total = request.host.memory_mib
    needed = sum(row.mib for row in rows if row.item not in ("system", "margin"))
    reserve = request.reserved_memory_mib
    share = MARGIN_SHARE + (SYSTEM_SHARE if reserve is None else 0)
    enough = math.ceil((needed + (SYSTEM_BASE if reserve is None else reserve)) / (1 - share)) + 1
    change = ["lower memory_mib of the applications if you measured less", "pin fewer processes"]
    if any(wish.copies > 1 for wish in found):
        change.insert(0, "write deploy: single, whose deploys make requests wait")
    if request.celery:
        change.insert(0, "lower autoscale.max or max_memory_per_child_mib of the Celery nodes, or move them to another host")
    if reserve is not None:
        change.append("lower reserved_memory_mib")
    return CapacityError(f"the plan does not fit into {total} MiB of memory:\n{table(rows, total)}\nGive the host about {enough} MiB, or {', '.join(change)}.")


def web_vcpus(request: Request) -> tuple[float, str]:
    """Return the CPUs that requests can count on beside busy Celery children."""
    total = request.host.vcpus
    children = sum(node.high for app in request.celery for node in app.nodes)
    left = max(total / 2, total - children / 2)
    return left, f"{total:g} vCPU" + (f", {total - left:g} of them for up to {children} Celery children" if children else "")


def rates(found: Sequence[Group], request: Request) -> dict[str, tuple[float, str]]:
    """Return each group's highest rate and what limits it: its part of the CPUs, its slots, or memory."""

    host = request.host
    vcpus, _why = web_vcpus(request)
    load = {group.name: (group.demand.requests_per_second or 0) * cpu_seconds(group.demand, host) for group in found}
    unknown = [name for name, cpus in load.items() if not cpus]
    rest = max(USABLE_CPU * vcpus - sum(load.values()), USABLE_CPU * vcpus * len(unknown) / max(1, len(found)))
    load.update({name: rest / len(unknown) for name in unknown})
    result = {}
    for group in found:
        demand = group.demand
        own = USABLE_CPU * vcpus * load[group.name] / sum(load.values()) / cpu_seconds(demand, host)
        busy = demand.latency_ms / 1000 * (1 - demand.cpu_share + demand.cpu_share * libpython(host)) + REQUEST_OVERHEAD_S
        # a process runs Python on one CPU at a time
        by_slots = min(group.slots / busy, USABLE_CPU * group.processes / cpu_seconds(demand, host))
        limit = "cpu" if own <= by_slots else "memory" if group.limited_by == "memory" else "slots"
        result[group.name] = (min(own, by_slots), limit)
    return result


def times(copies: int, count: int) -> str:
    """Say how many processes there are, with those of the idle colour."""
    return f"{copies} colours x {count}" if copies > 1 else str(count)


def described(group: Group) -> str:
    """Say what a group's memory is made of."""
    return f"{times(group.copies, group.processes)} x {group.demand.memory_mib} MiB + {group.slots} threads"


def web_memory(found: Sequence[Group]) -> dict[str, int]:
    """Return each group's memory at full load, MiB."""
    return {group.name: math.ceil(group.copies * group.processes * (group.demand.memory_mib + group.threads * THREAD_MIB)) for group in found}
