# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter merges, hands over and translates errors."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.wsgi.plugins.filter.wsgi_daemon_process import FilterModule

wsgi_daemon_process = FilterModule().filters()["wsgi_daemon_process"]
THREADS = {"value": 8, "unit": "threads", "why": "", "source": ""}


@pytest.mark.parametrize("group", [{"options": {"threads": THREADS}, "slots": 8}, {"threads": THREADS}, {"threads": 8}])
def test_a_group_of_a_plan_or_its_options(group: dict[str, Any]) -> None:
    assert wsgi_daemon_process("shop", group, {"user": "shop", "threads": 5}) == "WSGIDaemonProcess shop threads=8 user=shop"


def test_options_by_version() -> None:
    assert wsgi_daemon_process("a", {}, {"switch-interval": 1}, version="6.1.1") == "WSGIDaemonProcess a switch-interval=1"


@pytest.mark.parametrize("options", [(None,), ("a", {"x": 1}), ("a", [1]), ("a", {}, {"switch-interval": 1}, "5.0.2"), ("a", {"options": 1})])
def test_errors_name_the_filter(options: tuple[Any, ...]) -> None:
    with pytest.raises(AnsibleFilterError, match="^evenkeel.wsgi.wsgi_daemon_process: "):
        wsgi_daemon_process(*options)
