# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about daemon groups."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity import sources
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.configuration import Configuration, Daemon
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.constants import (
    DAEMON_BACKLOG_MAX,
    IDLE_SHARE,
    MAX_THREADS,
    MAX_THREADS_IDLE,
    RUNNABLE_PER_CPU,
)
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.mod_wsgi import known_options
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.rule import Rule

DRAINS = ("graceful-timeout", "eviction-timeout", "shutdown-timeout")


def _threads(c: Configuration) -> Iterator[str]:
    for daemon in c.daemons:
        share = daemon.known("cpu_share")
        most = MAX_THREADS_IDLE if share is not None and share < IDLE_SHARE else MAX_THREADS
        if daemon.option("threads") > most:
            yield f"{daemon.name} has threads={daemon.option('threads')}, above {most}."


def _capacity(c: Configuration) -> Iterator[str]:
    for daemon in c.daemons:
        rate, latency = daemon.known("requests_per_second"), daemon.known("latency_ms")
        if rate is not None and latency is not None and rate * latency / 1000 > daemon.slots:
            yield f"{daemon.name} has {daemon.slots} slots for {rate * latency / 1000:.0f} requests at the same time."


def _explicit_one(c: Configuration) -> Iterator[str]:
    for daemon in c.daemons:
        if daemon.options.get("processes") is not None and daemon.option("processes") == 1:
            yield f"{daemon.name} has processes=1 written out: wsgi.multiprocess becomes True."


def _unsafe(c: Configuration) -> Iterator[str]:
    for daemon in c.daemons:
        if daemon.demand.get("thread_safe") is False and daemon.option("threads") > 1:
            yield f"{daemon.name} is not thread-safe and has threads={daemon.option('threads')}."


def _backlog(c: Configuration) -> Iterator[str]:
    for daemon in c.daemons:
        if daemon.option("listen-backlog") > DAEMON_BACKLOG_MAX:
            yield f"{daemon.name} has listen-backlog={daemon.option('listen-backlog')}."


def _backlog_kernel(c: Configuration) -> Iterator[str]:
    for daemon in c.daemons:
        if c.somaxconn is not None and daemon.option("listen-backlog") > c.somaxconn:
            yield f"{daemon.name} has listen-backlog={daemon.option('listen-backlog')}, the kernel cuts it down to {c.somaxconn}."


def _queue_missing(c: Configuration) -> Iterator[str]:
    for daemon in c.daemons:
        if not daemon.option("queue-timeout"):
            yield f"{daemon.name} has no queue-timeout."


def _queue_lb(c: Configuration) -> Iterator[str]:
    for daemon in c.daemons:
        if c.idle_timeout is not None and daemon.option("queue-timeout") >= c.idle_timeout:
            yield f"{daemon.name} has queue-timeout={daemon.option('queue-timeout')}, the load balancer gives up after {c.idle_timeout:g} s."


def _request_missing(c: Configuration) -> Iterator[str]:
    for daemon in c.daemons:
        if not daemon.option("request-timeout"):
            yield f"{daemon.name} has no request-timeout."


def _shorter(c: Configuration, *names: str) -> Iterator[str]:
    """Yield the timeouts that are set and below the slowest wanted request."""
    for daemon in c.daemons:
        longest = daemon.known("longest_request_s")
        for name in names:
            if longest is not None and 0 < daemon.option(name) <= longest and (daemon.option(name) < longest or name not in DRAINS):
                yield f"{daemon.name} has {name}={daemon.option(name)} and a slowest wanted request of {longest:g} s."


def _request_short(c: Configuration) -> Iterator[str]:
    yield from _shorter(c, "request-timeout")


def _request_lb(c: Configuration) -> Iterator[str]:
    for daemon in c.daemons:
        if c.idle_timeout is not None and daemon.option("request-timeout") >= c.idle_timeout:
            yield f"{daemon.name} has request-timeout={daemon.option('request-timeout')}, the load balancer gives up after {c.idle_timeout:g} s without a byte."


def _request_long(c: Configuration) -> Iterator[str]:
    for daemon in c.daemons:
        if daemon.option("request-timeout") > max(300.0, 4 * (daemon.known("longest_request_s") or 0)):
            yield f"{daemon.name} has request-timeout={daemon.option('request-timeout')}."


def _drain(c: Configuration) -> Iterator[str]:
    yield from _shorter(c, *DRAINS)


def _recycled(c: Configuration) -> Iterator[str]:
    for daemon in c.daemons:
        each = (daemon.known("requests_per_second") or 0) / daemon.option("processes")
        if 0 < daemon.option("maximum-requests") < max(10000.0, each * 3600):
            often = f", reached every {daemon.option('maximum-requests') / each:.0f} s" if each else ""
            yield f"{daemon.name} has maximum-requests={daemon.option('maximum-requests')}{often}."


def _socket_long(c: Configuration) -> Iterator[str]:
    for daemon in c.daemons:
        allowed = 60 + 2 * (daemon.option("queue-timeout") + max(daemon.option("request-timeout"), daemon.known("longest_request_s") or 120))
        if daemon.option("socket-timeout") > allowed:
            yield f"{daemon.name} has socket-timeout={daemon.option('socket-timeout')}: an Apache worker hangs so long on a dead daemon."


