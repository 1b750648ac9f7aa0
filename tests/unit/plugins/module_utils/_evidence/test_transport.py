# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What leaves the host in the clear is named, and no password with it."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence import transport as core


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("BROKER_URL=redis://10.0.3.4:6379/0\n", ["BROKER_URL: redis to 10.0.3.4"]),
        ('BROKER_URL="amqp://shop:s3cret@mq.internal//"\n', ["BROKER_URL: amqp to mq.internal"]),
        ("BROKER_URL=redis://:s3cret@[fd00::4]:6379\n", ["BROKER_URL: redis to [fd00::4]"]),
        ("BROKER_URL=rediss://10.0.3.4\nAPI=https://api.example.org\n", []),
        ("BROKER_URL=redis://127.0.0.1:6379/0\nCACHE=redis://localhost\nA=redis://[::1]/\n", []),
        ("BROKER_URL=redis+socket:///run/redis.sock\n", []),
        ("# see http://example.org\n", []),
    ],
)
def test_only_what_leaves_the_host_in_the_clear_is_named(text, found):
    assert core.plain([text], {}) == found


def test_metrics_for_another_host_are_not_encrypted():
    assert core.plain([], {"metrics": "10.0.9.11"}) == ["metrics on 10.0.9.11"]
    assert core.plain([], {"metrics": "127.0.0.1"}) == core.plain([], {"metrics": "[::1]"}) == []


def test_a_certificate_that_ends_soon_is_unmet_and_none_is_not_judged():
    assert core.certificates_last({"/a": True, "/b": False}).state == "unmet"
    assert core.certificates_last({"/a": True}).state == "ok"
    assert core.certificates_last({}).state == "unverifiable"
