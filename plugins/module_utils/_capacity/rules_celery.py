# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about Celery nodes."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity import sources
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.configuration import Configuration
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.constants import CELERY_PARENT
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.rule import Rule


def _reversed(c: Configuration) -> Iterator[str]:
    for node in c.nodes:
        high, low = node.bounds
        if high < low:
            yield f"{node.name} has autoscale={high},{low}: maximum before minimum."


def _soft(c: Configuration) -> Iterator[str]:
    for node in c.nodes:
        soft, hard = node.number("soft_time_limit"), node.number("time_limit")
        if soft is not None and hard is not None and soft >= hard:
            yield f"{node.name} has soft_time_limit {soft} and time_limit {hard}."


def _stop(c: Configuration) -> Iterator[str]:
    for node in c.nodes:
        stop, hard = node.number("TimeoutStopSec"), node.number("time_limit")
        if stop is not None and hard is not None and stop <= hard:
            yield f"{node.name} has TimeoutStopSec {stop} and time_limit {hard}."


def _visibility(c: Configuration) -> Iterator[str]:
    for node in c.nodes:
        visible, hard = node.number("visibility_timeout"), node.number("time_limit")
        if visible is None or hard is None:
            continue
        held = hard * (node.number("prefetch_multiplier") or 1)
        if visible <= held:
            yield f"{node.name} may hold a message for {held} s, the broker hands it out again after {visible} s."


def _consumer(c: Configuration) -> Iterator[str]:
    for node in c.nodes:
        patience, hard = node.number("consumer_timeout"), node.number("time_limit")
        if patience is None or hard is None:
            continue
        held = hard * (node.number("prefetch_multiplier") or 1) * len(str(node.options.get("queues", "")).split(","))
        if patience <= held:
            yield f"{node.name} may hold a message for {held} s, RabbitMQ closes its channel after {patience} s."


def _cap(c: Configuration) -> Iterator[str]:
    for node in c.nodes:
        cap, each = node.number("MemoryMax"), node.number("max_memory_per_child")
        if cap is not None and each is not None and cap < CELERY_PARENT + node.bounds[0] * each // 1024:
            yield f"{node.name} has MemoryMax {cap} MiB for {node.bounds[0]} children of {each // 1024} MiB and the main process."


def _unenforced(c: Configuration) -> Iterator[str]:
    for node in c.nodes:
        if node.options.get("pool") in ("threads", "solo"):
            yield f"{node.name} has pool {node.options['pool']}: no time limit is enforced."


def _prefetch(c: Configuration) -> Iterator[str]:
    for node in c.nodes:
        if (node.number("prefetch_multiplier") or 1) > 1 and (node.number("time_limit") or 0) >= 600:
            yield f"{node.name} has prefetch_multiplier {node.number('prefetch_multiplier')} and tasks of up to {node.number('time_limit')} s."


def _debug(c: Configuration) -> Iterator[str]:
    for node in c.nodes:
        if node.options.get("loglevel") == "DEBUG":
            yield f"{node.name} has loglevel DEBUG."


RULES: tuple[Rule, ...] = (
    Rule("celery-autoscale-reversed", "celery-autoscale-reversed", "warning",
         "--autoscale is maximum,minimum.", "Swap them.", sources.CELERY, _reversed),
    Rule("celery-soft-limit-not-below-hard", "celery-soft-limit-not-below-hard", "error",
         "The soft limit comes before the hard one.", "Lower soft_time_limit.", sources.CELERY, _soft, refuses=True),
    Rule("celery-stop-timeout-kills-tasks", "celery-stop-timeout-kills-tasks", "error",
         "systemd waits for the longest task before it kills.", "Raise TimeoutStopSec above time_limit.", sources.SYSTEMD_SERVICE, _stop, refuses=True),
    Rule("celery-visibility-timeout-redelivery", "celery-visibility-timeout-redelivery", "error",
         "No running or prefetched task is handed out a second time.", "Raise visibility_timeout, or lower time_limit or prefetch_multiplier.",
         sources.REDIS_BROKER, _visibility, refuses=True),
    Rule("celery-consumer-timeout-redelivery", "celery-consumer-timeout-redelivery", "error",
         "RabbitMQ waits for the longest task before it closes a node's channel and hands its tasks out again.",
         "Raise consumer_timeout, there and in RabbitMQ, or lower time_limit or prefetch_multiplier.",
         sources.RABBITMQ, _consumer, refuses=True),
    Rule("celery-memory-cap-too-low", "celery-memory-cap-too-low", "warning",
         "All children at the maximum fit under the node's memory cap.", "Raise MemoryMax, or lower autoscale.", sources.SYSTEMD, _cap, refuses=True),
    Rule("celery-limits-not-enforced", "celery-limits-not-enforced", "warning",
         "Time limits need a pool that can end a task.", "Write pool: prefork.", sources.CELERY, _unenforced),
    Rule("celery-prefetch-high", "celery-prefetch-high", "info",
         "Long tasks do not hold messages back from idle children.", "Write prefetch_multiplier: 1.", sources.CELERY_OPTIMIZING, _prefetch),
    Rule("celery-loglevel-debug", "celery-loglevel-debug", "info",
         "Production does not log task arguments.", "Write loglevel: INFO.", sources.CELERY, _debug),
)  # fmt: skip
