# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about Apache's own numbers, and about Apache behind a load balancer."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity import sources
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.configuration import Configuration
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.constants import SPARE_WORKERS, WORKERS_PER_SLOT
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.rule import HEADROOM_ONLY, MATCHED_ONLY, Rule


def _multiple(c: Configuration) -> Iterator[str]:
    workers, threads = c.directive("MaxRequestWorkers"), c.directive("ThreadsPerChild")
    if workers % threads:
        yield f"MaxRequestWorkers {workers} is not a multiple of ThreadsPerChild {threads}; Apache runs {workers // threads * threads} (AH00513)."


def _within_limit(c: Configuration) -> Iterator[str]:
    most = c.directive("ServerLimit") * c.directive("ThreadsPerChild")
    if c.directive("MaxRequestWorkers") > most:
        yield f"MaxRequestWorkers {c.directive('MaxRequestWorkers')} exceeds ServerLimit x ThreadsPerChild = {most} (AH00515)."


def _thread_limit(c: Configuration) -> Iterator[str]:
    if c.directive("ThreadsPerChild") > c.directive("ThreadLimit"):
        yield f"ThreadsPerChild {c.directive('ThreadsPerChild')} exceeds ThreadLimit {c.directive('ThreadLimit')} (AH00507)."


def _thread_limit_size(c: Configuration) -> Iterator[str]:
    limit = c.directive("ThreadLimit")
    if limit > 256 and limit > 8 * c.directive("ThreadsPerChild"):
        yield f"ThreadLimit {limit} reserves memory for {limit} threads per child, {c.directive('ThreadsPerChild')} run."


def _server_limit_size(c: Configuration) -> Iterator[str]:
    limit = c.directive("ServerLimit")
    if limit > 64 and limit > 4 * c.children:
        yield f"ServerLimit {limit} reserves a scoreboard for {limit} children, {c.children} can run."


def _start(c: Configuration) -> Iterator[str]:
    start, threads = c.directive("StartServers"), c.directive("ThreadsPerChild")
    if start * threads > max(c.directive("MaxRequestWorkers"), threads):
        yield f"StartServers {start} x {threads} threads exceeds MaxRequestWorkers {c.directive('MaxRequestWorkers')}; {c.children} children start."


def _start_spare(c: Configuration) -> Iterator[str]:
    start = min(c.directive("StartServers"), c.children) * c.directive("ThreadsPerChild")
    if start > max(c.directive("MaxSpareThreads"), c.directive("MinSpareThreads") + c.directive("ThreadsPerChild")):
        yield f"{start} threads are started, but only {c.directive('MaxSpareThreads')} may be idle: children are reaped at once."


def _spare_multiple(c: Configuration) -> Iterator[str]:
    threads = c.directive("ThreadsPerChild")
    if c.directive("MaxSpareThreads") >= c.directive("MaxRequestWorkers"):
        return  # a fixed pool neither grows nor shrinks by these numbers
    for name in ("MinSpareThreads", "MaxSpareThreads"):
        if c.directive(name) % threads:
            yield f"{name} {c.directive(name)} is not a multiple of ThreadsPerChild {threads}."


def _spare_gap(c: Configuration) -> Iterator[str]:
    least = c.directive("MinSpareThreads") + c.directive("ThreadsPerChild")
    if c.directive("MaxSpareThreads") < least:
        yield f"MaxSpareThreads {c.directive('MaxSpareThreads')} is below MinSpareThreads + ThreadsPerChild; Apache silently uses {least + 1}."


def _fixed_pool(c: Configuration) -> Iterator[str]:
    if c.idle_timeout is not None and c.directive("MaxSpareThreads") < c.directive("MaxRequestWorkers"):
        yield f"MaxSpareThreads {c.directive('MaxSpareThreads')} is below MaxRequestWorkers {c.directive('MaxRequestWorkers')}: idle children are reaped."


def _scoreboard(c: Configuration) -> Iterator[str]:
    if c.directive("ServerLimit") <= c.children:
        yield f"ServerLimit {c.directive('ServerLimit')} has no place beside the {c.children} running children."


def _few_children(c: Configuration) -> Iterator[str]:
    if c.children < 2:
        yield f"one child carries all {c.directive('MaxRequestWorkers')} workers."
    elif c.children == 2 and c.directive("MaxConnectionsPerChild"):
        yield f"2 children carry all workers, and each ends after {c.directive('MaxConnectionsPerChild')} connections."


def _short_lived(c: Configuration) -> Iterator[str]:
    if 0 < c.directive("MaxConnectionsPerChild") < 1000:
        yield f"MaxConnectionsPerChild {c.directive('MaxConnectionsPerChild')} keeps children in graceful shutdown most of the time."


