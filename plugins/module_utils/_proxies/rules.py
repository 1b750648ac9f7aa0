# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that a chain of proxies must satisfy. Each yields its reasons; none of them stops at the first."""

from __future__ import annotations

import datetime
import ipaddress
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies.model import Hop, Reason, Waiver
from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies.networks import Network, covers, overlap, place

#: The shortest prefix of one network, or of several that join up. Private: 10.0.0.0/8 is one company's inside at most.
#: Public: the widest that a large CDN announces today (Akamai's 104.64.0.0/10 and 2600:1400::/24).
WIDEST = {("private", 4): 8, ("private", 6): 32, ("public", 4): 10, ("public", 6): 24}
#: All public networks of a version together hold no more addresses than one network of this prefix would.
WIDEST_TOGETHER = {4: 8, 6: 20}
#: What an exception may lift. "everything" is not among them: Apache itself refuses a /0.
EXCEPTABLE = ("too-wide", "too-much")

_HOP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]*")


@dataclass(frozen=True)
class Member:
    """One network of one hop."""

    network: Network
    hop: Hop


def malformed_hop(hop: Hop) -> t.Iterator[Reason]:
    """Judge what a hop says about itself. Its texts become comments of Apache's configuration: one line each."""
    if not _HOP_NAME.fullmatch(hop.name):
        yield Reason("hop", hop.name or "(no name)", "a hop's name has letters, digits, blanks and . _ + -", "name: alb")
    if hop.kind not in ("private", "public"):
        yield Reason("hop", hop.name, f"its kind is {hop.kind!r}", "kind: private or kind: public")
    if not hop.provider.isprintable():
        yield Reason("hop", hop.name, "its provider holds control characters", "provider: one line of text")
    if hop.kind == "public" and not hop.provider.strip():
        yield Reason(
            "no-provider",
            hop.name,
            "public networks belong to somebody, and nobody can check them without knowing to whom",
            "provider: the operator and where it publishes its networks",
        )
    if not "".join(hop.networks).strip():
        yield Reason("no-networks", hop.name, "the hop has no networks, so it is never trusted", "networks: those from which this proxy connects")


def malformed_waiver(waiver: Waiver, today: datetime.date) -> t.Iterator[Reason]:
    """Judge an exception: it lifts a rule that may be lifted, somebody answers for it, and it has not ended."""
    if waiver.rule not in EXCEPTABLE:
        yield Reason("exception", waiver.network, f"no exception can lift {waiver.rule!r}", " or ".join(EXCEPTABLE))
    if not waiver.reason.strip() or not waiver.owner.strip():
        yield Reason("exception", waiver.network, "an exception has a reason and an owner", "reason: …, owner: …")
    if waiver.expires < today:
        yield Reason(
            "exception-expired",
            waiver.network,
            f"{waiver.owner}'s exception ended on {waiver.expires}",
            "narrower networks, or a new date that somebody decides on",
        )


def too_wide(members: t.Sequence[Member]) -> t.Iterator[Reason]:
    """Judge networks as they join up, so that cutting a refused network into pieces does not get it accepted."""
    for (kind, version), limit in WIDEST.items():
        alike = [m for m in members if (m.hop.kind, m.network.version) == (kind, version)]
        advice = f"the proxy's own subnets, /{limit} or narrower"
        lift = f"{advice} (or an exception with reason, owner and expiry)"
        for whole in join([m.network for m in alike]):
            parts = [m for m in alike if covers(whole, m.network)]
            wide = [m for m in parts if 0 < m.network.prefixlen < limit]
            if not whole.prefixlen:
                yield Reason(
                    "everything",
                    enumerate_some(parts),
                    f"{hops_of(parts)}: this trusts every address there is, so anybody could choose the address that you log and allow",
                    advice,
                )
            elif not wide and whole.prefixlen < limit:
                yield Reason(
                    "too-wide",
                    str(whole),
                    f"{hops_of(parts)}: {enumerate_some(parts)} join up to it, and it is wider than /{limit}, the limit for {kind} networks",
                    lift,
                )
            for m in wide:
                yield Reason(
                    "too-wide",
                    str(m.network),
                    f"{hops_of([m])}: it is wider than /{limit}, the limit for {kind} networks, so others than your proxies have addresses in it",
                    lift,
                )


