# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's packet filter as a module sees it: our table only, compared with what the kernel itself would make of the wanted rules."""

from __future__ import annotations

import tempfile
import typing as t

TABLE = "evenkeel"
RULES = "/etc/evenkeel/firewall.nft"
UNIT = "evenkeel-firewall.service"
UNIT_PATH = f"/etc/systemd/system/{UNIT}"
REVERT = "evenkeel-firewall-revert"
"""The transient timer that takes the former rules back."""
BEFORE = "/run/evenkeel-firewall-before.nft"
"""The rules that it takes back. On /run: after a restart of the host there is nothing to take back, because nothing was stored yet."""
UNIT_TEXT = f"""\
# Role: evenkeel.wsgi.security_baseline
# Off by hand: systemctl stop {UNIT}    For good: systemctl disable --now {UNIT}

[Unit]
Description=Who may connect to this host, and to whom it may connect
Documentation=file://{RULES}
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
Conflicts=shutdown.target
# The distribution's own rules begin with `flush ruleset`, which takes ours along: come after them, and back whenever they are loaded.
After=local-fs.target nftables.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f {RULES}
ExecReload=/usr/sbin/nft -f {RULES}
ExecStop=/usr/sbin/nft delete table inet {TABLE}
CapabilityBoundingSet=CAP_NET_ADMIN
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
"""

Run = t.Callable[..., tuple[int, str, str]]
"""A module's run_command."""
LIST = ["nft", "--stateless", "--terse", "list", "table", "inet", TABLE]


class FirewallError(Exception):
    """What cannot be done; the text says why and what to change."""


def running(run: Run) -> str:
    """Return our table as the kernel has it, without what it counts and remembers; empty when it has none."""
    code, out, err = run(LIST)
    if code and "No such file or directory" not in err:
        raise FirewallError(f"nft cannot list the rules: {err.strip()}")
    return "" if code else out


def meant(run: Run, rules: str) -> str:
    """Return what the kernel makes of rules, loaded in a network of their own that ends at once; refuse what it refuses."""
    with tempfile.NamedTemporaryFile("w", suffix=".nft") as file:
        file.write(rules)
        file.flush()
        code, out, err = run(["unshare", "--net", "sh", "-c", 'nft -f "$0" && exec "$@"', file.name, *LIST])
    if code or not out:
        raise FirewallError(f"nft refuses the rules, and nothing was changed: {(err or 'they make no table inet ' + TABLE).strip()}")
    return out


def back_to(former: str) -> str:
    """Return the script that makes our table the former one again, or takes it away."""
    return f"table inet {TABLE}\ndelete table inet {TABLE}\n{former}"
