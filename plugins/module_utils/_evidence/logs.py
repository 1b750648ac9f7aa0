# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether it is written down who did what, and whether that leaves the host."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.host import Host
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.model import Finding, control

UNITS = {"B": 1 / 2**20, "K": 1 / 2**10, "M": 1, "G": 2**10, "T": 2**20}  # of journalctl, in MiB
OPTIONS: dict[str, t.Any] = {
    "journal_mib": {"type": "int", "default": 0},
    "audit_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "receiver_port": {"type": "int", "default": 0},
}


def look(host: Host, wanted: t.Mapping[str, t.Any]) -> list[Finding]:
    """Look at the journal, the kernel's rules and the connection to the receiver."""
    machine = (host.read("/etc/machine-id") or "").strip()
    port = wanted["receiver_port"]
    return [
        actions_are_kept(host.age(f"/var/log/journal/{machine}/system.journal") is not None, host.run("journalctl", "--disk-usage"), wanted["journal_mib"]),
        changes_name_their_author(host.run("journalctl", "--since=-1h", "--lines=1", "--output=cat", "--grep=^(run=|user=).*Invoked with ")),
        audit_rules_are_loaded((host.read("/run/systemd/container") or "").strip(), host.run("auditctl", "-l"), wanted["audit_keys"]),
        logs_are_forwarded(port, host.run("ss", "-Htn", "state", "established", f"dport = :{port}") if port else ""),
    ]


@control(
    line="retention",
    against="an intruder's login, sudo and commands forgotten with the next reboot, or crowded out by noise",
    proof="the journal's files on disk, and how much they take",
    cost="disk, at most security_baseline_logs_journal_mib",
    wants="a journal that outlives a reboot and is bounded; security_baseline_logs: true",
)
def actions_are_kept(persistent: bool, usage: str, bound: int) -> tuple[bool | None, str]:
    """Judge the journal. usage: what ``journalctl --disk-usage`` says; bound: MiB, 0 when nobody set one."""
    found = re.search(r"take up ([\d.]+)([BKMGT])", usage)
    size = float(found.group(1)) * UNITS[found.group(2)] if found else 0.0
    saw = f"{'on disk' if persistent else 'in memory only'}, {size:.0f} MiB of {bound or 'any number of'} MiB"
    return persistent and bound > 0 and size <= bound, saw


@control(
    line="reviews",
    against="a change by Ansible that nobody can trace to a person and a reviewed commit",
    proof="the newest line of a module in the host's journal",
    cost="none",
    wants="user, from and the inventory's commit before each module; the collection's playbooks or callback evenkeel.wsgi.change_log",
)
def changes_name_their_author(line: str) -> tuple[bool | None, str]:
    """Judge what Ansible wrote into the host's log. line: its words, empty when there is none."""
    words = dict(word.split("=", 1) for word in line.partition("Invoked with")[0].split() if "=" in word)
    saw = " ".join(f"{key}={words[key]}" for key in ("user", "from", "inventory") if key in words)
    return {"user", "from"} <= set(words), saw or "no module's line says who ran it"


@control(
    line="sensitive",
    against="somebody who reads secrets or data about people, or gives rights to himself, unseen",
    proof="the rules that the kernel holds",
    cost="one line for each such access; security_baseline_logs_sensitive_paths names the data",
    wants="all rules of /etc/audit/rules.d/60-evenkeel.rules in the kernel; security_baseline_logs: true",
)
def audit_rules_are_loaded(container: str, rules: str, keys: t.Sequence[str]) -> tuple[bool | None, str]:
    """Judge the kernel's audit. container: its kind, empty on a machine; rules: what ``auditctl -l`` lists; keys: those that must be there."""
    if container:
        return None, f"a container ({container}): its machine's kernel keeps the audit"
    missing = [key for key in keys if f"key={key}" not in rules and f"-k {key}" not in rules]
    return bool(keys) and not missing, f"no rule for {', '.join(missing)}" if missing else f"rules for {', '.join(keys) or 'nothing'}"


@control(
    line="retention",
    against="an intruder who wipes the logs of the host he took",
    proof="the established connection to the receiver, which asks for a certificate and shows one",
    cost="a receiver, and on disk at most security_baseline_logs_spool_mib while it is away",
    wants="a connection to a receiver of logs; security_baseline_logs_receiver",
)
def logs_are_forwarded(port: int, connections: str) -> tuple[bool | None, str]:
    """Judge the way to the receiver. port: 0 when there is none; connections: what ``ss`` lists of those to it."""
    if not port:
        return False, "no receiver is named"
    peers = [line.split()[3] for line in connections.splitlines() if len(line.split()) > 3]
    return bool(peers), f"connected to {peers[0]}" if peers else f"no connection to port {port}"
