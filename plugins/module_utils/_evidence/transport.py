# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates, and connections that leave the host without encryption."""

from __future__ import annotations

import glob
import ipaddress
import re
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.host import Host
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.model import Finding, control

OPTIONS: dict[str, t.Any] = {
    "certificates": {"type": "list", "elements": "path", "default": []},
    "environments": {"type": "list", "elements": "str", "default": []},
    "addresses": {"type": "dict", "default": {}},
}
DAYS = 14
"""Days that a certificate must still hold. Whoever renews by a program does so 30 days before the end."""
PLAIN = re.compile(r"^(\w+)=.*?\b(redis|amqp|pyamqp|memcached|http|smtp|ldap|mongodb)://(?:[^@/\s\"']*@)?(\[[^\]]*\]|[^:/?#\s\"']*)", re.M)
"""A variable whose value is the URL of a protocol without encryption: its name, the protocol, the host. Never what is before the @."""


def look(host: Host, wanted: t.Mapping[str, t.Any]) -> list[Finding]:
    """Look at files of certificates and at where the applications' variables point."""
    left = {path: bool(host.run("openssl", "x509", "-noout", "-checkend", str(DAYS * 86400), "-in", path)) for path in wanted["certificates"]}
    texts = [host.read(path) or "" for pattern in wanted["environments"] for path in sorted(glob.glob(pattern))]
    return [certificates_last(left), connections_are_encrypted(plain(texts, wanted["addresses"]), bool(texts or wanted["addresses"]))]


def plain(texts: t.Iterable[str], addresses: t.Mapping[str, str]) -> list[str]:
    """What goes out without encryption. texts: files of variables; addresses: {what: address on which it is served as plain text}."""
    found = [f"{name}: {scheme} to {host}" for text in texts for name, scheme, host in PLAIN.findall(text) if not local(host)]
    return sorted({*found, *(f"{what} on {address}" for what, address in addresses.items() if not local(address))})


def local(host: str) -> bool:
    """Whether a host is this one; an empty one is a socket."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host in ("", "localhost")


@control(
    line="transit",
    against="a certificate that ends on a Sunday",
    proof=f"openssl reads each file and looks {DAYS} days ahead",
    cost="somebody or something that renews",
    wants=f"every certificate holds for {DAYS} more days: renew it, Apache takes it by itself",
)
def certificates_last(left: t.Mapping[str, bool]) -> tuple[bool | None, str]:
    """Judge the certificates. left: {path: whether it is there and holds long enough}."""
    if not left:
        return None, "Apache has no certificate; TLS ends at the balancer, if anywhere"
    return all(left.values()), ", ".join(f"{path}: {'holds' if good else 'ends soon, has ended or is not there'}" for path, good in left.items())


@control(
    line="transit",
    against="somebody in the network who reads tasks and passwords along",
    proof="the URLs in the applications' variables and the addresses of the exporters; a loopback or a socket needs nothing",
    cost="TLS at the broker, and CPU for it",
    wants="rediss://, amqps:// or https:// for whatever is on another host",
)
def connections_are_encrypted(found: t.Sequence[str], looked: bool) -> tuple[bool | None, str]:
    """Judge what leaves the host. found: what does so without encryption; looked: whether there was anything to look at."""
    if not looked:
        return None, "no application's variables are on this host"
    return not found, ", ".join(found) or "nothing leaves the host without encryption"
