# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the backup's programs decide without a repository; the whole with a real one: tests/faults/test_backup.py."""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import sys
import types

import pytest

PROGRAMS = pathlib.Path(__file__).parents[3] / "roles/security_baseline/files/usr/local/lib/evenkeel"
DAY = 86400


def program(name: str) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, PROGRAMS / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


core, retention = program("backup"), program("backup_retention")


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> pathlib.Path:
    live = tmp_path / "live"
    (live / "sub").mkdir(parents=True)
    (live / "a").write_text("a")
    (live / "sub/b").write_text("b")
    (live / "link").symlink_to("a")
    return live


def restored(tree: pathlib.Path, files: dict[str, list[object]], tmp_path: pathlib.Path) -> pathlib.Path:
    root = tmp_path / "root"
    for path in files:
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if os.path.islink(path):
            target.symlink_to(os.readlink(path))
        else:
            target.write_bytes(pathlib.Path(path).read_bytes())
    return root


def test_a_restore_is_compared_byte_for_byte(tree: pathlib.Path, tmp_path: pathlib.Path) -> None:
    files = core.manifest([str(tree)], {})
    assert set(files) == {f"{tree}/a", f"{tree}/sub/b", f"{tree}/link"}
    root = restored(tree, files, tmp_path)
    assert core.compare(files, str(root)) == []
    (root / str(tree).lstrip("/") / "a").write_text("A")
    (root / str(tree).lstrip("/") / "sub/b").unlink()
    assert core.compare(files, str(root)) == [f"{tree}/a differs", f"{tree}/sub/b is not in the backup"]
    assert core.compare(files, str(root), moving=[f"{tree}/a", f"{tree}/sub/b"]) == []


def test_what_changes_while_the_backup_runs_is_known(tree: pathlib.Path) -> None:
    files = core.manifest([str(tree)], {})
    assert core.changed(files) == []
    (tree / "a").write_text("longer")
    (tree / "sub/b").unlink()
    assert core.changed(files) == [f"{tree}/a", f"{tree}/sub/b"]


def test_a_file_that_is_as_it_was_is_not_read_again(tree: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = json.loads(json.dumps(core.manifest([str(tree)], {})))
    monkeypatch.setattr(core, "digest", lambda path: pytest.fail(f"read {path}"))
    assert core.manifest([str(tree)], files) == files


def test_a_dump_that_fails_leaves_the_last_good_one(tmp_path: pathlib.Path) -> None:
    me = os.getuid()
    config = {"dumps": [{"name": "good", "command": [sys.executable, "-c", "print(1)"], "user": me}]}
    backup = core.Backup(config, str(tmp_path))
    assert backup.dump() == []
    config["dumps"] = [{"name": "good", "command": [sys.executable, "-c", "print(2); raise SystemExit('broken')"], "user": me}]
    assert backup.dump() == ["dump good: exit 1, broken"]
    assert (tmp_path / "staging/dumps/good").read_text() == "1\n"
    config["dumps"] = []
    assert backup.dump() == [] and os.listdir(tmp_path / "staging/dumps") == []


def test_metrics_of_a_host_that_never_succeeded(tmp_path: pathlib.Path) -> None:
    config = {"metrics_directory": str(tmp_path), "max_age_s": {"backup": 93600, "drill": 691200}}
    backup = core.Backup(config, str(tmp_path))

    def gone() -> None:
        raise core.BackupError("the repository is gone")

    with pytest.raises(core.BackupError):
        backup.run("backup", gone)
    backup.measure()
    text = (tmp_path / "evenkeel_backup.prom").read_text()
    assert "\nevenkeel_backup_last_success_timestamp_seconds 0\n" in text and "\nevenkeel_backup_failed 1\n" in text
    assert json.loads((tmp_path / "state.json").read_text())["backup"] == {"failed": True, "says": "the repository is gone"}


def test_the_repositorys_side_counts_age_by_its_own_clock_and_keeps_the_last_three() -> None:
    written = {"a": 0.0, "b": 1.0 * DAY, "c": 2.0 * DAY, "d": 99.0 * DAY, "e": 100.0 * DAY}
    assert retention.old(written, now=100.0 * DAY, days=35) == ["a", "b"]
    assert retention.old({"a": 0.0, "b": 1.0, "c": 2.0}, now=100.0 * DAY, days=35) == []


def test_metrics_of_the_repository() -> None:
    text = retention.metrics({"web1": {"newest_timestamp_seconds": 7, "snapshots": 2, "failed": 0}, "web2": {"failed": 1}})
    assert 'evenkeel_backup_repository_newest_timestamp_seconds{backup_of="web1"} 7\n' in text
    assert 'evenkeel_backup_repository_failed{backup_of="web2"} 1\n' in text
