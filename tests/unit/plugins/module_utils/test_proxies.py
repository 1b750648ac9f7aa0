# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The validation core of proxy trust: tables for known points, properties for the rest."""

from __future__ import annotations

import datetime
import ipaddress

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies.model import Hop, ProxyError, Trust, Waiver
from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies.networks import complement, parse, place
from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies.trust import decide
from hypothesis import given
from hypothesis import strategies as st

TODAY = datetime.date(2026, 7, 1)


def private(*networks: str, name: str = "alb") -> Hop:
    return Hop(name, networks)


def public(*networks: str, name: str = "cdn", provider: str = "Example CDN") -> Hop:
    return Hop(name, networks, "public", provider)


def refused(*hops: Hop, **arguments) -> list[tuple[str, str]]:
    """Return (id, network) of every reason; an empty list when the hops are accepted."""
    try:
        decide(hops, today=TODAY, **arguments)
    except ProxyError as exc:
        assert all(reason.reason and reason.instead for reason in exc.reasons)
        return [(reason.id, reason.network) for reason in exc.reasons]
    return []


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("10.0.1.0/24", "10.0.1.0/24"),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
        ("10.0.1.7", "10.0.1.7/32"),
        ("10.0.1.7/255.255.255.255", "10.0.1.7/32"),
        ("FD12:3456:789A:0:0:0:0:0/48", "fd12:3456:789a::/48"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("::1", "::1/128"),
    ],
)
def test_one_network_is_normalised(text, normalised):
    assert str(parse(text)) == normalised


@pytest.mark.parametrize(
    ("text", "id_", "instead"),
    [
        ("10.0.0.1/8", "host-bits", "10.0.0.0/8 for the network or 10.0.0.1 for the one host"),
        ("fd00::1/8", "host-bits", "fd00::/8 for the network or fd00::1 for the one host"),
        ("alb.example.org", "hostname", None),
        ("localhost", "hostname", None),
        ("internal-alb-1.eu-west-1.elb.amazonaws.com.", "hostname", None),
        ("10.0.*", "not-a-network", None),
        ("010.0.0.0/8", "octal", None),
        ("10.0.00.0/16", "octal", None),
        ("10", "inet-aton", None),
        ("10.1", "inet-aton", None),
        ("10.1/16", "inet-aton", None),
        ("167772160", "inet-aton", None),
        ("0x0a000000", "inet-aton", None),
        ("0x0a.0.0.0/8", "inet-aton", None),
        ("::ffff:10.0.0.0/104", "v4-mapped", "10.0.0.0/8"),
        ("::ffff:10.0.1.5", "v4-mapped", "10.0.1.5/32"),
        ("::ffff:0:0/96", "v4-mapped", "0.0.0.0/0"),
        ("[fd00::1]", "not-a-network", "fd00::1"),
        ("[fd00::1]:443", "not-a-network", "fd00::1"),
        ("10.0.1.5:443", "not-a-network", "10.0.1.5"),
        ("10.0.0.0/8,192.168.0.0/16", "not-a-network", "10.0.0.0/8 192.168.0.0/16"),
        ("10.0.0.0/33", "not-a-network", None),
        ("10.0.0.0/08", "not-a-network", None),
        ("10.0.0.0/", "not-a-network", None),
        ("10.0.0.0/-1", "not-a-network", None),
        ("10.0.0.0/+8", "not-a-network", None),
        ("10.0.0.0/0.255.255.255", "not-a-network", None),
        ("10.0.0.0/255.0.255.0", "not-a-network", None),
        ("10.0.0.0/8/8", "not-a-network", None),
        ("fd00::/129", "not-a-network", None),
        ("fd00::/ffff::", "not-a-network", None),
        ("fe80::1%eth0/64", "not-a-network", None),
        ("300.1.1.1", "not-a-network", None),
        ("10.0.0.1-10.0.0.9", "not-a-network", None),
        ("#", "not-a-network", None),
        ("", "not-a-network", None),
        ("\u0661\u0660.0.0.0/8", "not-a-network", None),
        ("10.0.0.0/\u0668", "not-a-network", None),
    ],
)
def test_anything_else_is_refused_by_name(text, id_, instead):
    with pytest.raises(ProxyError) as caught:
        parse(text)
    (reason,) = caught.value.reasons
    assert (reason.id, reason.network) == (id_, text)
    assert instead is None or reason.instead == instead


