# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test accepts the planner's plans and refuses changed ones."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleTemplateError
from ansible_collections.evenkeel.wsgi.plugins.filter.capacity_plan import capacity_plan
from ansible_collections.evenkeel.wsgi.plugins.test.aligned import TestModule as Plugin

aligned = Plugin().tests()["aligned"]
HOST = {"vcpus": 2, "memory_mib": 4096}


def test_the_planners_plan_is_aligned() -> None:
    assert aligned(capacity_plan(HOST, applications=[{"name": "shop"}]))


def test_a_changed_plan_is_judged_again() -> None:
    plan = capacity_plan(HOST, applications=[{"name": "shop"}])
    plan["apache"]["KeepAliveTimeout"] = 5
    assert not aligned(plan)


def test_exceptions_of_the_plan_count() -> None:
    exception = {"rule": "keepalive-shorter-than-lb", "reason": "r", "owner": "o", "expires": "2999-01-01"}
    plan = capacity_plan(HOST, applications=[{"name": "shop"}], directives={"KeepAliveTimeout": 5}, exceptions=[exception])
    assert aligned(plan)
    plan["exceptions"][0]["expires"] = "2020-01-01"
    assert not aligned(plan)


def test_the_articles_examples() -> None:
    bad: dict[str, Any] = {
        "apache": {"ThreadsPerChild": 50, "MaxRequestWorkers": 75},
        "groups": {"myapp": {"options": {"processes": 4, "threads": 25}}},
    }
    good = {"policy": "matched", "apache": {"ThreadsPerChild": 50, "MaxRequestWorkers": 150}, "groups": {"myapp": {"options": {"processes": 3, "threads": 50}}}}
    assert not aligned(bad)
    assert aligned(good)


@pytest.mark.parametrize("value", [None, "plan", {"apache": {"MaxRequestWorkers": "many"}}, {"exceptions": [{}]}])
def test_what_is_not_a_plan_is_an_error(value: Any) -> None:
    with pytest.raises(AnsibleTemplateError, match="evenkeel.wsgi.aligned: "):
        aligned(value)
