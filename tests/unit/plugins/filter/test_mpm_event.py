# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter hands over and translates errors."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.wsgi.plugins.filter.mpm_event import FilterModule

mpm_event = FilterModule().filters()["mpm_event"]


def test_directives_in_printing_order() -> None:
    found = mpm_event("150", threads_per_child=50)
    assert [setting["name"] for setting in found][:4] == ["ServerLimit", "ThreadLimit", "ThreadsPerChild", "MaxRequestWorkers"]
    assert {setting["name"]: setting["value"] for setting in found}["MaxRequestWorkers"] == 150
    assert set(found[0]) == {"name", "value", "unit", "why", "source"}


@pytest.mark.parametrize("options", [(0,), ("many",), (None,), (10, 0), (10, "x")])
def test_errors_name_the_filter(options: tuple[Any, ...]) -> None:
    with pytest.raises(AnsibleFilterError, match="^evenkeel.wsgi.mpm_event: "):
        mpm_event(*options)
