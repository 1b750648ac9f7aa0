# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who still comes from networks that shall be trusted no longer: reads lines of the access log and the kernel's table of connections."""

from __future__ import annotations

import datetime
import ipaddress
import re
import typing as t
from dataclasses import asdict, dataclass

Networks = t.Sequence[t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]]

#: The fields of role security_baseline's log, in its order.
LINE = re.compile(rb'^\{"time":"([^"]+)".*?"peer":"([^"]+)"(?:,"chain":"((?:[^"\\]|\\.)*)")?')
TIME = "%Y-%m-%dT%H:%M:%S.%f%z"
ESTABLISHED, LISTENING = "01", "0A"


@dataclass
class Seen:
    """One address, how many requests came from it, and when the last one did (as the log has it)."""

    address: str
    requests: int
    last: str

    def as_dict(self) -> dict[str, t.Any]:
        """Return {address, requests, last}."""
        return asdict(self)


def requests_from(lines: t.Iterable[bytes], removed: Networks, kept: Networks, since: datetime.datetime) -> list[Seen]:
    """Return who sent requests since then from a network of ``removed`` that is in none of ``kept``, the busiest first.

    A request counts for the address that connected. When that one stays trusted, it counts for the one that it wrote last into the
    chain too: that is a proxy further out.
    """
    found: dict[str, Seen] = {}
    judged: dict[str, bool] = {}
    fresh: dict[bytes, bool] = {}

    def leaves(address: str) -> bool:
        if address not in judged:
            judged[address] = _inside(address, removed) and not _inside(address, kept)
        return judged[address]

    for line in lines:
        match = LINE.match(line)
        if not match:
            continue
        time, peer, chain = match[1], match[2].decode("ascii", "replace"), (match[3] or b"").decode("ascii", "replace")
        second = time[:19]
        if second not in fresh:
            fresh[second] = _parsed(time) >= since
        if not fresh[second]:
            continue
        said = chain.rpartition(",")[2].strip()
        for address in (peer, said if _inside(peer, kept) else ""):
            if address and leaves(address):
                entry = found.setdefault(address, Seen(address, 0, ""))
                entry.requests += 1
                entry.last = max(entry.last, time.decode("ascii", "replace"))
    return sorted(found.values(), key=lambda seen: (-seen.requests, seen.address))


def connected_from(tables: t.Iterable[str], removed: Networks, kept: Networks) -> list[str]:
    """Return the addresses with an open connection to a listening port, from the texts of /proc/net/tcp and tcp6."""
    rows = [line.split()[1:4] for text in tables for line in text.splitlines()[1:]]
    ports = {local.rpartition(":")[2] for local, _remote, state in rows if state == LISTENING}
    peers = {_address(remote) for local, remote, state in rows if state == ESTABLISHED and local.rpartition(":")[2] in ports}
    return sorted(peer for peer in peers if _inside(peer, removed) and not _inside(peer, kept))


def _inside(text: str, networks: Networks) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(address in network for network in networks)


def _parsed(time: bytes) -> datetime.datetime:
    """Return a line's time; one that cannot be read counts as now, since nothing proves that it is old."""
    try:
        return datetime.datetime.strptime(time.decode("ascii", "replace"), TIME)
    except ValueError:
        return datetime.datetime.max.replace(tzinfo=datetime.timezone.utc)


def _address(field: str) -> str:
    """Return the address of "0B01A8C0:D431": words of four bytes, each in the byte order of the machine (little-endian here)."""
    digits = field.partition(":")[0]
    packed = b"".join(bytes.fromhex(digits[i : i + 8])[::-1] for i in range(0, len(digits), 8))
    address = ipaddress.ip_address(packed)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