def _keepalive(c: Configuration) -> Iterator[str]:
    if c.idle_timeout is not None and c.directive("KeepAliveTimeout") <= c.idle_timeout:
        yield f"KeepAliveTimeout {c.directive('KeepAliveTimeout')} is not above the load balancer's idle timeout of {c.idle_timeout:g} s."


def _preconnect(c: Configuration) -> Iterator[str]:
    found = re.search(r"header=(\d+)", str(c.apache.get("RequestReadTimeout", "header=20")))
    if c.idle_timeout is not None and found and 0 < int(found.group(1)) <= c.idle_timeout:
        yield f"RequestReadTimeout header={found.group(1)} ends connections that the load balancer has opened ahead of requests."


def _timeout(c: Configuration) -> Iterator[str]:
    wanted = c.longest if c.longest is not None else c.idle_timeout
    if wanted is not None and c.directive("Timeout") < wanted:
        yield f"Timeout {c.directive('Timeout')} is below {wanted:g} s."


def _lb_idle(c: Configuration) -> Iterator[str]:
    if c.idle_timeout is not None and c.idle_timeout > 300:
        yield f"the load balancer's idle timeout is {c.idle_timeout:g} s."


def _keepalive_requests(c: Configuration) -> Iterator[str]:
    if c.directive("MaxKeepAliveRequests") == 0:
        yield "MaxKeepAliveRequests is 0, no limit."


def _graceful(c: Configuration) -> Iterator[str]:
    if c.longest is not None and 0 < c.directive("GracefulShutdownTimeout") < c.longest:
        yield f"GracefulShutdownTimeout {c.directive('GracefulShutdownTimeout')} is below the slowest wanted request of {c.longest:g} s."


def _covers_daemons(c: Configuration) -> Iterator[str]:
    if c.directive("MaxRequestWorkers") < c.slots:
        yield f"MaxRequestWorkers {c.directive('MaxRequestWorkers')} is below the {c.slots} slots (processes x threads) of all daemon groups: " \
              f"{c.slots - c.directive('MaxRequestWorkers')} of them can never work. MaxRequestWorkers must be at least {c.slots}."  # fmt: skip


def _headroom(c: Configuration) -> Iterator[str]:
    if c.slots <= c.directive("MaxRequestWorkers") < WORKERS_PER_SLOT * c.slots:
        yield f"MaxRequestWorkers {c.directive('MaxRequestWorkers')} is below {WORKERS_PER_SLOT} x {c.slots} daemon slots."


def _queue_room(c: Configuration) -> Iterator[str]:
    need = c.slots + sum(daemon.option("listen-backlog") for daemon in c.daemons) + SPARE_WORKERS
    if c.daemons and c.slots <= c.directive("MaxRequestWorkers") < need:
        yield f"MaxRequestWorkers {c.directive('MaxRequestWorkers')} is below slots + listen-backlog of all daemon groups + {SPARE_WORKERS} = {need}."


