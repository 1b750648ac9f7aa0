# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Public keys as people paste them: read, and refused when they are not one or too weak. No Ansible in here."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
import struct

HARDWARE = ("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com")
KINDS = (*HARDWARE, "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
RSA_BITS = 3072
INSTEAD = "the line of the .pub file that ssh-keygen -t ed25519 writes"


class KeyRefused(ValueError):
    """Not a key to let anybody in with; the text says why."""


@dataclasses.dataclass(frozen=True)
class Key:
    """A public key. kind: as in KINDS; blob: base64; comment: the rest of the line, for people only."""

    kind: str
    blob: str
    comment: str

    @property
    def line(self) -> str:
        """The key as authorized_keys has it, without options."""
        return f"{self.kind} {self.blob} {self.comment}".rstrip()


def parse(text: str) -> Key:
    """Read a line. Options before the key are refused: the grant says what the key may do."""
    words = text.strip().split(None, 2)
    if len(words) < 2 or "\n" in text.strip():
        raise KeyRefused("is not one line with a kind and a key")
    kind, blob = words[:2]
    if kind not in KINDS:
        raise KeyRefused(f"begins with {kind!r}, not with one of {', '.join(KINDS)}")
    comment = words[2] if len(words) == 3 else ""
    if not re.fullmatch(r"[ -~]*", comment):
        raise KeyRefused("has a comment that is not printable ASCII")
    try:
        fields = _fields(base64.b64decode(blob, validate=True))
    except (binascii.Error, struct.error, ValueError):
        raise KeyRefused("is cut off or not base64") from None
    if not fields or fields[0] != kind.encode() or len(fields) < 2:
        raise KeyRefused(f"says {kind} and holds something else")
    if kind == "ssh-rsa" and int.from_bytes(fields[-1], "big").bit_length() < RSA_BITS:
        raise KeyRefused(f"is an RSA key of {int.from_bytes(fields[-1], 'big').bit_length()} bits; at least {RSA_BITS} are wanted")
    return Key(kind, blob, comment)


def _fields(data: bytes) -> list[bytes]:
    """Fields of SSH's wire format, each with its length in front."""
    fields = []
    while data:
        (length,) = struct.unpack(">I", data[:4])
        if length > len(data) - 4:
            raise ValueError("cut off")
        fields.append(data[4 : 4 + length])
        data = data[4 + length :]
    return fields
