# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether there is a backup that the host cannot delete and that was restored. The program that does it all writes down how it went."""

from __future__ import annotations

import json
import time
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.host import Host
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.model import Finding, control

OPTIONS: dict[str, t.Any] = {
    "repository": {"type": "str", "default": ""},
    "state": {"type": "path", "default": "/var/lib/evenkeel-backup/state.json"},
    "max_age_h": {"type": "int", "default": 26},
    "drill_max_age_days": {"type": "int", "default": 8},
}
NOWHERE = "no repository"


def look(host: Host, wanted: t.Mapping[str, t.Any]) -> list[Finding]:
    """Look at what became of the runs."""
    text = host.read(wanted["state"]) if wanted["repository"] else None
    state, now = json.loads(text or "{}"), time.time()
    drill_limit = wanted["drill_max_age_days"] * 86400
    return [
        backups_are_made(wanted["repository"], state.get("backup", {}), now, wanted["max_age_h"] * 3600),
        backups_are_isolated(wanted["repository"], state.get("append_only", {}), now, drill_limit),
        restores_are_tested(wanted["repository"], state.get("drill", {}), now, drill_limit),
    ]


def recent(repository: str, run: t.Mapping[str, t.Any], now: float, limit_s: float) -> tuple[bool | None, str]:
    """Judge a run. run: at (its last success), failed and says (its last run); empty when it never ran."""
    if not repository:
        return False, NOWHERE
    age = f"last success {(now - run['at']) / 3600:.1f} h ago" if run.get("at") else "never succeeded"
    failed = f"; the last run failed: {run.get('says', '')}" if run.get("failed") else ""
    return bool(run.get("at")) and now - run["at"] <= limit_s and not run.get("failed"), f"{age}{failed}"


@control(
    line="backups",
    against="a lost disk, a wrong DELETE, a host taken over",
    proof="age and result of the last backup, as its program wrote them down",
    cost="a second host, disk for 35 days, bandwidth up to security_baseline_backup_bandwidth_kib at night",
    wants="security_baseline_backup_repository, then a backup not older than security_baseline_backup_max_age_h: systemctl start evenkeel-backup",
)
def backups_are_made(repository: str, run: t.Mapping[str, t.Any], now: float, limit_s: float) -> tuple[bool | None, str]:
    """Judge the last backup."""
    return recent(repository, run, now, limit_s)


@control(
    line="backups",
    against="ransomware that deletes the backups first",
    proof="each drill tries to delete a snapshot made for that, and looks whether it is still there",
    cost="only the repository's host can forget, and it holds the passwords",
    wants="an append-only repository (entry point backup_repository), then a drill: systemctl start evenkeel-restore-drill",
)
def backups_are_isolated(repository: str, tried: t.Mapping[str, t.Any], now: float, limit_s: float) -> tuple[bool | None, str]:
    """Judge the last attempt to delete. tried: at, ok."""
    if not repository:
        return False, NOWHERE
    if not tried:
        return False, "never tried"
    said = "could not delete its own snapshot" if tried["ok"] else "could delete its own snapshot"
    return bool(tried["ok"]) and now - tried["at"] <= limit_s, f"{said} {(now - tried['at']) / 3600:.1f} h ago"


@control(
    line="backups",
    against="backups that nobody can restore",
    proof="age and result of the last restore into a scratch folder, where every file's SHA-256 was compared",
    cost="room for one restore below /var/lib/evenkeel-backup, once a week",
    wants="a restore not older than security_baseline_backup_drill_max_age_days: systemctl start evenkeel-restore-drill",
)
def restores_are_tested(repository: str, run: t.Mapping[str, t.Any], now: float, limit_s: float) -> tuple[bool | None, str]:
    """Judge the last restore."""
    return recent(repository, run, now, limit_s)
