# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the packet filter: what they hold, what is refused, and that nothing an operator writes gets out of its place in them."""

from __future__ import annotations

import ipaddress
import re
import typing as t

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _nftables as core
from hypothesis import given
from hypothesis import strategies as st

GIVEN: dict[str, t.Any] = {
    "management_networks": ["10.0.9.0/24", "fd00:9::/64"],
    "ssh_ports": [22],
    "web_networks": ["10.0.1.0/24", "10.0.2.0/24"],
    "web_ports": [80, 443],
    "ingress": [{"name": "metrics", "networks": ["10.0.8.7"], "ports": [9117, 9100], "reason": "Prometheus"}],
    "egress": [{"name": "dns", "networks": ["10.0.0.2"], "ports": [53], "protocol": "udp", "reason": "names"}],
    "source_rate": 50,
    "source_connections": 100,
    "proxy_rate": 2000,
}


def rules(**more: t.Any) -> str:
    return core.render(core.settle({**GIVEN, **more}))


def chain(text: str, name: str) -> list[str]:
    """The lines of one chain."""
    found = re.search(rf"^    chain {name} {{\n(.*?)^    }}$", text, re.S | re.M)
    return [line.strip() for line in found[1].splitlines()] if found else []


def test_each_way_in_is_open_for_its_networks_only() -> None:
    lines = chain(rules(), "input")
    assert 'ip saddr { 10.0.9.0/24 } tcp dport { 22 } jump sources comment "ssh: administrators and Ansible"' in lines
    assert 'ip6 saddr { fd00:9::/64 } tcp dport { 22 } jump sources comment "ssh: administrators and Ansible"' in lines
    assert 'ip saddr { 10.0.8.7/32 } tcp dport { 9100, 9117 } jump sources comment "metrics: Prometheus"' in lines
    assert 'ip saddr { 10.0.1.0/24, 10.0.2.0/24 } tcp dport { 80, 443 } jump proxies comment "web: requests"' in lines
    assert sum("dport { 22 }" in line for line in lines) == 2
    assert "policy drop;" in lines[0]


def test_a_stranger_may_hold_so_many_connections_and_a_balancer_as_many_as_it_likes() -> None:
    assert "add @held4 { ip saddr ct count over 100 } counter drop" in chain(rules(), "sources")
    assert "add @held6 { ip6 saddr & ffff:ffff:ffff:ffff:: ct count over 100 } counter drop" in chain(rules(), "sources")
    assert not any("ct count" in line for line in chain(rules(), "proxies"))


def test_everybody_is_a_stranger_and_bounded_as_one() -> None:
    assert 'tcp dport { 80, 443 } jump sources comment "web: requests"' in chain(rules(web_networks=["any"]), "input")


def test_ways_out_are_listed_and_all_others_are_told_so() -> None:
    lines = chain(rules(), "output")
    assert 'ip daddr { 10.0.0.2/32 } udp dport { 53 } accept comment "dns: names"' in lines
    assert lines[-1] == 'counter reject with icmpx admin-prohibited comment "refused"'


def test_a_direction_stays_open_until_it_is_known_what_keeps_it_usable() -> None:
    assert chain(rules(egress=[]), "output") == []
    assert chain(rules(management_networks=[]), "input") == []
    assert chain(rules(management_networks=[]), "output") != []
    assert rules(management_networks=[], egress=[]) == ""
    assert core.missing(core.settle({**GIVEN, "management_networks": [], "web_networks": [], "egress": []})) == {
        "inbound": ["security_baseline_network_management_networks", "security_baseline_network_web_networks"],
        "outbound": ["security_baseline_network_egress"],
    }


def test_a_host_without_web_needs_no_balancer() -> None:
    lines = chain(rules(web_networks=[], web_ports=[]), "input")
    assert lines and not any("web" in line for line in lines)


