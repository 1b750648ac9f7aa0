# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who the client is, by definition. Written from the words in docs/remoteip.md, without a look at the role or its core.

The header is read from right to left. What stands next to a believed proxy was written by it. The first address that is not a believed
proxy is the client; where no address can be read, it is the last proxy that was. A proxy on the Internet cannot speak for a private
client.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

CDN = ipaddress.ip_network("173.245.48.0/20")  # one of Cloudflare's


def appended(lines: t.Sequence[str], address: str, port: str = "") -> list[str]:
    """Return the header's lines behind a proxy that adds from whom it got them."""
    return [*lines[:-1], f"{lines[-1]}, {address}{port}"] if len(lines) == 1 else [*lines, f"{address}{port}"]


def literal(entry: str) -> Address | None:
    """Return the address that an entry states, with or without a port; None for anything else."""
    entry = entry.strip(" \t")
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?::\d+)?", entry)
    with_port = re.fullmatch(r"([0-9.]+):\d+", entry)
    text = (bracketed or with_port or [entry, entry])[1]
    if bracketed and ":" not in text:
        return None
    try:
        return ipaddress.ip_address(text) if "%" not in text else None
    except ValueError:
        return None


def client(peer: str, lines: t.Sequence[str], balancers: t.Container[str]) -> str:
    """Return the client's address for a connection from ``peer`` with these lines of X-Forwarded-For."""
    entries = ",".join(lines).split(",") if lines else []
    seen: Address = ipaddress.ip_address(peer)
    while entries:
        if str(seen) not in balancers and not (seen.version == 4 and seen in CDN):
            break
        said = literal(entries.pop())
        if said is None or (str(seen) not in balancers and not public(said)):
            break
        seen = said
    return str(seen)


def public(address: Address) -> bool:
    """Return whether a proxy on the Internet may speak for this client."""
    if address.version == 6:
        return address in ipaddress.ip_network("2000::/3")
    private = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8")
    return not any(address in ipaddress.ip_network(block) for block in private)
