# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter of the access log: escapes of C in, JSON out."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

FILTER = pathlib.Path(__file__).parents[3] / "roles/security_baseline/files/json_lines.py"
sys.path.insert(0, str(FILTER.parent))

import json_lines  # noqa: E402  (a file of a role is in no package)


def apache(raw: bytes) -> bytes:
    """Escape as Apache's ap_escape_logitem does."""
    named = {ord(c): b"\\" + e for c, e in zip('\b\n\r\t\v"\\', (b"b", b"n", b"r", b"t", b"v", b'"', b"\\"))}
    return b"".join(named.get(byte) or (bytes([byte]) if 32 <= byte < 127 else b"\\x%02x" % byte) for byte in raw)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain", "plain"),
        ("caf\u00e9 \u20ac".encode(), "caf\u00e9 \u20ac"),
        (b"\xe9\xff", "\\xe9\\xff"),
        (b"\x16\x03\x7f\v\0", "\x16\x03\x7f\v\0"),
        (rb'\x41 "q" \\v', rb'\x41 "q" \\v'.decode()),
    ],
)
def test_what_a_client_sent_is_what_a_reader_finds(raw, text):
    assert json.loads(json_lines.valid(b'{"a":"%s"}' % apache(raw))) == {"a": text}


@given(st.binary(max_size=60))
def test_every_text_is_json_and_what_was_utf8_is_unchanged(raw):
    (value,) = json.loads(json_lines.valid(b'["%s"]' % apache(raw)))
    assert value == raw.decode("utf-8", "backslashreplace")


def test_lines_go_through_whole_also_the_last_without_an_end():
    given_lines = b'{"a":"\\xc3\\xa9"}\n' * 5000 + b'{"a":"\\v"}'
    done = subprocess.run([sys.executable, "-IS", str(FILTER), "cat"], input=given_lines, capture_output=True, check=True)
    assert done.stdout == '{"a":"\u00e9"}\n'.encode() * 5000 + b'{"a":"\\u000b"}'
