# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSGIDaemonProcess: the options of one daemon group, and which of them the installed mod_wsgi knows."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity import sources
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.constants import (
    DAEMON_BACKLOG_MAX,
    DAEMON_BACKLOG_MIN,
    IDLE_SHARE,
    MAX_THREADS,
    MAX_THREADS_IDLE,
    MIN_THREADS,
    SATURATION,
)
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError, nearest, refuse
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.model import Demand, Group, Setting, Value
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.timeouts import DaemonTimeouts

NUMBERS: Mapping[str, int] = {
    "processes": 1, "threads": 1, "startup-timeout": 0, "shutdown-timeout": 0, "deadlock-timeout": 0,
    "inactivity-timeout": 0, "request-timeout": 0, "graceful-timeout": 0, "eviction-timeout": 0, "restart-interval": 0,
    "connect-timeout": 0, "socket-timeout": 0, "response-socket-timeout": 0, "queue-timeout": 0, "maximum-requests": 0,
    "cpu-time-limit": 0, "cpu-priority": -20, "memory-limit": 0, "virtual-memory-limit": 0, "stack-size": 1,
    "send-buffer-size": 0, "receive-buffer-size": 0, "header-buffer-size": 0, "response-buffer-size": 0, "listen-backlog": 0,
}  # fmt: skip
"""Options with a whole number, and the least that the parser accepts (mod_wsgi 4.9.4 and 5.0.2 have the same parser)."""
BUFFERS = {"send-buffer-size": 512, "receive-buffer-size": 512, "header-buffer-size": 8192, "response-buffer-size": 65536}
"""Buffer sizes are 0 or at least this."""
TEXTS = (
    "user", "group", "supplementary-groups", "umask", "chroot", "home", "lang", "locale", "python-home", "python-path",
    "python-eggs", "display-name", "socket-user", "script-user", "script-group", "server-metrics",
)  # fmt: skip
SINCE_6 = ("switch-interval", "interrupt-timeout", "response-flush-delay")
UNTIL_5 = ("newrelic-config-file", "newrelic-environment")
ESSENTIAL = ("interrupt-timeout",)
"""Options that somebody relies on: where the module lacks one, leaving it out would be a silent loss."""


def known_options(version: str | None) -> tuple[str, ...]:
    """Return the options that a version of mod_wsgi accepts; without a version those that all accept."""
    options = tuple(NUMBERS) + TEXTS
    if not version or not version.split(".")[0].isdigit():
        return options
    return options + (SINCE_6 if int(version.split(".")[0]) >= 6 else UNTIL_5)


def check_option(where: str, name: str, value: Value) -> Value:
    """Return a pinned option's value with its type, or refuse it."""
    if name not in NUMBERS:
        return value
    hint = f"Write a whole number from {NUMBERS[name]}."
    try:
        number = int(str(value))
    except ValueError:
        raise refuse(where, value, "mod_wsgi wants a whole number", hint) from None
    if number < NUMBERS[name]:
        raise refuse(where, value, f"mod_wsgi refuses less than {NUMBERS[name]}", hint)
    if 0 < number < BUFFERS.get(name, 0):
        raise refuse(where, value, f"mod_wsgi refuses less than {BUFFERS[name]} bytes", f"Write 0 or at least {BUFFERS[name]}.")
    return number


def backlog(demand: Demand, slots: int, queue: int) -> int:
    """How many requests may wait for a group: no more than it can serve before their queue-timeout."""
    pinned = demand.options.get("listen-backlog")
    if pinned is not None:
        return int(check_option("options.listen-backlog", "listen-backlog", pinned))
    return servable(demand, slots, queue)


def servable(demand: Demand, slots: int, queue: int) -> int:
    """How many waiting requests a group can serve before their queue-timeout, within bounds."""
    return max(DAEMON_BACKLOG_MIN, min(DAEMON_BACKLOG_MAX, math.ceil(slots * queue * 1000 / demand.latency_ms)))


def options(group: Group, times: DaemonTimeouts, version: str | None) -> tuple[dict[str, Setting], list[str]]:
    """Return a group's options in the order in which they are printed, and notes about options that were dropped."""
    pins = group.demand.options
    waiting = servable(group.demand, group.slots, times.queue)
    wanted = [
        Setting("threads", group.threads, "threads", group.why_threads, sources.measured(2)),
        Setting("listen-backlog", waiting, "requests",
                f"{group.slots} slots serve about that many within the queue-timeout; a longer queue only works for clients that have left",
                sources.measured(6)),
        Setting("queue-timeout", times.queue, "s",
                f"a request that waited longer cannot meet the target p99 of {group.demand.target_p99_ms / 1000:g} s any more: it gets 504 at "
                "once", sources.measured(6)),
        Setting("request-timeout", times.request, "s",
                f"recovery valve above the slowest wanted request of {times.longest} s: with {group.threads} threads it looks at their "
                "average age and restarts the process", sources.WSGI),
        Setting("connect-timeout", times.connect, "s",
                "a request that finds the listen-backlog full for that long gets 503, hardly later than those in it get 504", sources.WSGI),
        Setting("socket-timeout", times.socket, "s",
                f"Apache waits for an answer as long as queue-timeout {times.queue} s and request-timeout {times.request} s allow", sources.WSGI),
        Setting("startup-timeout", times.startup, "s", "an application that failed to load is tried again in a new process", sources.WSGI),
        Setting("deadlock-timeout", times.deadlock, "s",
                "a process whose interpreter lock nobody gets is restarted; twice the slowest wanted request, at least 60 s", sources.WSGI),
        Setting("graceful-timeout", times.drain, "s", f"a recycled process finishes the slowest wanted request of {times.longest} s", sources.WSGI),
        Setting("eviction-timeout", times.drain, "s", "the same when a deploy replaces the process by SIGUSR1", sources.WSGI),
        Setting("shutdown-timeout", times.drain, "s", "the same when the process is told to stop", sources.WSGI),
    ]  # fmt: skip
    if group.processes > 1:
        wanted.insert(0, Setting("processes", group.processes, "processes", group.why_processes, sources.MODEL))
    found = {setting.name: setting for setting in wanted}
    notes = []
    for name, value in pins.items():
        where = f"{group.name}: options.{name}"
        if name not in known_options(version):
            if name not in SINCE_6 + UNTIL_5:
                raise CapacityError(f"{where} is not an option of WSGIDaemonProcess. {nearest(str(name), known_options(version))}")
            if name in ESSENTIAL:
                raise refuse(where, value, f"mod_wsgi {version or '(version unknown)'} does not have it", "Remove it, or install mod_wsgi 6.")
            notes.append(f"{where} was left out: mod_wsgi {version or '(version unknown)'} does not have it.")
            continue
        value = check_option(where, name, value)
        before = f"; computed: {found[name].value}" if name in found else ""
        found[name] = Setting(name, value, found[name].unit if name in found else "", f"pinned{before}", sources.PIN)
    return found, notes


def base_threads(demand: Demand) -> tuple[int, str]:
    """Return the threads of one process, which depend on the application alone, and why."""
    share = demand.cpu_share
    if not demand.thread_safe:
        return 1, "the application is not thread-safe: one thread, and more processes"
    most = MAX_THREADS_IDLE if share < IDLE_SHARE else MAX_THREADS
    threads = max(MIN_THREADS, min(most, math.ceil(SATURATION / share)))
    return threads, f"{SATURATION:g} / CPU share {share:g}, from {MIN_THREADS} to {most}: keeps the one CPU busy that a process can use"
