# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and folders of one owner on a real file system. Units are tried on real hosts, in tests/faults."""

from __future__ import annotations

import json
import os
import pathlib
import pwd
import subprocess
import sys
import typing as t

import pytest

ROOT = pathlib.Path(__file__).parents[4]
USER = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def place(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "ansible_collections/evenkeel").mkdir(parents=True)
    (tmp_path / "ansible_collections/evenkeel/wsgi").symlink_to(ROOT)
    return tmp_path


def run(place: pathlib.Path, check: bool = False, **parameters: t.Any) -> dict[str, t.Any]:
    """The module as Ansible runs it."""
    parameters.update(owner="shop", record_directory=str(place / "records"), _ansible_check_mode=check)
    done = subprocess.run(
        [sys.executable, "-m", "ansible_collections.evenkeel.wsgi.plugins.modules.system_files"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": parameters}),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(place)},
    )
    return json.loads(done.stdout)


def test_folders_and_files_come_and_only_files_go(place: pathlib.Path) -> None:
    folder = {"path": str(place / "media"), "owner": USER, "group": "root", "mode": "0750"}
    file = {"path": str(place / "deep/program"), "content": "#!/bin/sh\n", "mode": "0755"}
    planned = run(place, check=True, folders=[folder], files=[file])
    assert planned["changed"]
    assert not (place / "media").exists()
    first = run(place, folders=[folder], files=[file])
    assert (first["folders"], first["files"]) == ([folder["path"]], [file["path"]])
    assert oct((place / "media").stat().st_mode)[-3:] == "750"
    assert oct((place / "deep/program").stat().st_mode)[-3:] == "755"
    assert not run(place, folders=[folder], files=[file])["changed"]
    (place / "deep/program").chmod(0o700)
    assert run(place, folders=[folder], files=[file])["files"] == [file["path"]]
    last = run(place)
    assert last["removed"] == [file["path"]]
    assert (place / "media").is_dir()
    assert not (place / "deep/program").exists()
    assert not run(place)["changed"]


def test_a_file_that_was_removed_before_the_record_is_no_error(place: pathlib.Path) -> None:
    run(place, files=[{"path": str(place / "one"), "content": "1"}])
    (place / "one").unlink()
    assert run(place)["removed"] == [str(place / "one")]


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"files": [{"path": "/tmp/../etc/passwd", "content": ""}]}, "is not an absolute path"),
        ({"files": [{"path": "/tmp/x", "content": "", "mode": "rwx"}]}, "is not an octal mode"),
        ({"units": ["shop.timer; reboot"]}, "is not the name of a systemd unit"),
        ({"folders": [{"path": "/tmp/evenkeel-x", "owner": "no-such-user"}]}, "make them first"),
    ],
)
def test_refusals(place: pathlib.Path, parameters: dict[str, t.Any], told: str) -> None:
    result = run(place, **parameters)
    assert result["failed"]
    assert told in result["msg"]


def test_a_run_that_was_killed_is_finished_by_the_next_one(place: pathlib.Path) -> None:
    """It may have written a file and told nobody: the record says that it had begun."""
    file = {"path": str(place / "one"), "content": "1"}
    run(place, files=[file])
    record = place / "records/system_files-shop.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "unfinished": True}))
    assert run(place, check=True, files=[file])["changed"]
    assert run(place, files=[file])["changed"]
    assert not run(place, files=[file])["changed"]


def test_a_link_in_place_of_a_folder_is_refused(place: pathlib.Path) -> None:
    """The folder's owner could have put it there to get another folder."""
    (place / "media").symlink_to("/etc")
    assert "is not a folder" in run(place, folders=[{"path": str(place / "media"), "owner": USER}])["msg"]