def too_much(members: t.Sequence[Member]) -> t.Iterator[Reason]:
    """Judge all public networks together; private address space is bounded by itself."""
    for version, most in WIDEST_TOGETHER.items():
        networks = [m.network for m in members if (m.hop.kind, m.network.version) == ("public", version)]
        total = sum(whole.num_addresses for whole in join(networks))
        if networks and total > 2 ** (networks[0].max_prefixlen - most):
            yield Reason(
                "too-much",
                f"IPv{version}",
                f"the public networks together hold more addresses than one /{most}",
                "only the providers whose proxies connect to you (or an exception with reason, owner and expiry)",
            )


def misplaced(member: Member) -> t.Iterator[Reason]:
    """Judge whether a network lies where its hop's kind says."""
    network, hop, where = str(member.network), member.hop, place(member.network)
    if where == "nowhere":
        yield Reason(
            "not-a-peer",
            network,
            f"{hops_of([member])}: nobody can connect from it (multicast, reserved or unspecified)",
            "the network from which the proxy connects",
        )
    elif hop.kind == "private" and where != "private":
        yield Reason(
            "public-range",
            network,
            f"{hops_of([member])} is private, but this is or reaches into public address space, where others than you have addresses",
            "the proxy's private subnets, or a hop with kind: public and a provider",
        )
    elif hop.kind == "public" and where != "public":
        yield Reason(
            "private-range",
            network,
            f"{hops_of([member])} is public, but this is or reaches into private address space, and RemoteIPTrustedProxy ignores private clients",
            "a hop with kind: private",
        )


def contradictory(left: Member, right: Member) -> t.Iterator[Reason]:
    """Judge two networks that share addresses."""
    if not overlap(left.network, right.network):
        return
    inner, outer = (right, left) if covers(left.network, right.network) else (left, right)
    if left.hop.kind != right.hop.kind:
        yield Reason(
            "internal-and-trusted",
            str(inner.network),
            f"{hops_of([left, right])} make it both internal and trusted: Apache would silently use the first",
            "it in one hop only, private or public",
        )
    elif left.network == right.network:
        yield Reason("duplicate", str(inner.network), f"stated twice in {hops_of([left, right])}", "it once")
    else:
        yield Reason(
            "overlap",
            str(inner.network),
            f"{outer.network} in {hops_of([outer])} holds it already, so taking one of them out later would change nothing",
            "one of the two",
        )


def client_inside(client: Network, member: Member) -> t.Iterator[Reason]:
    """Judge a network of clients against one of proxies: mod_remoteip believes whoever connects from a proxy's network."""
    if overlap(client, member.network):
        yield Reason(
            "client-overlap",
            str(client),
            f"these clients share addresses with {member.network} of hop {member.hop.name} and could claim any other",
            "for the hop, only the subnets of the proxy itself",
        )


def join(networks: t.Sequence[Network]) -> list[Network]:
    """Return the fewest networks that hold the same addresses; all of one version."""
    return t.cast("list[Network]", list(ipaddress.collapse_addresses(t.cast(t.Any, networks))))


def enumerate_some(members: t.Sequence[Member], most: int = 4) -> str:
    """Return the first networks as text, and how many more there are."""
    more = f" and {len(members) - most} more" if len(members) > most else ""
    return ", ".join(str(member.network) for member in members[:most]) + more


def hops_of(members: t.Iterable[Member]) -> str:
    """Return the names of the hops that declare these networks."""
    names = list(dict.fromkeys(member.hop.name for member in members))
    return ("hop " if len(names) == 1 else "hops ") + " and ".join(names)
