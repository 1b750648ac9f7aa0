# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proofs that script/demo prints, each asserted on every web host of the scenario."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest

ROOT = pathlib.Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests"))

import proof  # noqa: E402  (tests/ is not a package)

INVENTORY = pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory"


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """What explain.yml says of each host, as <host>.json."""
    folder = tmp_path_factory.mktemp("plans")
    command = ["ansible-playbook", f"--inventory={INVENTORY}", f"--inventory={ROOT}/examples/inventory"]
    command += [f"--extra-vars=evenkeel_explain_directory={folder}", "--limit=web", "evenkeel.wsgi.explain"]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def scene(host: t.Any, plans: pathlib.Path) -> proof.Scene:
    web = host.backend.get_hostname()
    plan = json.loads((plans / f"{web}.json").read_text())
    return proof.Scene(web, f"{os.environ['EVENKEEL_PREFIX']}-edge", plan)


@pytest.mark.parametrize("check", proof.CHECKS, ids=lambda check: check.__name__)
def test_proof(scene: proof.Scene, check: t.Callable[[proof.Scene], tuple[t.Any, t.Any]]) -> None:
    observed, expected = check(scene)
    assert observed == expected


def test_the_register_shows_the_states_of_the_example_fleet(host: t.Any) -> None:
    """examples/evidence.json, from which docs/controls.md is written, says what site.yml saw here. More than one state: the machine decides."""
    evidence = json.loads((INVENTORY.parent / f"{host.backend.get_hostname()}.json").read_text())
    states = json.loads((ROOT / "examples/evidence.json").read_text())
    seen = {control["id"]: control["state"] for control in evidence["controls"]}
    assert {name: state for name, state in seen.items() if state not in states[name]} == {}, evidence["controls"]
    assert seen.keys() == states.keys()
