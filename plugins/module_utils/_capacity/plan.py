# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner: one request in, one plan out, judged by the same rules that audit a host nobody planned."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity import (
    budget,
    celery,
    event_mpm,
    express,
    mod_wsgi,
    rules,
    sources,
    system,
    timeouts,
)
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.constants import MIN_TPC, SPARE_WORKERS, USABLE_CPU, WORKERS_ALONE
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.model import Group, Plan, Request, Setting

Rates = Mapping[str, tuple[float, str]]
"""Each group's highest rate and what limits it."""


def make(request: Request, today: datetime.date | None = None) -> Plan:
    """Compute the plan of a host.

    :param today: the day on which exceptions are judged, default the current one
    :raises CapacityError: the plan does not fit, or a pin breaks a rule; the message says what to change
    """
    pins = event_mpm.check_pins(request.directives)
    chain = timeouts.chain(_demands(request), request.load_balancer)
    wishes = budget.wishes(request.applications, chain.groups)
    groups = budget.groups(request, wishes, pins)
    need, why = _need(request, groups, chain)
    shape = event_mpm.shape(need, vcpus=request.host.vcpus, pins=pins, natural=_natural(request, groups))
    sizes = event_mpm.settings(shape, why, pins=pins, source=sources.PIN if "MaxRequestWorkers" in pins else sources.measured(4))
    apache = {setting.name: setting for setting in (*sizes, *(event_mpm.pin(s, pins) for s in chain.settings()))}
    web = budget.web_memory(groups)
    own = math.ceil(budget.apache_mib(shape.children, shape.workers))
    fixed = budget.fixed_parts(request)
    predicted = own + sum(web.values())
    parts = [*fixed, budget.Part("apache", own, f"parent, {shape.children} children, {shape.workers} workers")]
    parts += [budget.Part(f"group {g.name}", web[g.name], budget.described(g)) for g in groups]
    free = request.host.memory_mib - sum(part.mib for part in parts)
    parts.append(budget.Part("free", free, "page cache, and room for more"))
    outside = sum(part.mib for part in fixed if part.item != "margin")
    factor = float(apache["AsyncRequestWorkerFactor"].value)
    unit = system.apache(shape, int(apache["ServerLimit"].value), factor, groups, chain, predicted, request.host.memory_mib - outside)
    rates = budget.rates(groups, request)
    notes: list[str] = []
    data: dict[str, Any] = {
        "policy": request.policy,
        "host": _host(request),
        "load_balancer": {"idle_timeout": request.load_balancer.idle_timeout},
        "apache": _dicts(apache.values()),
        "groups": {group.name: _group(group, request, chain, notes) for group in groups},
        "celery": _celery(request),
        "systemd": {"apache2": _dicts(unit), "celery": _dicts(system.celery(request.celery))},
        "kernel": _dicts(system.kernel(request.host, int(apache["ListenBacklog"].value))),
        "prediction": _prediction(request, rates, predicted + sum(p.mib for p in fixed if p.item.startswith("celery "))),
        "budget": [part.as_dict() for part in parts],
        "exceptions": [vars(exception) for exception in request.exceptions],
        "compare": {"mod_wsgi_express": {g.name: _dicts(express.compare(g.processes, g.threads).values()) for g in groups if g.name == g.application}},
    }
    data["warnings"] = notes + _shortfalls(rates, groups) + rules.judge(rules.configuration(data), request.exceptions, today)
    return Plan(data)


def _demands(request: Request) -> dict[str, Any]:
    """Return the demand of every daemon group by its name."""
    found = {}
    for app in request.applications:
        found[app.name] = app.demand
        found.update({f"{app.name}-{route.name}": route.demand for route in app.slow_routes})
    return found