@pytest.mark.parametrize(
    ("network", "where"),
    [
        ("10.0.0.0/8", "private"),
        ("172.16.0.0/12", "private"),
        ("100.64.0.0/10", "private"),
        ("127.0.0.1/32", "private"),
        ("fd00::/8", "private"),
        ("fe80::/64", "private"),
        ("::1/128", "private"),
        ("203.0.113.0/24", "public"),
        ("104.16.0.0/13", "public"),
        ("2606:4700::/32", "public"),
        ("172.0.0.0/8", "mixed"),
        ("192.168.0.0/15", "mixed"),
        ("8.0.0.0/6", "mixed"),
        ("224.0.0.0/8", "nowhere"),
        ("0.0.0.0/32", "nowhere"),
        ("255.255.255.255/32", "nowhere"),
        ("ff00::/16", "nowhere"),
        ("::/128", "nowhere"),
        ("64:ff9b::/96", "nowhere"),
    ],
)
def test_place(network, where):
    assert place(ipaddress.ip_network(network)) == where


def test_lists_keep_their_order_and_take_several_networks_per_text():
    hops = [private("10.0.2.0/24 10.0.1.0/24\n  fd12:3456:789a::/64\t"), public("203.0.113.0/24", "2001:db8::/32")]
    assert decide(hops, today=TODAY) == Trust(("10.0.2.0/24", "10.0.1.0/24", "fd12:3456:789a::/64"), ("203.0.113.0/24", "2001:db8::/32"))


@pytest.mark.parametrize(
    "networks",
    [
        ["10.0.0.0/8", "192.168.0.0/16"],
        ["10.0.0.0/9", "10.128.0.0/9"],
        ["127.0.0.1"],
        ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8"],
    ],
)
def test_whole_private_ranges_are_the_widest_that_is_allowed(networks):
    assert refused(private(*networks)) == []


@pytest.mark.parametrize(
    ("networks", "expected"),
    [
        (["0.0.0.0/0"], {("everything", "0.0.0.0/0")}),
        (["::/0"], {("everything", "::/0")}),
        (["0.0.0.0/1"], {("too-wide", "0.0.0.0/1")}),
        (["0.0.0.0/1", "128.0.0.0/1"], {("everything", "0.0.0.0/1, 128.0.0.0/1"), ("too-wide", "0.0.0.0/1"), ("too-wide", "128.0.0.0/1")}),
        (["2000::/3"], {("too-wide", "2000::/3")}),
        (["8.0.0.0/9"], {("too-wide", "8.0.0.0/9")}),
        (["8.0.0.0/10", "8.64.0.0/10"], {("too-wide", "8.0.0.0/9")}),
        (["8.0.0.0/10", "12.0.0.0/10", "16.0.0.0/10", "20.0.0.0/10", "24.0.0.0/32"], {("too-much", "IPv4")}),
        (["2001::/24", "2a00::/23"], {("too-wide", "2a00::/23")}),
    ],
)
def test_public_networks_that_cover_too_much(networks, expected):
    reasons = set(refused(public(*networks)))
    assert expected <= reasons
    assert {id_ for id_, _network in reasons} <= {id_ for id_, _network in expected} | {"too-much"}


def test_the_widest_together_is_exactly_allowed():
    assert refused(public("8.0.0.0/10", "12.0.0.0/10", "16.0.0.0/10", "20.0.0.0/10")) == []


def test_private_networks_that_join_up_are_judged_as_one():
    assert refused(private("fd00::/32", "fd00:1::/32")) == [("too-wide", "fd00::/31")]
    assert refused(private("fd00::/32", "fd00:2::/32")) == []