def _matched(c: Configuration) -> Iterator[str]:
    spare = c.directive("MaxRequestWorkers") - c.slots
    if c.slots and spare >= max(32, 2 * c.directive("ThreadsPerChild"), c.slots // 8 + 1):
        yield f"MaxRequestWorkers {c.directive('MaxRequestWorkers')} is {spare} above the {c.slots} daemon slots."


RULES: tuple[Rule, ...] = (
    Rule("max-request-workers-not-multiple", "max-request-workers-not-multiple", "warning",
         "MaxRequestWorkers is a whole number of children.", "Write a multiple of ThreadsPerChild.", sources.MPM, _multiple, refuses=True),
    Rule("max-request-workers-exceeds-server-limit", "max-request-workers-exceeds-server-limit", "warning",
         "ServerLimit x ThreadsPerChild bounds MaxRequestWorkers.", "Raise ServerLimit.", sources.MPM, _within_limit, refuses=True),
    Rule("threads-per-child-exceeds-thread-limit", "threads-per-child-exceeds-thread-limit", "warning",
         "ThreadLimit bounds ThreadsPerChild.", "Raise ThreadLimit to ThreadsPerChild.", sources.MPM, _thread_limit, refuses=True),
    Rule("thread-limit-excessive", "thread-limit-excessive", "warning",
         "ThreadLimit is near ThreadsPerChild.", "Write ThreadsPerChild's value.", sources.MPM, _thread_limit_size),
    Rule("server-limit-excessive", "server-limit-excessive", "warning",
         "ServerLimit is near the children that can run.", "Write twice MaxRequestWorkers / ThreadsPerChild.", sources.MPM, _server_limit_size),
    Rule("start-servers-exceeds-capacity", "start-servers-exceeds-capacity", "warning",
         "The children started at once fit into MaxRequestWorkers.", "Write StartServers = MaxRequestWorkers / ThreadsPerChild.",
         sources.MPM, _start, refuses=True),
    Rule("start-servers-exceeds-max-spare", "start-servers-exceeds-max-spare", "warning",
         "Children that are started are not reaped at once.", "Raise MaxSpareThreads to MaxRequestWorkers.", sources.measured(3), _start_spare),
    Rule("spare-threads-not-multiple", "spare-threads-not-multiple", "info",
         "Spare threads come and go with whole children.", "Write multiples of ThreadsPerChild.", sources.MPM, _spare_multiple),
    Rule("max-spare-threads-too-low", "max-spare-threads-too-low", "warning",
         "MaxSpareThreads leaves room for one child above MinSpareThreads.", "Raise MaxSpareThreads.", sources.EVENT, _spare_gap),
    Rule("pool-not-fixed", "max-spare-threads-too-low", "warning",
         "Behind a load balancer no child is reaped: its idle connections would be closed under requests.",
         "Write MaxSpareThreads = MaxRequestWorkers.", sources.measured(3), _fixed_pool),
    Rule("scoreboard-no-headroom", "scoreboard-no-headroom", "warning",
         "The scoreboard has places for children that still finish after a reload; else new ones cannot start.",
         "Write ServerLimit = 2 x MaxRequestWorkers / ThreadsPerChild.", sources.measured(13), _scoreboard),
    Rule("few-large-children", "few-large-children", "warning",
         "Enough children are left when some of them end.", "Lower ThreadsPerChild, or let no child retire.", sources.MPM, _few_children),
    Rule("max-connections-per-child-low", "max-connections-per-child-low", "warning",
         "Children live long.", "Write MaxConnectionsPerChild 0.", sources.MPM, _short_lived),
    Rule("keepalive-shorter-than-lb", "keepalive-shorter-than-lb", "warning",
         "Apache keeps an idle connection longer than the load balancer, or requests meet a closed connection (502).",
         "Raise KeepAliveTimeout above the idle timeout.", sources.ALB, _keepalive, refuses=True),
    Rule("reqtimeout-vs-lb-preconnect", "reqtimeout-vs-lb-preconnect", "warning",
         "A connection may wait for its first header as long as the load balancer keeps it.",
         "Write RequestReadTimeout header= above the idle timeout.", sources.REQTIMEOUT, _preconnect),
    Rule("timeout-shorter-than-lb", "timeout-shorter-than-lb", "info",
         "Timeout bears the silence of the slowest wanted request.", "Raise Timeout.", sources.CORE, _timeout),
    Rule("lb-idle-timeout-excessive", "lb-idle-timeout-excessive", "info",
         "Long work does not hold a request open.", "Lower the idle timeout and move long work into tasks.", sources.ALB, _lb_idle),
    Rule("keepalive-requests-unlimited", "keepalive-requests-unlimited", "info",
         "A connection ends some time.", "Write MaxKeepAliveRequests 10000.", sources.CORE, _keepalive_requests),
    Rule("graceful-shutdown-too-short", "graceful-shutdown-too-short", "warning",
         "A graceful stop waits for the slowest wanted request.", "Raise GracefulShutdownTimeout.", sources.MPM, _graceful, refuses=True),
    Rule("frontend-smaller-than-daemons", "frontend-smaller-than-daemons", "warning",
         "Each daemon slot can be reached by a worker.", "Raise MaxRequestWorkers, or lower processes or threads.",
         sources.measured(4), _covers_daemons, refuses=True),
    Rule("frontend-without-headroom", "frontend-without-headroom", "warning",
         "Requests that wait for a daemon leave workers for static files and other applications.",
         "Raise MaxRequestWorkers, or choose policy matched.", sources.measured(4), _headroom, HEADROOM_ONLY, refuses=True),
    Rule("daemon-queue-cannot-fill", "daemon-queue-cannot-fill", "warning",
         "Overload is turned away by the daemons' queues before Apache has no worker left.",
         "Raise MaxRequestWorkers, or lower listen-backlog.", sources.measured(6), _queue_room, HEADROOM_ONLY, refuses=True),
    Rule("frontend-not-matched", "frontend-not-matched", "warning",
         "Under policy matched Apache has one worker per daemon slot.", "Remove the pin of MaxRequestWorkers.", sources.MODEL, _matched, MATCHED_ONLY),
)  # fmt: skip
