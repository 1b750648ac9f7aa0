# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter hands over and translates errors."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.wsgi.plugins.filter.capacity_plan import FilterModule

capacity_plan = FilterModule().filters()["capacity_plan"]


def test_the_shape_of_a_plan() -> None:
    found = capacity_plan({"vcpus": 2, "memory_mib": 4096}, applications=[{"name": "shop"}])
    assert list(found) == [
        "policy", "host", "load_balancer", "apache", "groups", "celery", "systemd", "kernel", "prediction", "budget", "exceptions",
        "compare", "warnings",
    ]  # fmt: skip
    assert set(found["apache"]["ServerLimit"]) == {"value", "unit", "why", "source"}
    assert list(found["systemd"]["apache2"]) == ["TasksMax", "MemoryHigh", "MemoryMax", "TimeoutStopSec", "APACHE_ULIMIT_MAX_FILES"]


@pytest.mark.parametrize("options", [{"policy": "x"}, {"application": []}, {"directives": {"MaxClients": 1}}])
def test_errors_name_the_filter(options: dict[str, object]) -> None:
    with pytest.raises(AnsibleFilterError, match="^evenkeel.wsgi.capacity_plan: "):
        capacity_plan({"vcpus": 2, "memory_mib": 4096}, **options)
