# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about the host: memory, systemd's limits and the kernel's queues."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity import sources
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.budget import apache_mib
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.configuration import Configuration
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.constants import THREAD_MIB
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.rule import Rule


def web_memory(c: Configuration) -> float:
    """Return the memory of Apache and all daemons whose memory is known, MiB."""
    daemons = sum(daemon.all_processes * ((daemon.known("memory_mib") or 0) + daemon.option("threads") * THREAD_MIB) for daemon in c.daemons)
    return daemons + apache_mib(c.children, c.directive("MaxRequestWorkers"))


def _memory(c: Configuration) -> Iterator[str]:
    if c.memory_mib is None:
        return
    celery = sum(node.number("MemoryMax") or 0 for node in c.nodes)
    used = math.floor(web_memory(c)) + celery + (c.reserved_mib or 0)
    if used > c.memory_mib:
        yield f"at full load {used} MiB are used (Celery {celery}, system {c.reserved_mib or 0}), the host has {c.memory_mib}."


def _unit_memory(c: Configuration) -> Iterator[str]:
    need = math.floor(web_memory(c))
    for name in ("MemoryHigh", "MemoryMax"):
        if name in c.unit and int(c.unit[name]) < need:
            yield f"{name} {c.unit[name]} MiB is below the {need} MiB of Apache and all daemons at full load."


def _tasks(c: Configuration) -> Iterator[str]:
    need = c.directive("ServerLimit") * (c.directive("ThreadsPerChild") + 2) + 10
    need += sum(daemon.all_processes * (daemon.option("threads") + 3) for daemon in c.daemons)
    if "TasksMax" in c.unit and int(c.unit["TasksMax"]) < need:
        yield f"TasksMax {c.unit['TasksMax']} is below the {need} processes and threads at full load."


def _files(c: Configuration) -> Iterator[str]:
    found = re.search(r"ulimit -n (\d+)", str(c.unit.get("APACHE_ULIMIT_MAX_FILES", "")))
    need = c.directive("ThreadsPerChild") * (c.directive("AsyncRequestWorkerFactor") + 2)
    if found and int(found.group(1)) < need:
        yield f"ulimit -n {found.group(1)} is below the {need} sockets of one child."


def _stop(c: Configuration) -> Iterator[str]:
    need = max(c.directive("GracefulShutdownTimeout"), c.longest or 0)
    if "TimeoutStopSec" in c.unit and int(c.unit["TimeoutStopSec"]) <= need:
        yield f"TimeoutStopSec {c.unit['TimeoutStopSec']} is not above {need:g} s, GracefulShutdownTimeout or the slowest wanted request."


def _backlog(c: Configuration) -> Iterator[str]:
    if c.somaxconn is not None and c.directive("ListenBacklog") > c.somaxconn:
        yield f"ListenBacklog {c.directive('ListenBacklog')} is silently cut down to net.core.somaxconn {c.somaxconn}."


def _syn(c: Configuration) -> Iterator[str]:
    if c.syn_backlog is not None and c.directive("ListenBacklog") > c.syn_backlog:
        yield f"net.ipv4.tcp_max_syn_backlog {c.syn_backlog} is below ListenBacklog {c.directive('ListenBacklog')}."


RULES: tuple[Rule, ...] = (
    Rule("memory-overcommit", "memory-overcommit", "warning",
         "Everything at full load fits into the host's memory.", "Lower processes, autoscale or memory_mib, or take a bigger host.",
         sources.measured(10), _memory, refuses=True),
    Rule("unit-memory-too-low", "unit-memory-too-low", "warning",
         "Apache's memory cap holds Apache and all daemons.", "Raise MemoryHigh and MemoryMax.", sources.SYSTEMD, _unit_memory, refuses=True),
    Rule("tasks-max-too-low", "tasks-max-too-low", "error",
         "systemd allows every planned thread; otherwise Apache starts and does not answer.", "Raise TasksMax.", sources.measured(14), _tasks, refuses=True),
    Rule("open-files-too-low", "open-files-too-low", "warning",
         "A child may open all its sockets.", "Raise APACHE_ULIMIT_MAX_FILES.", sources.measured(15), _files, refuses=True),
    Rule("stop-timeout-too-short", "stop-timeout-too-short", "warning",
         "systemd waits longer than Apache's graceful stop.", "Raise TimeoutStopSec.", sources.SYSTEMD_SERVICE, _stop, refuses=True),
    Rule("listen-backlog-above-somaxconn", "listen-backlog-above-somaxconn", "warning",
         "The kernel allows the queue that Apache asks for.", "Raise net.core.somaxconn, or lower ListenBacklog.", sources.LISTEN, _backlog, refuses=True),
    Rule("syn-backlog-below-listen-backlog", "syn-backlog-below-listen-backlog", "warning",
         "Handshakes under way fit into the kernel's queue.", "Raise net.ipv4.tcp_max_syn_backlog.", sources.LISTEN, _syn),
)  # fmt: skip
