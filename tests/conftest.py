# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Import the checkout as the collection that it is, wherever it lies: no plugin, no symlink, no installation."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path

import hypothesis
import yaml

ROOT = Path(__file__).resolve().parents[1]
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))

for name, path in {
    "ansible_collections": [],
    f"ansible_collections.{GALAXY['namespace']}": [],
    f"ansible_collections.{GALAXY['namespace']}.{GALAXY['name']}": [str(ROOT)],
}.items():
    package = types.ModuleType(name)
    package.__path__ = path
    sys.modules.setdefault(name, package)

# Two shared cores can be slow for reasons that are not ours; `full` is what script/test --full asks for.
hypothesis.settings.register_profile("default", deadline=None, derandomize=True)
hypothesis.settings.register_profile("full", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
