# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets in and what they may do, and whether it ends."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils._access import review
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.host import Host
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.model import Finding, control

FRESH = 300  # s that the program's last run may be ago
OPTIONS: dict[str, t.Any] = {
    "people": {"type": "list", "elements": "str", "default": []},
    "break_glass": {"type": "str", "default": ""},
    "automation": {"type": "str", "default": ""},
    "metrics": {"type": "str", "default": ""},
}


def look(host: Host, wanted: t.Mapping[str, t.Any]) -> list[Finding]:
    """Look at accounts, sudo and sshd."""
    found = review.look(host)
    people = wanted["people"]
    asked = {name: host.run("sshd", "-T", "-C", f"user={name},host=localhost,addr=127.0.0.1") for name in people}
    emergency = next((account for account in found if account.name == wanted["break_glass"]), None)
    metrics = host.read(wanted["metrics"]) if wanted["metrics"] else None
    return [
        access_is_granted(found, [*people, wanted["break_glass"], wanted["automation"]]),
        ssh_is_hardened(host.run("sshd", "-T")),
        people_have_two_factors({name: review.factors(text) for name, text in asked.items() if text}),
        break_glass_is_ready(emergency, metrics),
        access_ends({account.name: account.ends for account in found if account.name in people}, metrics, host.age(wanted["metrics"])),
    ]


@control(
    line="roles",
    against="an account, a key or a sudo rule that nobody answers for",
    proof="accounts, passwords, the keys that sshd takes, and all of sudo's rules on the host, compared with the grants",
    cost="every person and every right is written down, once",
    wants="no login and no sudo right without a grant; see playbook access_review",
)
def access_is_granted(found: t.Sequence[review.Account], granted: t.Sequence[str]) -> tuple[bool | None, str]:
    """Judge who gets in. found: every account; granted: names that somebody answers for."""
    if not found:
        return None, "accounts cannot be read"
    strangers = review.ungranted(found, granted)
    return not strangers, f"without a grant: {', '.join(strangers)}" if strangers else "every login and sudo right has a grant"


@control(
    line="factors",
    against="guessed passwords, and a way on into the network for whoever takes over one session",
    proof="sshd -T",
    cost="no passwords, no agent forwarding",
    wants="security_baseline_ssh_automation, with which sshd is hardened",
)
def ssh_is_hardened(settings: str) -> tuple[bool | None, str]:
    """Judge what sshd does for everybody. settings: of ``sshd -T``; empty on a host without sshd."""
    if not settings:
        return None, "no sshd"
    weak = review.weak_points(settings)
    return not weak, ", ".join(weak) or "hardened"


@control(
    line="factors",
    against="a stolen laptop or key file",
    proof="sshd -T for each account with a grant",
    cost="a code or a touch at each login",
    wants="security_baseline_ssh_second_factor",
)
def people_have_two_factors(factors: t.Mapping[str, int]) -> tuple[bool | None, str]:
    """Judge how people log in. factors: {account: how many it needs}."""
    single = sorted(name for name, count in factors.items() if count < 2)
    if not factors:
        return None, "nobody with a grant logs in by ssh"
    return not single, f"one factor: {', '.join(single)}" if single else f"two factors: {', '.join(sorted(factors))}"


@control(
    line="factors",
    against="an emergency in which nobody gets in, and a spare key that is used unseen",
    proof="its account, key and sudo rule, and that its logins are counted",
    cost="a key that is kept where taking it is noticed",
    wants="security_baseline_access_break_glass",
)
def break_glass_is_ready(account: review.Account | None, metrics: str | None) -> tuple[bool | None, str]:
    """Judge the account for emergencies. metrics: what the program that watches it writes."""
    if not account:
        return False, "no such account"
    counted = re.search(r"^evenkeel_break_glass_logins_total (\d+)", metrics or "", re.M)
    parts = {"a password": not account.password, "no key": bool(account.keys), "no sudo right": "ALL" in account.sudo, "not watched": bool(counted)}
    wrong = [name for name, good in parts.items() if not good]
    return not wrong, ", ".join(wrong) or f"ready; used {counted.group(1) if counted else '?'} times"


@control(
    line="grants",
    against="rights that outlive their reason",
    proof="the end of each account in /etc/shadow, and what the program that takes grants back has left",
    cost="grants are renewed at least every security_baseline_access_longest_days days",
    wants="security_baseline_access_grants; look at journalctl -u evenkeel-access",
)
def access_ends(ends: t.Mapping[str, int | None], metrics: str | None, age: float | None) -> tuple[bool | None, str]:
    """Judge whether every grant ends. ends: {account: day in /etc/shadow}; metrics, age: of the program's text file."""
    if metrics is None or age is None:
        return False, "no grants, or nothing measures them (security_baseline_metrics)"
    endless = sorted(name for name, day in ends.items() if day is None)
    left = re.search(r"^evenkeel_grant_expired_present (\d+)", metrics, re.M)
    failed = re.search(r"^evenkeel_access_failures (\d+)", metrics, re.M)
    counts = [int(match.group(1)) if match else 1 for match in (left, failed)]
    saw = f"{len(ends)} accounts, without an end: {', '.join(endless) or 'none'}; {counts[0]} ended and still there, {counts[1]} failures, {age:.0f} s ago"
    return not endless and not any(counts) and age <= FRESH, saw