def _socket_short(c: Configuration) -> Iterator[str]:
    yield from _shorter(c, "socket-timeout")


def _runnable(c: Configuration) -> Iterator[str]:
    shares = [(daemon, daemon.known("cpu_share")) for daemon in c.daemons]
    if c.vcpus is None or any(share is None for _daemon, share in shares):
        return
    running = sum(daemon.slots * (share or 0) for daemon, share in shares)
    # one process per group is the least there can be
    least = sum(daemon.option("threads") * (share or 0) for daemon, share in shares)
    if running > RUNNABLE_PER_CPU * c.vcpus + least + 1e-6:
        yield f"all slots busy want {running:.0f} CPUs, the host has {c.vcpus:g}."


def _unknown_option(c: Configuration) -> Iterator[str]:
    if c.mod_wsgi is None:
        return
    for daemon in c.daemons:
        for name in _unknown(daemon, c.mod_wsgi):
            yield f"{daemon.name} has {name}, which mod_wsgi {c.mod_wsgi} does not know: Apache would not start."


def _unknown(daemon: Daemon, version: str) -> list[str]:
    """Return the options of a group that a version does not know."""
    known = known_options(version)
    return [name for name in daemon.options if name not in known]


RULES: tuple[Rule, ...] = (
    Rule("daemon-threads-too-high", "daemon-threads-too-high", "warning",
         "Threads of one process share one interpreter lock: more of them lengthen the tail, not the throughput.",
         "Lower threads and raise processes, or state the CPU share.", sources.measured(2), _threads),
    Rule("daemon-capacity-too-small", "daemon-capacity-too-small", "warning",
         "There are slots for the requests that run at the same time.", "Raise processes or threads.", sources.measured(1), _capacity),
    Rule("processes-1-explicit", "processes-1-explicit", "info",
         "One process is not written out.", "Remove processes=1.", sources.WSGI, _explicit_one),
    Rule("thread-unsafe-with-threads", "thread-unsafe-with-threads", "error",
         "An application that is not thread-safe runs one request per process.", "Write threads: 1 and more processes.",
         sources.measured(8), _unsafe, refuses=True),
    Rule("listen-backlog-raised", "listen-backlog-raised", "warning",
         "A daemon's queue is no longer than it can serve in time; 100 is generous.", "Lower listen-backlog, add slots.", sources.measured(6), _backlog),
    Rule("daemon-backlog-above-somaxconn", "listen-backlog-raised", "warning",
         "The kernel allows a queue as long as it is planned.", "Lower listen-backlog, or raise net.core.somaxconn.",
         sources.LISTEN, _backlog_kernel, refuses=True),
    Rule("queue-timeout-missing", "queue-timeout-missing", "info",
         "A request that waited too long is turned away.", "Write a queue-timeout of the target p99 less the service time.",
         sources.measured(6), _queue_missing),
    Rule("queue-timeout-not-below-lb", "request-timeout-not-below-lb", "warning",
         "A request leaves the queue before its client has left.", "Lower queue-timeout below the idle timeout.", sources.ALB, _queue_lb),
    Rule("request-timeout-missing", "request-timeout-missing", "info",
         "A process full of stuck requests is restarted.", "Write a request-timeout above the slowest wanted request.", sources.WSGI, _request_missing),
    Rule("request-timeout-below-longest", "request-timeout-missing", "warning",
         "request-timeout is above the slowest wanted request: it restarts the process and kills its neighbours.",
         "Raise request-timeout, or lower longest_request_s.", sources.WSGI, _request_short, refuses=True),
    Rule("request-timeout-not-below-lb", "request-timeout-not-below-lb", "warning",
         "A request ends before the load balancer gives up, unless it sends bytes meanwhile.",
         "Lower request-timeout and longest_request_s, or raise the idle timeout.", sources.ALB, _request_lb),
    Rule("request-timeout-excessive", "request-timeout-excessive", "warning",
         "A stuck process is found within minutes.", "Lower request-timeout.", sources.WSGI, _request_long),
    Rule("drain-shorter-than-longest", "graceful-timeout-missing", "warning",
         "A process that ends finishes its requests.", "Raise graceful-, eviction- and shutdown-timeout to the slowest wanted request.",
         sources.WSGI, _drain, refuses=True),
    Rule("maximum-requests-low", "maximum-requests-low", "warning",
         "Processes are not recycled every few minutes.", "Remove maximum-requests, or raise it and mend the leak.", sources.WSGI, _recycled),
    Rule("socket-timeout-too-long", "socket-timeout-too-long", "warning",
         "socket-timeout is near queue-timeout + request-timeout.", "Lower socket-timeout.", sources.WSGI, _socket_long),
    Rule("socket-timeout-below-longest", "socket-timeout-below-longest", "warning",
         "Apache waits for the slowest wanted request.", "Raise socket-timeout.", sources.WSGI, _socket_short, refuses=True),
    Rule("cpu-oversubscribed", "cpu-oversubscribed", "warning",
         f"Busy slots want at most {RUNNABLE_PER_CPU} CPUs per vCPU.", "Lower processes or threads.", sources.MODEL, _runnable),
    Rule("option-unknown-to-version", "option-unknown-to-version", "error",
         "The installed mod_wsgi knows every option.", "Remove the option.", sources.WSGI, _unknown_option, refuses=True),
)  # fmt: skip
