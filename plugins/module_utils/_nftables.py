# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may connect to a host, and to whom it may connect, as one table of nftables. No Ansible and no host in here.

A direction is closed only when what keeps it usable is known: the inbound one needs the networks of the administrators and of those who
ask for pages, the outbound one the list of what the host connects to.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies.model import ProxyError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies.networks import Network, covers, parse

PREFIX = "security_baseline_network_"
ANY = "any"
"""The word for every address."""
WIDEST = {4: 8, 6: 32}
"""Prefix length of the widest network that may administer a host, by IP version."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_REASON = re.compile(r"[ !#-\[\]-~]{1,90}")


class NetworkError(ValueError):
    """What cannot be made a rule; the text names the variable, its value and what to write instead."""


@dataclasses.dataclass(frozen=True)
class Path:
    """One way that is open. networks: None for every address; ports: none only for the web's of a host without web."""

    name: str
    networks: tuple[Network, ...] | None
    ports: tuple[int, ...]
    protocol: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Wanted:
    """All that the rules are made of. The rates are new connections per second of one address (of one /64 for IPv6).

    source_connections: how many it may have at once, unless it is the balancer's."""

    management: tuple[Network, ...]
    ssh_ports: tuple[int, ...]
    web: Path
    inbound: tuple[Path, ...]
    outbound: tuple[Path, ...]
    source_rate: int
    source_connections: int
    proxy_rate: int


def missing(wanted: Wanted) -> dict[str, list[str]]:
    """Return what each direction still needs before it can be closed: {inbound: [variable], outbound: [variable]}."""
    inbound = [] if wanted.management else [f"{PREFIX}management_networks"]
    if wanted.web.ports and wanted.web.networks == ():
        inbound.append(f"{PREFIX}web_networks")
    return {"inbound": inbound, "outbound": [] if wanted.outbound else [f"{PREFIX}egress"]}


# --- reading what an operator wrote ---------------------------------------------------------------------------------------------------


def settle(given: t.Mapping[str, t.Any]) -> Wanted:
    """Check the role's variables, by their names without the prefix, and return them settled; refuse with every reason at once."""
    wrong: list[str] = []
    management = _networks("management_networks", given["management_networks"], wrong) or ()
    wanted = Wanted(
        management=management,
        ssh_ports=_ports("ssh_ports", given["ssh_ports"], wrong),
        web=Path(
            "web",
            _networks("web_networks", given["web_networks"], wrong, any_allowed=True),
            _ports("web_ports", given["web_ports"], wrong, empty=True),
            "tcp",
            "requests",
        ),
        inbound=_paths("ingress", given["ingress"], wrong),
        outbound=_paths("egress", given["egress"], wrong, any_allowed=True),
        source_rate=_rate("source_rate", given["source_rate"], wrong),
        source_connections=_rate("source_connections", given["source_connections"], wrong),
        proxy_rate=_rate("proxy_rate", given["proxy_rate"], wrong),
    )
    wrong += [
        f"{PREFIX}management_networks: {network} is wider than /{WIDEST[network.version]}: write the networks that administrators and Ansible come from"
        for network in management
        if network.prefixlen < WIDEST[network.version]
    ]
    wrong += [
        f"{PREFIX}web_networks: {web} is inside {own} of {PREFIX}management_networks, so whoever answers requests could administer: "
        f"keep the two paths apart, with a smaller network for management"
        for web in wanted.web.networks or ()
        for own in management
        if covers(own, web)
    ]
    if wrong:
        raise NetworkError("\n".join(wrong))
    return wanted


def _networks(name: str, value: t.Any, wrong: list[str], any_allowed: bool = False) -> tuple[Network, ...] | None:
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        wrong.append(f"{PREFIX}{name}: {value!r}: write a list of networks such as [10.0.9.0/24]")
        return ()
    if any_allowed and list(value) == [ANY]:
        return None
    found: list[Network] = []
    for text in value:
        try:
            found.append(parse(text))
        except ProxyError as exc:
            hint = f", or [{ANY}] alone for every address" if any_allowed else ""
            wrong.append(f"{PREFIX}{name}: {text!r} is not a network ({exc.reasons[0].id}): write {exc.reasons[0].instead}{hint}")
    # nftables refuses sets whose members overlap.
    v4 = ipaddress.collapse_addresses(n for n in found if isinstance(n, ipaddress.IPv4Network))
    v6 = ipaddress.collapse_addresses(n for n in found if isinstance(n, ipaddress.IPv6Network))
    return (*v4, *v6)


