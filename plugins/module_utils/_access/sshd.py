# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sshd and PAM are given and what they say, as text. No Ansible in here."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import struct
import typing as t

BEGIN, END = "# BEGIN evenkeel: written by Ansible", "# END evenkeel"
PERIOD = 30  # s that a code is good for
# What pam_google_authenticator reads after the secret: three tries in 30 s, each code once, one code early or late.
OPTIONS = '" RATE_LIMIT 3 30\n" WINDOW_SIZE 3\n" DISALLOW_REUSE\n" TOTP_AUTH\n'


def with_block(text: str, lines: str) -> str:
    """Return a PAM file with our lines before all others; without any, as it was."""
    rest = re.sub(rf"(?ms)^{re.escape(BEGIN)}$.*?^{re.escape(END)}\n", "", text)
    return f"{BEGIN}\n{lines.strip()}\n{END}\n{rest}" if lines.strip() else rest


def secret_file(secret: str) -> str:
    """Return the file that pam_google_authenticator reads. It adds lines of its own below."""
    return f"{secret}\n{OPTIONS}"


def same_secret(text: str, secret: str) -> bool:
    """Whether a file of pam_google_authenticator is for this secret."""
    return text.split("\n", 1)[0] == secret and all(option in text for option in OPTIONS.splitlines() if "RATE_LIMIT" not in option)


def totp(secret: str, now: float) -> str:
    """Return the code of six digits of a moment (RFC 6238). secret: base32."""
    key = base64.b32decode(secret.upper() + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(now) // PERIOD), hashlib.sha1).digest()
    start = digest[-1] & 15
    (number,) = struct.unpack(">I", digest[start : start + 4])
    return f"{(number & 0x7FFFFFFF) % 10**6:06d}"


def effective(text: str) -> dict[str, list[str]]:
    """Read what ``sshd -T`` prints: {keyword in lower case: its values}."""
    settings: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _space, value = line.strip().partition(" ")
        settings.setdefault(name.lower(), []).append(value)
    return settings


def loopback(settings: t.Mapping[str, t.Sequence[str]]) -> tuple[str, int]:
    """Return an address of the host itself, and the port, on which this sshd can be asked."""
    addresses = [listen.rpartition(":")[::2] for listen in settings.get("listenaddress", ())]
    for wildcard, own in (("0.0.0.0", "127.0.0.1"), ("[::]", "::1")):  # a host with IPv4 only has no ::1
        for address, port in addresses:
            if address == wildcard:
                return own, int(port)
    for address, port in addresses:
        return address.strip("[]"), int(port)
    return "127.0.0.1", int(settings.get("port", ["22"])[0])
