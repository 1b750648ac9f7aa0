# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting until Celery's nodes are up, and saying in their own words why one is not."""

from __future__ import annotations

import hashlib
import json
import os
import time
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils import _celery_nodes as core
from ansible_collections.evenkeel.wsgi.plugins.module_utils._files import read_or_none


def children(pid: int) -> bool:
    """Whether a process has child processes."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            status = read_or_none(f"/proc/{entry}/stat") or b""
            if status.rpartition(b")")[2].split()[1:2] == [str(pid).encode()]:
                return True
    return False


def settle(host: t.Any, nodes: t.Collection[str], patience: int) -> None:
    """Wait until nodes that were started have shown that they stay up; fail with their own words when they do not."""
    begin = time.monotonic()
    waiting = {node: host.states([core.unit(node)])[core.unit(node)] for node in nodes}
    while waiting:
        now = host.states(core.unit(node) for node in waiting)
        for node, first in list(waiting.items()):
            state = now[core.unit(node)]
            if not state.active or state.main_pid != first.main_pid:
                _code, said, _err = host.module.run_command(["journalctl", "--no-pager", "--output=cat", "--lines=15", f"--unit={core.unit(node)}"])
                raise core.NodesError(
                    f"node {node} does not stay up (systemd says {state.sub}). Look at `journalctl -u {core.unit(node)}`, "
                    f"correct the application or the node and run again. It said last:\n{said.strip()}"
                )
            if children(state.main_pid) or time.monotonic() - begin > patience:
                del waiting[node]
        if waiting:
            time.sleep(0.3)


def taken_up(host: t.Any, node: dict[str, t.Any], programs: dict[str, str]) -> None:
    """Wait until a unit that reads its files by itself has done so and all that it runs is up, however long tasks take."""
    wanted = {path: hashlib.sha256(programs[path].encode()).hexdigest() for path in node["takes_up"]}
    name = core.unit(node["name"])
    while True:
        said = json.loads(read_or_none(node["state"]) or b"{}")
        if said.get("loaded") == wanted:
            if said["failing"]:
                raise core.NodesError(
                    f"node {', '.join(said['failing'])} does not stay up. Look at `journalctl -u {name}` and the node's log, correct the application or the "
                    "node and run again"
                )
            if said["settled"]:
                return
        if not host.states([name])[name].active:
            raise core.NodesError(f"{name} ended while it took up its nodes. Look at `journalctl -u {name}` and run again")
        time.sleep(0.5)