@pytest.mark.parametrize(
    ("hops", "expected"),
    [
        ([], [("no-proxies", "X-Forwarded-For")]),
        ([private()], [("no-networks", "alb")]),
        ([private(" \n")], [("no-networks", "alb")]),
        ([private("10.0.0.0/24", "10.0.0.0/24")], [("duplicate", "10.0.0.0/24")]),
        ([private("10.0.0.0/24 10.0.0.0/255.255.255.0")], [("duplicate", "10.0.0.0/24")]),
        ([private("10.0.0.0/24"), private("10.0.0.0/16", name="nginx")], [("overlap", "10.0.0.0/24")]),
        ([private("203.0.113.0/24")], [("public-range", "203.0.113.0/24")]),
        ([private("172.0.0.0/8")], [("public-range", "172.0.0.0/8")]),
        ([public("10.0.0.0/24")], [("private-range", "10.0.0.0/24")]),
        ([public("203.0.113.0/24", provider=" ")], [("no-provider", "cdn")]),
        ([public("203.0.113.0/24", provider="a\nRemoteIPTrustedProxy 6.6.6.6")], [("hop", "cdn")]),
        ([private("10.0.0.0/24", name="a\nb")], [("hop", "a\nb")]),
        ([private("10.0.0.0/24", name="")], [("hop", "(no name)")]),
        ([Hop("alb", ("10.0.0.0/24",), "internal")], [("hop", "alb")]),
        ([public("224.0.0.0/16")], [("not-a-peer", "224.0.0.0/16")]),
        ([private("10.0.0.0/24"), public("10.0.0.0/24")], [("private-range", "10.0.0.0/24"), ("internal-and-trusted", "10.0.0.0/24")]),
    ],
)
def test_chains_are_refused(hops, expected):
    assert refused(*hops) == expected


def test_every_reason_is_given_at_once():
    assert refused(private("10.0.0.1/8 localhost"), public("203.0.113.0/24", provider=""), header="X_Forwarded_For") == [
        ("header", "X_Forwarded_For"),
        ("no-provider", "cdn"),
        ("host-bits", "10.0.0.1/8"),
        ("hostname", "localhost"),
    ]


@pytest.mark.parametrize("header", ["", "X-Forwarded-For early", "X-Forwarded-For\nRemoteIPTrustedProxy 6.6.6.6", "X_Real_IP"])
def test_header_is_one_name(header):
    assert refused(private("10.0.0.0/24"), header=header) == [("header", header or "(empty)")]


def test_clients_do_not_sit_among_proxies():
    assert refused(private("10.0.0.0/8"), client_networks=["10.50.0.0/16 192.168.0.0/16"]) == [("client-overlap", "10.50.0.0/16")]
    assert refused(private("10.0.1.0/24"), client_networks=["10.0.1.0/24"]) == [("client-overlap", "10.0.1.0/24")]
    assert refused(private("10.0.1.0/24"), client_networks=["10.50.0.0/16"]) == []
    assert refused(private("10.0.1.0/24"), client_networks=["office.example.org"]) == [("hostname", "office.example.org")]


def waiver(rule="too-wide", network="8.0.0.0/9", reason="one tenant", owner="net-team", expires=datetime.date(2026, 12, 31)) -> Waiver:
    return Waiver(rule, network, reason, owner, expires)


def test_an_exception_lifts_one_limit_for_one_network():
    assert refused(public("8.0.0.0/9"), waivers=[waiver()]) == []
    assert refused(public("8.0.0.0/9"), waivers=[waiver(expires=TODAY)]) == []
    assert refused(public("16.0.0.0/9"), waivers=[waiver()]) == [("too-wide", "16.0.0.0/9")]
    assert refused(public("8.0.0.0/9", "8.128.0.0/9", "12.0.0.0/16"), waivers=[waiver(), waiver(network="8.128.0.0/9"), waiver("too-much", "IPv4")]) == []


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (waiver(expires=datetime.date(2026, 6, 30)), ("exception-expired", "8.0.0.0/9")),
        (waiver(reason=" "), ("exception", "8.0.0.0/9")),
        (waiver(owner=""), ("exception", "8.0.0.0/9")),
        (waiver(rule="host-bits"), ("exception", "8.0.0.0/9")),
    ],
)
def test_a_bad_exception_refuses_the_run(bad, expected):
    assert refused(public("8.0.0.0/9"), waivers=[bad])[0] == expected


