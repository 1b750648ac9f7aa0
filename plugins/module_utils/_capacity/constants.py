# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every constant of the capacity model with its source.

"finding n" is one of docs/capacity.md, "model" the model of the project's measurements: 2 vCPU, Debian 13, Apache 2.4.68 event,
mod_wsgi 5.0.2. They come from one machine; docs/capacity.md tells how each one enters the plan.
"""

from __future__ import annotations

from collections.abc import Mapping

# --- CPU -------------------------------------------------------------------------------------------------------------
CPU_SHARE: Mapping[str, float] = {"cpu": 1.0, "mixed": 0.25, "io": 0.05}
"""Share of a request's unloaded time that needs a CPU, per workload: rendering only; a page with a few queries; a gateway."""

LIBPYTHON_FACTOR: Mapping[str, float] = {"3.13": 1.38, "3.11": 1.24}
"""CPU time of Python inside Debian's mod_wsgi relative to /usr/bin/python3 (finding 9: shared libpython)."""
LIBPYTHON_FACTOR_DEFAULT = 1.38

REQUEST_OVERHEAD_S = 0.0003
"""CPU that Apache and mod_wsgi themselves spend on a request (model)."""

USABLE_CPU = 0.8
"""Share of the CPUs that requests may plan with; the rest is the system's and the variance's (model)."""

SATURATION = 2.0
"""Slots per slot that keeps the CPUs busy on average. With 1/f slots per CPU the machine-repair model keeps a CPU of
exponential work 79 % busy (f = 0.25), with 2/f 99 %: more only lengthens the tail (finding 2)."""

RUNNABLE_PER_CPU = 8
"""Upper bound of slots x CPU share per vCPU (model): above it every request waits for the CPU, none gains."""

PROCESSES_PER_CPU = 3
"""Upper bound of one group's processes per vCPU (model)."""

DEMAND_MARGIN = 1.3
"""Slots per concurrently running request of the stated rate (model)."""

MIN_THREADS, MAX_THREADS, MAX_THREADS_IDLE = 2, 25, 64
"""Threads per daemon process; the last for requests that use the CPU less than IDLE_SHARE of their time (model)."""
IDLE_SHARE = 0.02

# --- Memory, MiB -----------------------------------------------------------------------------------------------------
SYSTEM_BASE, SYSTEM_SHARE, SYSTEM_MAX = 160, 0.04, 2048
"""Kernel, systemd, sshd, journald and a monitoring agent: a base and a share of the memory, up to a maximum."""

MARGIN_SHARE = 0.12
"""Kept free for growth and page cache. With the system's reserve it is the 0.8 of the model on a 2 GiB host."""

THREAD_MIB = 0.2
"""One more thread of a daemon process (finding 10: 0.1 to 0.2)."""

APACHE_BASE, APACHE_CHILD, APACHE_WORKER = 16.0, 5.0, 0.2
"""Apache's parent with its modules and pipes; one child; one worker thread with the buffers of its connection."""

APP_MEMORY = 120
"""Default memory of one daemon process (finding 10: 60 to 150 for a Django-size application)."""

CELERY_PARENT = 100
"""The main process of a Celery node: it imports the application, but runs no task."""
CELERY_CHILD = 150
CELERY_OVERSHOOT = 1.15
"""Headroom of a node's MemoryMax: max_memory_per_child is looked at only after a task has ended."""

REDIS_VISIBILITY = 3600
"""kombu's default for Redis: a message not acknowledged for so long is handed out again."""
RABBITMQ_CONSUMER = 1800
"""RabbitMQ's default consumer_timeout, s: it closes the channel of a message not acknowledged for so long, and hands out again what that held."""

# --- Apache ----------------------------------------------------------------------------------------------------------
WORKERS_PER_SLOT = 2.5
"""MaxRequestWorkers per daemon slot (finding 4: 2.5 was enough, 1.7 was not)."""
HEADROOM = 1.25
"""MaxRequestWorkers per request that runs in or waits for a daemon (model)."""
SPARE_WORKERS = 16
"""Workers besides all daemon requests, for static files and the status page."""
WORKERS_ALONE = 150
"""MaxRequestWorkers of a host without an application: the distribution's."""
MIN_CHILDREN, MIN_TPC, MAX_TPC = 2, 16, 256
"""At least two children, so that one that ends never takes the service along; about as many as CPUs (more contend for the same locks)."""
SCOREBOARD_GENERATIONS = 2
"""ServerLimit per running child. A child that ends gracefully keeps its scoreboard slot until its last connection is
done. With ServerLimit equal to the running children, one slow download per child makes a reload an outage (AH03490) that lasts as
long as the downloads; with twice as many slots the next request is answered (finding 13)."""

LISTEN_BACKLOG = 4096
"""Finding 5: a burst of 1000 overflows 511, not 4096."""
DAEMON_BACKLOG_MIN, DAEMON_BACKLOG_MAX = 8, 100
"""listen-backlog of a daemon group; 100 is mod_wsgi's own default and called generous by its author."""