def test_networks_that_overlap_become_one() -> None:
    assert "{ 10.0.0.0/16 } tcp dport { 443 }" in rules(web_networks=["10.0.0.0/16", "10.0.1.0/24"], web_ports=[443], management_networks=["10.1.0.0/24"])


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"management_networks": ["any"]}, "management_networks: 'any' is not a network"),
        ({"management_networks": ["10.0.9.1/24"]}, "write 10.0.9.0/24 for the network"),
        ({"management_networks": ["0.0.0.0/1"]}, "0.0.0.0/1 is wider than /8"),
        ({"management_networks": ["10.0.0.0/8"]}, "10.0.1.0/24 is inside 10.0.0.0/8 of security_baseline_network_management_networks"),
        ({"web_networks": ["any", "10.0.0.0/8"]}, "or [any] alone for every address"),
        ({"web_networks": "10.0.0.0/8"}, "write a list of networks"),
        ({"ssh_ports": []}, "ssh_ports: []: write a list of ports"),
        ({"ssh_ports": [70000]}, "write a list of ports"),
        ({"ssh_ports": [True]}, "write a list of ports"),
        ({"source_rate": 0}, "source_rate: 0: write how many"),
        ({"egress": [{"name": "x"}]}, "write name, networks, ports and reason"),
        ({"egress": [{**GIVEN["egress"][0], "networks": ["db.example.org"]}]}, "egress[0].networks: 'db.example.org' is not a network (hostname)"),
        ({"egress": [{**GIVEN["egress"][0], "networks": []}]}, "leave the whole entry out"),
        ({"egress": [{**GIVEN["egress"][0], "protocol": "sctp"}]}, "write tcp or udp"),
        ({"egress": GIVEN["egress"] * 2}, "two are called 'dns'"),
        ({"ingress": [{**GIVEN["ingress"][0], "networks": ["any"]}]}, "ingress[0].networks: 'any' is not a network"),
    ],
)
def test_refusals_say_what_to_write_instead(more: dict[str, t.Any], says: str) -> None:
    with pytest.raises(core.NetworkError, match=re.escape(says)):
        rules(**more)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(core.NetworkError) as raised:
        rules(ssh_ports=[], web_networks=["x y"], source_rate=-1)
    assert len(str(raised.value).splitlines()) == 3


HOSTILE = st.one_of(
    st.text(max_size=40), st.sampled_from(['"; flush ruleset; "', "x }\n}\nflush ruleset\n", "a # b", "${x}", "@older", "\\", "10.0.0.0/8 } accept #"])
)


PLAIN = GIVEN["egress"][0]
BEFORE = rules().splitlines()
SHAPE = re.compile(r'(ip6? daddr \{ [0-9a-f.:/]+ \} )?(tcp|udp) dport \{ \d+ \} accept comment "[a-z0-9_-]+: [ !#-\[\]-~]+"')


@given(name=HOSTILE, reason=HOSTILE, network=HOSTILE, port=st.one_of(HOSTILE, st.integers()), protocol=HOSTILE)
def test_nothing_leaves_its_place_in_a_rule(name: str, reason: str, network: str, port: t.Any, protocol: str) -> None:
    """Whatever is accepted is one more rule of one shape; everything else is refused."""
    for key, value in (("name", name), ("reason", reason), ("networks", [network]), ("ports", [port]), ("protocol", protocol)):
        try:
            after = rules(egress=[{**PLAIN, "name": "other"}, {**PLAIN, key: value}]).splitlines()
        except core.NetworkError:
            continue
        assert len(after) == len(BEFORE) + 1
        assert all(SHAPE.fullmatch(line.strip()) for line in set(after) - set(BEFORE)), after


@given(st.lists(st.tuples(st.ip_addresses(), st.integers(33, 128)), min_size=1, max_size=8))
def test_the_rules_open_exactly_the_networks_that_were_written(written: list[tuple[t.Any, int]]) -> None:
    networks = [ipaddress.ip_network((address, min(length, address.max_prefixlen)), strict=False) for address, length in written]
    try:
        text = rules(web_networks=[str(network) for network in networks], web_ports=[443], management_networks=["10.99.0.0/24"])
    except core.NetworkError:
        return  # a network of the management's, or one that means an IPv4 address
    opened = [ipaddress.ip_network(n) for found in re.findall(r"saddr { ([^}]*) } tcp dport { 443 }", text) for n in found.split(", ")]
    for network in networks:
        assert any(network.version == one.version and network.subnet_of(one) for one in opened)
    for version in (4, 6):
        assert sum(n.num_addresses for n in opened if n.version == version) == sum(
            n.num_addresses for n in ipaddress.collapse_addresses([n for n in networks if n.version == version])
        )
