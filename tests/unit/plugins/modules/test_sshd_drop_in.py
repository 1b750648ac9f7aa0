# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sshd_drop_in on a machine whose sshd it never sees. What it does to a real one is tried in tests/faults/test_access.py."""

from __future__ import annotations

import os

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._access import probe
from ansible_collections.evenkeel.wsgi.plugins.modules import sshd_drop_in as module

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.fixture
def params(tmp_path, monkeypatch):
    (tmp_path / "pam").write_text("@include common-auth\n")
    (tmp_path / "totp").mkdir()
    monkeypatch.setattr(probe, "TOTP", str(tmp_path / "totp"))
    monkeypatch.setattr(probe, "KEYS", str(tmp_path))
    return {
        "path": str(tmp_path / "drop-in"),
        "drop_in": "PasswordAuthentication no\n",
        "pam": "auth x",
        "pam_path": str(tmp_path / "pam"),
        "secrets": {},
        "keys": {},
    }


def changes(params, written=()):
    return sorted(os.path.basename(path) for path, file in module.wanted_files(params, written).items() if module.differs(path, file))


def test_what_differs_is_written_once_and_taken_back(params, tmp_path):
    params.update(secrets={"alice": SECRET}, keys={"ansible": "ssh-ed25519 AAAA\n"})
    assert changes(params) == ["alice", "ansible", "drop-in", "pam"]
    wanted = module.wanted_files(params)
    for path, file in wanted.items():
        module.write(path, file)
    assert changes(params, wanted) == []
    assert oct((tmp_path / "totp/alice").stat().st_mode)[-3:] == "600"
    written = [path for path in wanted if path != params["pam_path"]]
    params.update(secrets={}, keys={}, pam="", drop_in="")
    assert changes(params, written) == ["alice", "ansible", "drop-in", "pam"]
    for path, file in module.wanted_files(params, written).items():
        module.write(path, file)
    assert (tmp_path / "pam").read_text() == "@include common-auth\n"
    assert os.listdir(tmp_path) == ["pam"]


def test_no_pam_file_is_made_where_there_is_none(params, tmp_path):
    (tmp_path / "pam").unlink()
    assert changes(params) == ["drop-in"]


def test_this_process_does_not_come_from_an_sshd_of_the_future():
    assert module.connections(since=1e12) == 0
