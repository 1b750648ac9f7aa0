# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A number that names a finding as its source finds it in docs/capacity.md."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[5]


def test_each_finding_that_the_code_names_is_documented() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "plugins/module_utils/_capacity").glob("*.py"))
    named = set(re.findall(r"measured\((\d+)\)|[Ff]inding (\d+)", code))
    documented = set(re.findall(r"^(?:\| |- )(\d+)(?: \||:)", (ROOT / "docs/capacity.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert named, "nothing was found, so nothing was compared"
    assert {first or second for first, second in named} <= documented