def _need(request: Request, groups: Sequence[Group], chain: timeouts.Chain) -> tuple[int, str]:
    """Return the workers that Apache needs, and why."""
    if not groups:
        return WORKERS_ALONE, f"no application is planned: room for {WORKERS_ALONE} static or proxied requests at the same time"
    slots = sum(group.slots for group in groups)
    if request.policy == "matched" and slots:
        return slots, f"policy matched: one worker for each of the {slots} daemon slots"
    waiting = sum(mod_wsgi.backlog(group.demand, group.slots, chain.groups[group.name].queue) for group in groups)
    need = sum(budget.workers(g.demand, g.slots, chain.groups[g.name].queue, request.policy) for g in groups) + SPARE_WORKERS
    return math.ceil(need), (
        f"a request that waits for a daemon holds a worker: {slots} slots and {waiting} places in the daemons' queues with headroom, and {SPARE_WORKERS} more"
    )


def _natural(request: Request, groups: Sequence[Group]) -> event_mpm.Shape | None:
    """Return the article's 1:1, where one group's processes and threads are also Apache's."""
    if request.policy != "matched" or len(groups) != 1 or groups[0].threads < MIN_TPC or groups[0].processes < 2:
        return None
    return event_mpm.Shape(groups[0].processes, groups[0].threads, groups[0].slots)


def _dicts(settings: Iterable[Setting]) -> dict[str, Any]:
    """Return settings by name, as plain data."""
    return {setting.name: setting.as_dict() for setting in settings}


def _host(request: Request) -> dict[str, Any]:
    """Return what of the host the plan was made from."""
    return dict(vars(request.host))


def _group(group: Group, request: Request, chain: timeouts.Chain, notes: list[str]) -> dict[str, Any]:
    """Return one daemon group."""
    options, dropped = mod_wsgi.options(group, chain.groups[group.name], request.host.mod_wsgi)
    notes += dropped
    demand = group.demand
    return {
        "application": group.application,
        "path": group.path,
        "multiprocess": group.processes > 1,
        "slots": group.slots,
        "copies": group.copies,
        "limited_by": group.limited_by,
        "demand": {
            "cpu_share": demand.cpu_share, "latency_ms": demand.latency_ms, "target_p99_ms": demand.target_p99_ms,
            "requests_per_second": demand.requests_per_second, "memory_mib": demand.memory_mib,
            "thread_safe": demand.thread_safe, "longest_request_s": demand.longest_request_s,
        },
        "options": _dicts(options.values()),
    }  # fmt: skip


def _celery(request: Request) -> dict[str, Any]:
    """Return every Celery node."""
    found = {}
    for app in request.celery:
        again = celery.redelivery(app)
        for node in app.nodes:
            found[node.name] = {
                "application": app.name, "broker": app.broker, "children": node.high, "held_s": celery.held(node, app.broker),
                "options": _dicts(celery.options(node, again).values()),
            }  # fmt: skip
    return found


def _prediction(request: Request, rates: Rates, memory: int) -> dict[str, Any]:
    """Return what the plan promises: highest rate, memory at full load, and what limits it."""
    _vcpus, cpus = budget.web_vcpus(request)
    total = sum(rate for rate, _limit in rates.values())
    limits = [limit for _rate, limit in rates.values()]
    limit = next((name for name in ("memory", "slots", "cpu") if name in limits), "cpu")
    each = ", ".join(f"{name} {rate:.3g}/s ({why})" for name, (rate, why) in rates.items())
    return _dicts(
        (
            Setting("requests_per_second", round(total, 1), "requests/s",
                    f"at {USABLE_CPU:.0%} of {cpus}, Python {budget.libpython(request.host):g} x as slow as the command line: {each or 'no application'}",
                    sources.measured(9)),
            Setting("memory", memory, "MiB", "Apache, all daemons and all Celery nodes at full load", sources.measured(10)),
            Setting("limited_by", limit, "", f"what a bigger plan would need more of: {each or 'nothing is planned'}", sources.MODEL),
        )
    )  # fmt: skip


def _shortfalls(rates: Rates, groups: Sequence[Group]) -> list[str]:
    """Say which stated rate the host cannot serve."""
    found = []
    for group in groups:
        rate, limit = rates[group.name]
        wanted = group.demand.requests_per_second
        if wanted and wanted > rate * 1.001:
            found.append(
                f"{group.name}: {wanted:g} requests/s are wanted, the host serves about {rate:.3g} (limit: {limit}); "
                "more requests get 504 after the queue-timeout."
            )
    return found
