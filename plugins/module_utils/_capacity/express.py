# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What mod_wsgi-express would configure for the same processes and threads: a comparison, never a policy.

It is the only public tool that computes these numbers; it knows one application, and neither CPU nor memory.
"""

from __future__ import annotations

import math

from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.model import Setting

SOURCE = "mod_wsgi-express 5.0.2 setup-server, its own formulas"
TIMEOUTS = {
    "request-timeout": 60, "queue-timeout": 45, "connect-timeout": 15, "socket-timeout": 60, "graceful-timeout": 15,
    "shutdown-timeout": 5, "deadlock-timeout": 60, "startup-timeout": 15,
}  # fmt: skip


def compare(processes: int, threads: int) -> dict[str, Setting]:
    """Return mod_wsgi-express's numbers for one daemon group."""
    clients = 10 + max(10, int(1.5 * processes * threads))
    per_child = clients // (clients // 20 + 1) if clients > 20 else 10
    limit = math.ceil(clients / per_child)
    found = [
        Setting("ServerLimit", limit, "processes", f"{clients} clients in children of {per_child}", SOURCE),
        Setting("ThreadsPerChild", per_child, "threads", f"{clients} clients in {clients // 20 + 1} parts", SOURCE),
        Setting("MaxRequestWorkers", limit * per_child, "requests", f"10 + 1.5 x {processes} x {threads}, rounded up", SOURCE),
        Setting("StartServers", max(1, int(0.2 * limit)), "processes", "a fifth of ServerLimit", SOURCE),
        Setting("MinSpareThreads", max(per_child, int(0.2 * limit) * per_child), "threads", "a fifth", SOURCE),
        Setting("MaxSpareThreads", max(per_child, int(0.6 * limit) * per_child), "threads", "three fifths", SOURCE),
    ]
    found += [Setting(name, value, "s", "constant", SOURCE) for name, value in TIMEOUTS.items()]
    return {setting.name: setting for setting in found}