def _ports(name: str, value: t.Any, wrong: list[str], empty: bool = False) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)) or not (value or empty) or not all(isinstance(p, int) and p is not True and 0 < p < 65536 for p in value):
        wrong.append(f"{PREFIX}{name}: {value!r}: write a list of ports such as [443]")
        return ()
    return tuple(sorted(set(value)))


def _rate(name: str, value: t.Any, wrong: list[str]) -> int:
    if not isinstance(value, int) or value is True or not 1 <= value <= 1_000_000:
        wrong.append(f"{PREFIX}{name}: {value!r}: write how many connections one address may have, or open in a second, such as 50")
        return 1
    return value


def _paths(name: str, value: t.Any, wrong: list[str], any_allowed: bool = False) -> tuple[Path, ...]:
    if not isinstance(value, (list, tuple)):
        wrong.append(f"{PREFIX}{name}: {value!r}: write a list")
        return ()
    paths = tuple(_path(f"{name}[{index}]", one, wrong, any_allowed) for index, one in enumerate(value) if _is_path(f"{name}[{index}]", one, wrong))
    names = [path.name for path in paths]
    wrong += [f"{PREFIX}{name}: two are called {twice!r}: give each a name of its own" for twice in sorted({n for n in names if names.count(n) > 1})]
    return paths


def _is_path(name: str, value: t.Any, wrong: list[str]) -> bool:
    keys = {"name", "networks", "ports", "reason"}
    if isinstance(value, t.Mapping) and keys <= value.keys() <= keys | {"protocol"}:
        return True
    wrong.append(f"{PREFIX}{name}: {value!r}: write name, networks, ports and reason, and where it is not tcp, protocol")
    return False


def _path(where: str, value: t.Mapping[str, t.Any], wrong: list[str], any_allowed: bool) -> Path:
    name, protocol, reason = (str(value.get(key) or default) for key, default in (("name", ""), ("protocol", "tcp"), ("reason", "")))
    if not _NAME.fullmatch(name):
        wrong.append(f"{PREFIX}{where}.name: {name!r}: write a short name in small letters such as packages")
    if protocol not in ("tcp", "udp"):
        wrong.append(f"{PREFIX}{where}.protocol: {protocol!r}: write tcp or udp")
    if not _REASON.fullmatch(reason):
        wrong.append(f"{PREFIX}{where}.reason: {reason!r}: write why this is open, up to 90 characters without double quotes and backslashes")
    networks = _networks(f"{where}.networks", value["networks"], wrong, any_allowed)
    if networks == () and isinstance(value["networks"], (list, tuple)) and not value["networks"]:
        wrong.append(f"{PREFIX}{where}.networks: []: write the networks, or leave the whole entry out")
    return Path(name, networks, _ports(f"{where}.ports", value["ports"], wrong), protocol, reason)


# --- writing the table ------------------------------------------------------------------------------------------------------------------

