# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may connect to the host, and to whom it may connect."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils import _firewall
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.host import Host
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.model import Finding, control

OPTIONS: dict[str, t.Any] = {
    "rules": {"type": "str", "default": ""},
    "inbound_needs": {"type": "list", "elements": "str", "default": []},
    "outbound_needs": {"type": "list", "elements": "str", "default": []},
}


def look(host: Host, wanted: t.Mapping[str, t.Any]) -> list[Finding]:
    """Look at the rules that the kernel runs."""
    same = runs(host, wanted["rules"])
    return [inbound_is_closed(wanted["inbound_needs"], same), outbound_is_closed(wanted["outbound_needs"], same)]


def runs(host: Host, rules: str) -> bool | None:
    """Whether the kernel runs these rules; None when it cannot be asked."""
    run = functools.partial(host.run_command, handle_exceptions=False)
    try:
        return bool(rules) and _firewall.running(run) == _firewall.meant(run, rules)
    except (_firewall.FirewallError, OSError):
        return None


def _closed(needs: t.Sequence[str], same: bool | None) -> tuple[bool | None, str]:
    if needs:
        return False, f"open; not given: {', '.join(needs)}"
    return same, {True: "the kernel runs the wanted rules", False: "the kernel runs other rules", None: "the kernel cannot be asked"}[same]


@control(
    line="deny",
    against="a service that listens by mistake, and everybody who looks for one",
    proof="the kernel's running rules are compared with what it makes of the wanted ones",
    cost="a new way in has to be written down first",
    wants="security_baseline_network: true, security_baseline_network_management_networks and the balancer's networks",
)
def inbound_is_closed(needs: t.Sequence[str], same: bool | None) -> tuple[bool | None, str]:
    """Judge the way in. needs: variables that are missing; same: whether the kernel runs the wanted rules."""
    return _closed(needs, same)


@control(
    line="segments",
    against="a taken-over application that fetches tools or sends data away",
    proof="the kernel's running rules are compared with what it makes of the wanted ones",
    cost="everything that the host connects to has to be written down first",
    wants="security_baseline_network: true and security_baseline_network_egress",
)
def outbound_is_closed(needs: t.Sequence[str], same: bool | None) -> tuple[bool | None, str]:
    """Judge the way out. needs: variables that are missing; same: whether the kernel runs the wanted rules."""
    return _closed(needs, same)
