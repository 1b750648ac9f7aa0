# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that says whether a host should get requests."""

from __future__ import annotations

import importlib
import pathlib
import sys

import pytest

FOLDER = pathlib.Path(__file__).parents[3] / "roles/security_baseline/files/usr/local/lib/evenkeel"


@pytest.fixture
def program(monkeypatch):
    """Import it as it is imported on a host: from its folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module("readiness")
    sys.modules.pop("readiness", None)


@pytest.mark.parametrize(
    ("text", "share"), [("BusyWorkers: 19\nIdleWorkers: 1\n", 0.95), ("BusyWorkers: 0\nIdleWorkers: 0\n", None), ("BusyWorkers: 1\n", None), ("", None)]
)
def test_the_share_of_busy_workers(program, text, share):
    assert program.busy(text) == share


def test_a_state_changes_only_after_several_looks_in_a_row(program, tmp_path):
    state = program.State(str(tmp_path / "saturated"))
    for holds in (True, True, False, True, True, None):
        state.look(holds)
        assert not (tmp_path / "saturated").exists()
    for _look in range(program.TIMES):
        state.look(True)
    assert (tmp_path / "saturated").exists()
    for holds in (False, False, True, None, False, False):
        state.look(holds)
        assert (tmp_path / "saturated").exists()
    state.look(False)
    assert not (tmp_path / "saturated").exists()
