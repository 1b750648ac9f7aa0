# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of controls, the role, the module and the register say the same."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import yaml
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence import topics
from ansible_collections.evenkeel.wsgi.plugins.modules import security_evidence

ROOT = pathlib.Path(__file__).parents[3]
ROLE = ROOT / "roles/security_baseline"


def test_every_control_can_be_excepted_by_the_role_and_nothing_else() -> None:
    options = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert options["security_baseline_exceptions"]["options"]["control"]["choices"] == list(topics.CONTROLS)


def test_every_topic_is_asked_for_by_the_role_and_documented_by_the_module() -> None:
    told = yaml.safe_load((ROLE / "vars/main/evidence.yml").read_text())["__security_baseline_evidence_of"]
    asked = yaml.safe_load((ROLE / "tasks/topics/evidence.yml").read_text())[0]["evenkeel.wsgi.security_evidence"]
    documented = yaml.safe_load(security_evidence.DOCUMENTATION)["options"]
    assert [*told, "exceptions"] == list(asked) == list(documented) == [*topics.TOPICS, "exceptions"]
    assert all(told[name].keys() <= topic.OPTIONS.keys() for name, topic in topics.TOPICS.items())


def test_the_example_fleet_has_a_state_for_every_control() -> None:
    assert set(json.loads((ROOT / "examples/evidence.json").read_text())) == set(topics.CONTROLS)


def test_the_register_is_what_the_list_says() -> None:
    written = subprocess.run([sys.executable, "script/controls.py"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert (ROOT / "docs/controls.md").read_text() == written, "run script/docs"