_SETS = """\
    # Packets of connections from before these rules, which the kernel did not follow then: let through for a while, never to open one.
    set older {
        type tcp_flag
        timeout 15m
        elements = { ack }
    }

    # Who opened connections lately, one element for each address.
"""
_SOURCES = """\
    set {0} {{
        type {1}
        size 65535
        flags dynamic, timeout
        timeout 1m
    }}
"""
_HELD = """\
    set held{0} {{
        type {1}
        size 65535
        flags dynamic
    }}
"""
_HOLDS = """\
        add @held4 {{ ip saddr ct count over {0} }} counter drop
        add @held6 {{ ip6 saddr & ffff:ffff:ffff:ffff:: ct count over {0} }} counter drop
"""
_BOUNDED = """\
    chain {0} {{
{3}        add @{0}4 {{ ip saddr limit rate over {1}/second burst {2} packets }} counter drop
        add @{0}6 {{ ip6 saddr & ffff:ffff:ffff:ffff:: limit rate over {1}/second burst {2} packets }} counter drop
        accept
    }}
"""
_INPUT = """\
    chain input {
        type filter hook input priority filter; policy drop;
        iifname "lo" accept
        ct state established,related accept
        ct state invalid counter drop
        tcp flags & (syn | ack) == @older counter accept
        # What IPv4 and IPv6 cannot work without, the answer to a ping, and the address from DHCP.
        icmp type { destination-unreachable, time-exceeded, parameter-problem } accept
        icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept
        icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, nd-redirect } ip6 hoplimit 255 accept
        icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } ip6 saddr fe80::/10 accept
        icmp type echo-request limit rate 20/second accept
        icmpv6 type echo-request limit rate 20/second accept
        ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept
"""
_OUTPUT = """\
    chain output {
        type filter hook output priority filter; policy drop;
        oifname "lo" accept
        ct state established,related accept
        ct state invalid counter drop
        tcp flags & (syn | ack) == @older counter accept
        meta l4proto { icmp, ipv6-icmp } accept
        udp sport 68 udp dport 67 accept
        ip6 daddr { fe80::/10, ff02::1:2 } udp sport 546 udp dport 547 accept
"""
_REFUSED = """\
        limit rate 6/minute burst 10 packets log prefix "evenkeel {0} refused: "
        counter {1}comment "refused"
    }}
"""


def render(wanted: Wanted, table: str = "evenkeel") -> str:
    """Return a script for `nft -f` that replaces the table by the wanted one in one step; empty when nothing can be closed yet."""
    lacks = missing(wanted)
    chains = ([_input(wanted)] if not lacks["inbound"] else []) + ([_output(wanted)] if not lacks["outbound"] else [])
    if not chains:
        return ""
    sets = [_SETS]
    if not lacks["inbound"]:
        sets += [_SOURCES.format(f"{name}{version}", kind) for name in ("sources", "proxies") for version, kind in ((4, "ipv4_addr"), (6, "ipv6_addr"))]
        sets += [_HELD.format(version, kind) for version, kind in ((4, "ipv4_addr"), (6, "ipv6_addr"))]
        sets.append(_BOUNDED.format("sources", wanted.source_rate, 5 * wanted.source_rate, _HOLDS.format(wanted.source_connections)))
        sets.append(_BOUNDED.format("proxies", wanted.proxy_rate, 5 * wanted.proxy_rate, ""))
    return "\n".join([f"table inet {table}", f"delete table inet {table}", f"table inet {table} {{", *sets, *chains, "}", ""])


def _input(wanted: Wanted) -> str:
    administrators = Path("ssh", wanted.management, wanted.ssh_ports, "tcp", "administrators and Ansible")
    paths = [(administrators, "jump sources"), *((path, "jump sources") for path in wanted.inbound)]
    if wanted.web.ports:
        paths.append((wanted.web, "jump sources" if wanted.web.networks is None else "jump proxies"))
    # Refused without an answer: whoever looks for open ports learns nothing and has to wait.
    return _INPUT + "".join(_rules(path, "saddr", then) for path, then in paths) + _REFUSED.format("in", "")


def _output(wanted: Wanted) -> str:
    # Refused with an answer: an application gets an error at once and does not wait for it.
    return _OUTPUT + "".join(_rules(path, "daddr", "accept") for path in wanted.outbound) + _REFUSED.format("out", "reject with icmpx admin-prohibited ")


def _rules(path: Path, end: str, then: str) -> str:
    ports = ", ".join(map(str, path.ports))
    match = f'{path.protocol} dport {{ {ports} }} {then} comment "{path.name}: {path.reason}"'
    if path.networks is None:
        return f"        {match}\n"
    found = {version: [str(n) for n in path.networks if n.version == version] for version in (4, 6)}
    return "".join(f"        {'ip' if version == 4 else 'ip6'} {end} {{ {', '.join(networks)} }} {match}\n" for version, networks in found.items() if networks)
