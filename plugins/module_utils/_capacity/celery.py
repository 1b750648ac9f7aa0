# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Celery: the settings of every node, its memory cap and how long its broker waits for an answer."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity import sources
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.constants import (
    CELERY_OVERSHOOT,
    CELERY_PARENT,
    RABBITMQ_CONSUMER,
    REDIS_VISIBILITY,
)
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError, nearest, refuse
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.model import CeleryApplication, CeleryNode, Setting, Value
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.timeouts import celery_limits

AMQP = ("amqp", "amqps", "pyamqp", "librabbitmq")
BY_A_CLOCK = ("", "redis", "rediss", "sentinel", "sqs")
"""Brokers that hand messages out again by a clock of kombu's; a broker that nobody named is taken for Redis."""
WORKER_OPTIONS: Mapping[str, str] = {
    "queues": "-Q", "pool": "--pool", "concurrency": "--concurrency", "autoscale": "--autoscale",
    "prefetch_multiplier": "--prefetch-multiplier", "time_limit": "--time-limit", "soft_time_limit": "--soft-time-limit",
    "max_tasks_per_child": "--max-tasks-per-child", "max_memory_per_child": "--max-memory-per-child", "loglevel": "--loglevel",
}  # fmt: skip
"""Options of the celery worker command, in the order in which they are printed."""
OTHER_OPTIONS = ("MemoryMax", "TimeoutStopSec", "visibility_timeout", "consumer_timeout", "Nice", "CPUWeight")
"""Settings of a node that are not options of its command line: systemd's and the application's configuration."""
PRIORITIES: Mapping[str, tuple[int, int]] = {"high": (-5, 400), "normal": (0, 100), "low": (10, 25)}
"""Nice and CPUWeight of a node: the first counts among processes, the second (100 is everybody's) among services."""


def memory(node: CeleryNode) -> int:
    """Return the memory cap of a node with all children of autoscale's maximum, MiB."""
    children = node.high if node.pool == "prefork" else 1
    return math.ceil((CELERY_PARENT + children * node.max_memory_per_child_mib) * CELERY_OVERSHOOT)


def held(node: CeleryNode, broker: str) -> int:
    """Return for how many seconds a node may hold a message before it is done with it.

    RabbitMQ counts prefetched messages for each queue of a node (quorum queues know no limit for a whole channel).
    """
    return node.time_limit * node.prefetch_multiplier * (len(node.queues) if broker in AMQP else 1)


def redelivery(application: CeleryApplication) -> Setting | None:
    """Return when the broker hands out again what was not acknowledged: later than any task takes; None when it has no clock."""
    longest = max((held(node, application.broker) for node in application.nodes), default=0)
    above = math.ceil(longest * 1.2 / 600) * 600
    if application.broker in AMQP:
        pinned = application.consumer_timeout
        return Setting(
            "consumer_timeout", pinned or max(RABBITMQ_CONSUMER, above), "s",
            "pinned" if pinned else "longer than the longest time_limit of the application x prefetched messages x queues of the node, at least the default "
            f"of {RABBITMQ_CONSUMER} s: after that RabbitMQ closes the channel and hands the running task out again",
            sources.PIN if pinned else sources.RABBITMQ,
        )  # fmt: skip
    if application.broker not in BY_A_CLOCK:
        return None
    pinned = application.visibility_timeout
    return Setting(
        "visibility_timeout", pinned or max(REDIS_VISIBILITY, above), "s",
        "pinned" if pinned else "longer than the longest time_limit of the application x prefetched messages, "
        f"at least the default of {REDIS_VISIBILITY} s: before that the broker would hand a running task out again",
        sources.PIN if pinned else sources.REDIS_BROKER,
    )  # fmt: skip


