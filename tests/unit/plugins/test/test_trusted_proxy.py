# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test trusted_proxy: yes or no about one network."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.wsgi.plugins.test.trusted_proxy import TestModule as Plugin

trusted_proxy = Plugin().tests()["trusted_proxy"]


@pytest.mark.parametrize(
    ("network", "provider", "expected"),
    [
        ("10.0.0.0/8", "", True),
        ("10.0.1.0/24 fd12:3456:789a::/64", "", True),
        ("203.0.113.0/24", "", False),
        ("203.0.113.0/24", "Example CDN", True),
        ("10.0.0.0/8", "Example CDN", False),
        ("0.0.0.0/1", "the Internet", False),
        ("10.0.0.1/8", "", False),
        ("localhost", "", False),
        ("", "", False),
        (10, "", False),
        (None, "", False),
    ],
)
def test_known_points(network, provider, expected):
    assert trusted_proxy(network, provider) is expected
