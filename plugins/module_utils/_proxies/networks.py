# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read one network, literally, and say where in the address space it lies."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies.model import ProxyError, Reason

Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

EXAMPLE = "a network in plain notation, like 10.0.1.0/24 or fd12:3456:789a::/48"

_EVERYTHING: tuple[Network, ...] = (ipaddress.IPv4Network("0.0.0.0/0"), ipaddress.IPv6Network("::/0"))
_V4_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
#: What RemoteIPTrustedProxy calls "private or nonsensical" when it is a client's address, and shared 100.64.0.0/10.
_PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "169.254.0.0/16",
            "127.0.0.0/8",
            "::1/128",
            "fc00::/7",
            "fe80::/10",
        ),
    )
)
_NO_PEER = tuple(map(ipaddress.ip_network, ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4")))

_DOTTED_QUAD = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}")
_INET_ATON = re.compile(r"(0[xX][0-9A-Fa-f]+|[0-9]+)(\.(0[xX][0-9A-Fa-f]+|[0-9]+)){0,3}")
_HOSTNAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")
_PREFIX_LENGTH = re.compile(r"0|[1-9][0-9]{0,2}")
_WITH_PORT = re.compile(r"\[(?P<v6>[^\]]+)\]:[0-9]+|(?P<v4>[0-9.]+):[0-9]+")


def overlap(left: Network, right: Network) -> bool:
    """Return whether two networks share an address; networks of different versions never do."""
    return left.version == right.version and left.overlaps(right)


def covers(outer: Network, inner: Network) -> bool:
    """Return whether ``outer`` holds every address of ``inner``."""
    return overlap(outer, inner) and outer.prefixlen <= inner.prefixlen


def complement(networks: t.Sequence[Network]) -> list[Network]:
    """Return the fewest networks, of both versions, that hold every address which is in none of ``networks``."""
    return [left for whole in _EVERYTHING for left in sorted(_without(whole, [n for n in networks if n.version == whole.version]), key=int_key)]


def int_key(network: Network) -> int:
    """Sort key: the first address."""
    return int(network.network_address)


def _without(whole: Network, networks: t.Sequence[Network]) -> t.Iterator[Network]:
    """Halve ``whole`` until each half is in one of ``networks`` or apart from all of them."""
    if any(covers(network, whole) for network in networks):
        return
    inside = [network for network in networks if overlap(network, whole)]
    if not inside:
        yield whole
    else:
        for half in whole.subnets():
            yield from _without(half, inside)


def place(network: Network) -> str:
    """Return where a network lies: private, public, mixed (it reaches into both) or nowhere (no peer is there)."""
    private = [block for block in _PRIVATE if overlap(block, network)]
    if private:
        return "private" if any(covers(block, network) for block in private) else "mixed"
    if network.version == 6:
        return "public" if covers(_PUBLIC_V6, network) else "nowhere"
    return "nowhere" if any(overlap(block, network) for block in _NO_PEER) else "public"


def parse(text: str) -> Network:
    """Return the one network that ``text`` states without a second meaning; raise ProxyError for anything else."""
    _refuse_decoration(text)
    address, slash, mask = text.partition("/")
    if ":" not in address:
        _refuse_other_than_dotted_quad(text, address)
    try:
        host = ipaddress.ip_address(address)
        if "%" in address:
            raise ValueError("an interface (%) is not part of a network")
        length = _prefix_length(mask, host.version) if slash else host.max_prefixlen
        network = ipaddress.ip_network(f"{host}/{length}", strict=False)
    except ValueError as exc:
        raise _refusal("not-a-network", text, str(exc), EXAMPLE) from None
    if covers(_V4_MAPPED, network):
        v4 = ipaddress.IPv4Network((int(network.network_address) & 0xFFFFFFFF, length - 96))
        raise _refusal("v4-mapped", text, "Apache knows an IPv4 peer by its IPv4 address, on IPv6 sockets too", str(v4))
    if network.network_address != host:
        raise _refusal(
            "host-bits", text, "bits are set behind the prefix: the address or the prefix is a slip", f"{network} for the network or {host} for the one host"
        )
    return network


def _refusal(id_: str, text: str, reason: str, instead: str) -> ProxyError:
    return ProxyError(Reason(id_, text, reason, instead))


def _refuse_decoration(text: str) -> None:
    """Refuse ports, brackets and commas, which belong to headers, URLs and other programs' lists."""
    port = _WITH_PORT.fullmatch(text)
    if port:
        raise _refusal("not-a-network", text, "a proxy is known by its address, not by its port", port["v6"] or port["v4"])
    plain = " ".join(re.sub(r"[\[\],]", " ", text).split())
    if plain != text:
        raise _refusal("not-a-network", text, "Apache takes neither brackets nor commas here", plain or EXAMPLE)


def _refuse_other_than_dotted_quad(text: str, address: str) -> None:
    """Refuse every other way to write an IPv4 address or to name a host, and say which one it is."""
    if _DOTTED_QUAD.fullmatch(address):
        if any(part != str(int(part)) for part in address.split(".")):
            raise _refusal("octal", text, "a leading zero makes a number octal for some programs", EXAMPLE)
    elif _INET_ATON.fullmatch(address):
        raise _refusal(
            "inet-aton",
            text,
            "short, integer and hexadecimal forms mean different things to different"
            " programs: 10.1 is the host 10.0.0.1 to inet_aton, the network 10.1.0.0/16 to Apache",
            EXAMPLE,
        )
    elif _HOSTNAME.fullmatch(address):
        raise _refusal(
            "hostname",
            text,
            "Apache looks names up when it starts: while DNS is down it does not start, and whoever answers the query decides whom you trust",
            EXAMPLE,
        )
    else:
        raise _refusal("not-a-network", text, "this is neither an address nor a network", EXAMPLE)


def _prefix_length(mask: str, version: int) -> int:
    """Return the length of a prefix given as such or, IPv4 only, as a netmask; raise ValueError for anything else."""
    if _PREFIX_LENGTH.fullmatch(mask) and int(mask) <= (32 if version == 4 else 128):
        return int(mask)
    if version == 4 and _DOTTED_QUAD.fullmatch(mask):
        network = ipaddress.IPv4Network(f"0.0.0.0/{mask}")
        if str(network.netmask) == mask:  # Python also takes host masks (0.255.255.255); Apache takes them as netmasks
            return network.prefixlen
    raise ValueError(f"/{mask} is not a prefix length")
