# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directive reads back as it was meant, or is refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.directive import daemon_process
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError
from hypothesis import given
from hypothesis import strategies as st


def word(line: str) -> tuple[str, str]:
    """Take one word as Apache's ap_getword_conf does; return it and the rest."""
    line = line.lstrip()
    if line[:1] not in ('"', "'"):
        text, _blank, rest = line.partition(" ")
        return text.replace("\\\\", "\\"), rest
    quote, text, index = line[0], "", 1
    while index < len(line) and line[index] != quote:
        if line[index] == "\\" and line[index + 1 : index + 2] in (quote, "\\"):
            index += 1
        text += line[index]
        index += 1
    return text, line[index + 1 :].lstrip()


def parse(line: str) -> dict[str, str]:
    """Read a directive as mod_wsgi's wsgi_parse_option does."""
    directive, rest = word(line)
    assert directive == "WSGIDaemonProcess"
    name, rest = word(rest)
    found = {"": name}
    while rest:
        option, _equals, rest = rest.partition("=")
        assert option not in found and " " not in option
        found[option], rest = word(rest)
    return found


def test_a_line() -> None:
    line = daemon_process("shop", {"processes": 2, "threads": 8, "user": "shop", "home": "/srv/my shop", "display-name": "%{GROUP}"})
    assert line == 'WSGIDaemonProcess shop processes=2 threads=8 user=shop home="/srv/my shop" display-name=%{GROUP}'


HOSTILE = ['"', "'", "\\", '\\"', "a b", "x threads=1 user=root", "#", "%{ENV:PATH}", "$HOME", "é", "</VirtualHost>", "t\\", "a" * 1000]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_read_back_unchanged(text: str) -> None:
    line = daemon_process("shop", {"python-path": text, "home": f"/{text}", "threads": 5})
    assert parse(line) == {"": "shop", "python-path": text, "home": f"/{text}", "threads": "5"}


@given(st.text(min_size=1, max_size=50))
def test_any_text_reads_back_unchanged_or_is_refused(text: str) -> None:
    try:
        line = daemon_process("shop", {"python-path": text, "threads": 5})
    except CapacityError:
        assert "${" in text or any(ord(char) < 32 or ord(char) == 127 or 0xD800 <= ord(char) < 0xE000 for char in text)
        return
    assert "\n" not in line and parse(line) == {"": "shop", "python-path": text, "threads": "5"}


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("shop\nLoadModule", {}, "a daemon group's name"),
        ("", {}, "a daemon group's name"),
        ("a b", {}, "a daemon group's name"),
        ("shop", {"home": "/a\nb"}, "control character 0x0a"),
        ("shop", {"home": "/a\0b"}, "control character 0x00"),
        ("shop", {"home": "/${HOME}"}, "knows no escape"),
        ("shop", {"home": "srv"}, "absolute path. Write /srv"),
        ("shop", {"python-path": ""}, "empty value"),
        ("shop", {"user": "root"}, "refuses to run an application as root"),
        ("shop", {"user": "a b"}, "not the name of a user"),
        ("shop", {"threads": "5 user=root"}, "wants a whole number"),
        ("shop", {"thread": 5}, "Did you mean threads?"),
        ("shop", {"switch-interval": 1}, "is not an option"),
        ("shop", {"threads": [5]}, "must be a number or a text"),
        ("shop", {"python-path": "a" * 9000}, "lines of up to 8000 bytes"),
    ],
)
def test_refusals(name: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(CapacityError, match=words):
        daemon_process(name, options)