def test_no_exception_lifts_everything():
    waivers = [
        waiver(rule, network)
        for rule in ("too-wide", "everything", "too-much")
        for network in ("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "IPv4", "0.0.0.0/1, 128.0.0.0/1")
    ]
    assert ("everything", "0.0.0.0/0") in refused(public("0.0.0.0/0"), waivers=waivers)
    assert ("everything", "0.0.0.0/1, 128.0.0.0/1") in refused(public("0.0.0.0/1", "128.0.0.0/1"), waivers=waivers)


def networks(version: int) -> st.SearchStrategy:
    """Generate networks of every width, so that both accepted and refused ones are frequent."""
    bits = 32 if version == 4 else 128
    make = ipaddress.IPv4Network if version == 4 else ipaddress.IPv6Network
    return st.builds(lambda number, length: make((number >> (bits - length) << (bits - length), length)), st.integers(0, 2**bits - 1), st.integers(0, bits))


ANY_NETWORK = st.one_of(networks(4), networks(6))


@given(ANY_NETWORK)
def test_a_network_in_its_own_notation_is_itself(network):
    mapped = network.version == 6 and network.subnet_of(ipaddress.IPv6Network("::ffff:0:0/96"))
    if not mapped:
        assert parse(str(network)) == parse(network.exploded) == network
    if network.version == 4:
        assert parse(network.with_netmask) == network


@given(st.text(alphabet="0123456789abcdefx.:/[]%,- \n", max_size=24))
def test_what_is_accepted_says_one_thing_only(text):
    try:
        network = parse(text)
    except ProxyError:
        return
    assert not set(text) & set("[]%,- \nx")
    assert ipaddress.ip_network(text, strict=True) == network


@given(st.lists(ANY_NETWORK, min_size=1, max_size=6), st.sampled_from(["private", "public"]))
def test_accepted_networks_are_exactly_the_declared_ones(declared, kind):
    hop = Hop("any", tuple(map(str, declared)), kind, "somebody")
    try:
        trust = decide([hop], today=TODAY)
    except ProxyError:
        return
    accepted = trust.internal if kind == "private" else trust.trusted
    assert list(accepted) == [str(network) for network in declared]
    assert decide([Hop("any", accepted, kind, "somebody")], today=TODAY) == trust  # normalising twice changes nothing
    assert all(place(network) == kind for network in declared)
    assert not any(left.overlaps(right) for i, left in enumerate(declared) for right in declared[:i] if left.version == right.version)


@given(networks(4) | networks(6), st.sampled_from(["private", "public"]), st.integers(1, 3))
def test_cutting_a_refused_network_into_pieces_does_not_help(network, kind, cuts):
    if network.prefixlen + cuts > network.max_prefixlen:
        return
    whole = Hop("any", (str(network),), kind, "somebody")
    pieces = Hop("any", tuple(map(str, network.subnets(prefixlen_diff=cuts))), kind, "somebody")
    if {id_ for id_, _network in refused(whole)} & {"too-wide", "too-much", "everything"}:
        assert {id_ for id_, _network in refused(pieces)} & {"too-wide", "too-much", "everything", "v4-mapped"}


@given(st.lists(st.ip_addresses().flatmap(lambda a: st.integers(1, a.max_prefixlen).map(lambda n: ipaddress.ip_network(f"{a}/{n}", strict=False))), max_size=6))
def test_the_complement_and_the_networks_are_everything_and_share_nothing(networks):
    others = complement(networks)
    for version in (4, 6):
        both = [n for n in [*networks, *others] if n.version == version]
        assert [n.prefixlen for n in ipaddress.collapse_addresses(both)] == [0]
    assert not any(one.version == other.version and one.overlaps(other) for one in networks for other in others)
