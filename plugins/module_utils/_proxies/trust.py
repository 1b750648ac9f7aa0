# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide whom mod_remoteip trusts: every rule over the whole chain, every reason in one refusal."""

from __future__ import annotations

import datetime
import itertools
import re
import typing as t
from dataclasses import replace

from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies import rules
from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies.model import Hop, ProxyError, Reason, Trust, Waiver
from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies.networks import Network, complement, parse

_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


def decide(
    hops: t.Sequence[Hop], *, today: datetime.date, header: str = "X-Forwarded-For", client_networks: t.Sequence[str] = (), waivers: t.Sequence[Waiver] = ()
) -> Trust:
    """Return the two lists of mod_remoteip for a chain of proxies; raise ProxyError with every reason against it.

    client_networks: where clients connect from, if that is known; none of them may share addresses with a proxy.
    waivers: exceptions to the limits; ``today`` says which of them have ended.
    """
    reasons: list[Reason] = []
    if not _HEADER_NAME.fullmatch(header):
        reasons.append(Reason("header", header or "(empty)", "not the name of a request header", "X-Forwarded-For"))
    if not hops:
        reasons.append(
            Reason(
                "no-proxies",
                header,
                "Apache believes this header from everybody when it has no list of proxies",
                "the networks of your proxies, or no header at all (topology direct)",
            )
        )
    for hop in hops:
        reasons += rules.malformed_hop(hop)
    for waiver in waivers:
        reasons += rules.malformed_waiver(waiver, today)

    members = [rules.Member(network, hop) for hop in hops for network in _parse_all(hop.networks, f"hop {hop.name}", reasons)]
    clients = _parse_all(client_networks, "client_networks", reasons)

    lifted = {(waiver.rule, waiver.network) for waiver in waivers if waiver.rule in rules.EXCEPTABLE}
    wide = [reason for rule in (rules.too_wide, rules.too_much) for reason in rule(members) if (reason.id, reason.network) not in lifted]
    reasons += wide
    named = {reason.network for reason in wide}  # where a network lies is worth a word only once it is narrow
    for member in members:
        if str(member.network) not in named:
            reasons += rules.misplaced(member)
    for left, right in itertools.combinations(members, 2):
        reasons += rules.contradictory(left, right)
    for client, member in itertools.product(clients, members):
        reasons += rules.client_inside(client, member)

    if reasons:
        raise ProxyError(*dict.fromkeys(reasons))
    return Trust(
        internal=tuple(str(member.network) for member in members if member.hop.kind == "private"),
        trusted=tuple(str(member.network) for member in members if member.hop.kind == "public"),
        others=tuple(map(str, complement([member.network for member in members]))),
    )


def _parse_all(texts: t.Iterable[str], where: str, reasons: list[Reason]) -> list[Network]:
    """Parse texts that hold one or several networks each; add to ``reasons`` why, and where, some are refused."""
    networks = []
    for word in itertools.chain.from_iterable(text.split() for text in texts):
        try:
            networks.append(parse(word))
        except ProxyError as exc:
            reasons += [replace(reason, reason=f"{where}: {reason.reason}") for reason in exc.reasons]
    return networks