def options(node: CeleryNode, again: Setting | None) -> dict[str, Setting]:
    """Return the settings of one node in the order in which they are printed; again: what `redelivery` returned for its application."""
    soft, stop = celery_limits(node.time_limit, node.soft_time_limit)
    prefork = node.pool == "prefork"
    cap = memory(node)
    size = (
        Setting("autoscale", f"{node.high},{node.low}", "children", "maximum,minimum: grows under load, idles small", sources.CELERY)
        if node.autoscale
        else Setting("concurrency", node.high, "children", "a fixed number of children", sources.CELERY)
    )
    wanted = [
        Setting("queues", ",".join(node.queues), "", "only this node takes from these queues, so no other work delays them", sources.CELERY),
        Setting("pool", node.pool, "", "one process per task: limits are enforced, memory is given back" if prefork else "as asked for", sources.CELERY),
        size,
        Setting("prefetch_multiplier", node.prefetch_multiplier, "messages/child",
                "messages that a child holds back: 1, or short tasks wait behind long ones", sources.CELERY_OPTIMIZING),
        Setting("time_limit", node.time_limit, "s", "a task that runs longer is killed", sources.CELERY),
    ]  # fmt: skip
    if prefork:
        wanted.append(Setting("soft_time_limit", soft, "s", f"SoftTimeLimitExceeded {node.time_limit - soft} s before the kill, to clean up", sources.CELERY))
        if node.max_tasks_per_child is not None:
            wanted.append(Setting("max_tasks_per_child", node.max_tasks_per_child, "tasks", "pinned", sources.PIN))
        wanted.append(
            Setting("max_memory_per_child", node.max_memory_per_child_mib * 1024, "KiB",
                    f"a child above {node.max_memory_per_child_mib} MiB is replaced after its task", sources.CELERY)
        )  # fmt: skip
    wanted += [
        Setting("loglevel", node.loglevel, "", "as asked for", sources.CELERY),
        Setting("MemoryMax", cap, "MiB",
                f"{node.high if prefork else 1} x {node.max_memory_per_child_mib} MiB at the maximum + {CELERY_PARENT} MiB for the main process, "
                f"x {CELERY_OVERSHOOT} because a child is replaced only after its task", sources.SYSTEMD),
        Setting("TimeoutStopSec", stop, "s", f"a stop waits for a task that began just before: above time_limit {node.time_limit} s", sources.SYSTEMD_SERVICE),
        *([again] if again else []),
    ]  # fmt: skip
    if node.priority != "normal":
        nice, weight = PRIORITIES[node.priority]
        why = f"priority {node.priority}: counts only while processes wait for a CPU"
        wanted += [Setting("Nice", nice, "", why, sources.SYSTEMD_EXEC), Setting("CPUWeight", weight, "", why, sources.SYSTEMD)]
    return {setting.name: setting for setting in wanted}


def arguments(name: str, settings: Mapping[str, Value | Mapping[str, Value]], *, multi: bool = False) -> list[str]:
    """Return one node's arguments of ``celery worker``, or of ``celery multi`` where every option names its node.

    The arguments are words, not yet quoted for a shell and with no ``%`` in them that systemd would expand.
    """
    for option in settings:
        if option not in WORKER_OPTIONS and option not in OTHER_OPTIONS:
            raise CapacityError(f"{name}.{option} is not a setting of a Celery node. {nearest(str(option), WORKER_OPTIONS)}")
    words = []
    for option, flag in WORKER_OPTIONS.items():
        if option not in settings:
            continue
        found = settings[option]
        value = found["value"] if isinstance(found, Mapping) else found
        if isinstance(value, (list, tuple)):
            value = ",".join(str(item) for item in value)
        text = str(value)
        if not text or not text.isprintable() or any(char in text for char in " '\"\\$`%;&|<>"):
            raise refuse(f"{name}.{option}", text, "it is not a plain word of a command line", "Use letters, digits and . , _ : -.")
        if option == "loglevel" and multi:
            continue
        flag = f"{flag}:{name}" if multi else flag
        words += [flag, text] if flag.startswith("-Q") else [f"{flag}={text}"]
    return words
