# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd and the kernel must allow so that the planned numbers can be reached."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity import sources
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.constants import LISTEN_BACKLOG
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.event_mpm import Shape
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.model import CeleryApplication, Group, Host, Setting, Settings
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.timeouts import Chain, celery_limits


def tasks(server_limit: int, threads: int, groups: Sequence[Group]) -> int:
    """Return the processes and threads of Apache and all daemons at full load, as TasksMax counts them."""
    return server_limit * (threads + 2) + sum(group.copies * group.processes * (group.threads + 3) for group in groups) + 10


def files(shape: Shape, factor: float) -> int:
    """Return the open files that one child may need, rounded up to a power of two."""
    need = shape.threads * (factor + 1) + 2 * shape.threads + 512
    return max(8192, 1 << math.ceil(math.log2(2 * need)))


def apache(shape: Shape, server_limit: int, factor: float, groups: Sequence[Group], chain: Chain, predicted: int, rest: int) -> Settings:
    """Return the limits of Apache's unit; all daemon groups live in its cgroup.

    :param rest: memory that neither the system nor Celery has, MiB
    """
    most = max(predicted, min(rest, 2 * predicted))
    high = predicted + (most - predicted) // 2
    count = tasks(server_limit, shape.threads, groups)
    limit = files(shape, factor)
    return (
        Setting("TasksMax", 2 * count, "tasks", f"twice the {count} processes and threads of a full scoreboard and all daemons: a reload "
                "has old and new ones at once, and libraries start threads", sources.measured(14)),
        Setting("MemoryHigh", high, "MiB", f"above the predicted {predicted} MiB; from here on the kernel reclaims first", sources.SYSTEMD),
        Setting("MemoryMax", most, "MiB", f"twice the predicted {predicted} MiB, at most what the system and Celery leave ({rest} MiB)", sources.SYSTEMD),
        Setting("TimeoutStopSec", chain.stop, "s", f"above GracefulShutdownTimeout {chain.graceful} s, or systemd cuts running requests off",
                sources.SYSTEMD_SERVICE),
        Setting("APACHE_ULIMIT_MAX_FILES", f"ulimit -n {limit}", "command",
                f"connections, daemon sockets and files of a child with {shape.threads} threads; apachectl sets this limit itself, "
                "whatever LimitNOFILE says", sources.measured(15)),
    )  # fmt: skip


def celery(applications: Sequence[CeleryApplication]) -> Settings:
    """Return the limits of the service that stands for all nodes."""
    nodes = [node for app in applications for node in app.nodes]
    if not nodes:
        return ()
    slowest = max(nodes, key=lambda node: node.time_limit)
    _soft, stop = celery_limits(slowest.time_limit, slowest.soft_time_limit)
    return (
        Setting("TimeoutStopSec", stop, "s", f"a stop of all nodes waits for the slowest, {slowest.name}", sources.SYSTEMD_SERVICE),
        Setting("TimeoutStartSec", stop + 90, "s", "a reload restarts the nodes and systemd bounds it by this time", sources.measured(16)),
    )


def kernel(host: Host, listen_backlog: int) -> tuple[Setting, ...]:
    """Return the kernel's queue limits, never lower than the host's."""
    wanted = max(LISTEN_BACKLOG, listen_backlog)

    def limit(name: str, now: int, why: str) -> Setting:
        kept = f"the host's {now} is kept" if now >= wanted else f"the host has {now}: raise it before Apache starts"
        return Setting(name, max(now, wanted), "connections", f"{why}; {kept}", sources.LISTEN)

    return (
        limit("net.core.somaxconn", host.somaxconn, f"the kernel silently cuts ListenBacklog {listen_backlog} down to it"),
        limit("net.ipv4.tcp_max_syn_backlog", host.tcp_max_syn_backlog, "handshakes under way for that queue"),
    )
