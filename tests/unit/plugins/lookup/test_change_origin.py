# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's log is told of a run; a whole run: ../callback/test_change_log.py."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.evenkeel.wsgi.plugins.lookup.change_origin import LookupModule
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _change_origin


@pytest.fixture(autouse=True)
def alice(monkeypatch):
    monkeypatch.setenv("SUDO_USER", "alice")
    monkeypatch.setenv("SSH_CONNECTION", "203.0.113.7 50000 10.0.0.1 22")
    monkeypatch.delenv(_change_origin.RUN, raising=False)


def test_an_inventory_outside_git_has_no_commit(tmp_path):
    assert LookupModule().run([], {"ansible_inventory_sources": [str(tmp_path), "web1,web2,"]}) == ["user=alice from=203.0.113.7"]


def test_files_that_differ_from_the_commit_are_told(tmp_path):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    (tmp_path / "hosts").write_text("web1\n")
    for arguments in (["init", "--quiet"], ["add", "hosts"], ["commit", "--quiet", "--message=x"]):
        subprocess.run([*git, *arguments], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    variables = {"ansible_inventory_sources": [str(tmp_path / "hosts")]}
    assert LookupModule().run([], variables) == [f"user=alice from=203.0.113.7 inventory={head}"]
    (tmp_path / "hosts").write_text("web2\n")
    assert LookupModule().run([], variables)[0].endswith(f"inventory={head}+changes")
    assert str(tmp_path) not in LookupModule().run([], variables)[0]


def test_nobody_forges_a_word(monkeypatch):
    monkeypatch.setenv("SUDO_USER", "eve from=10.0.0.1\nuser=root")
    monkeypatch.setenv(_change_origin.RUN, "ef7e748e9825")
    assert _change_origin.origin([]) == "run=ef7e748e9825 user=eve_from=10.0.0.1_user=root from=203.0.113.7"
