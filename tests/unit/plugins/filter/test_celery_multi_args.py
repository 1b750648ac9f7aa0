# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter hands over and translates errors."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.wsgi.plugins.filter.celery_multi_args import FilterModule

celery_multi_args = FilterModule().filters()["celery_multi_args"]


@pytest.mark.parametrize("node", [{"options": {"queues": {"value": "Q1"}}}, {"queues": "Q1"}])
def test_a_node_of_a_plan_or_its_options(node: dict[str, Any]) -> None:
    assert celery_multi_args(node, "default") == ["-Q", "Q1"]
    assert celery_multi_args(node, "default", multi=True) == ["-Q:default", "Q1"]


@pytest.mark.parametrize("options", [({"queue": "Q1"}, "a"), (None, "a"), ({"queues": "a b"}, "a")])
def test_errors_name_the_filter(options: tuple[Any, ...]) -> None:
    with pytest.raises(AnsibleFilterError, match="^evenkeel.wsgi.celery_multi_args: "):
        celery_multi_args(*options)
