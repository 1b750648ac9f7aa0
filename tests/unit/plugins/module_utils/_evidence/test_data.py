# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a provider says is never ok, and one plain disk is enough to be unmet."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence import data as core
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.host import Host

LUKS, PLAIN = ["lvm", "crypt", "part", "disk"], ["part", "disk"]


@pytest.mark.parametrize(
    ("volumes", "state", "saw"),
    [
        ({}, "unmet", "no volume is declared"),
        ({"/srv": (LUKS, False)}, "ok", "/srv: lvm on crypt on part on disk"),
        ({"/srv": (LUKS, False), "/var": (PLAIN, False)}, "unmet", "/var: part on disk"),
        ({"/srv": (PLAIN, True)}, "unverifiable", "encrypted by the provider as declared"),
        ({"/srv": (None, False)}, "unverifiable", "no block device"),
        ({"/srv": (PLAIN, True), "/var": (PLAIN, False)}, "unmet", "/var: part on disk"),
        ({"/srv": (PLAIN, True), "/var": (LUKS, False)}, "unverifiable", "/srv: part on disk, encrypted by"),
    ],
)
def test_the_state_follows_from_what_was_seen(volumes, state, saw):
    finding = core.data_is_encrypted_at_rest(volumes)
    assert finding.state == state
    assert saw in finding.saw


def test_the_devices_below_a_path():
    said = {"findmnt": "/dev/mapper/data\n", "lsblk": "crypt\npart\ndisk\n"}
    assert core.layers(Host(lambda command, **_options: (0, said[command[0]], "")), "/srv") == ["crypt", "part", "disk"]
    assert core.layers(Host(lambda command, **_options: (0, "overlay\n", "")), "/srv") is None
