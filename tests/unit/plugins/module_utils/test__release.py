# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an archive may hold and which releases stay."""

from __future__ import annotations

import io
import os
import tarfile

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _release
from ansible_collections.evenkeel.wsgi.plugins.module_utils._release import ReleaseError

SUM = "0123456789abcdef" * 4


def archive(tmp_path, *members):
    """Write a .tar.gz of (name, content) files and ready-made TarInfo objects; return its path."""
    path = str(tmp_path / "app.tar.gz")
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return path


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_ids_stand_for_all_inputs():
    given = {"checksum": SUM, "python": "/usr/bin/python3", "python_version": "3.13", "requirements": "requirements.txt"}
    one = _release.release_id(**given)
    assert one.startswith("0123456789ab-") and one == _release.release_id(**given)
    others = [{"checksum": "f" * 64}, {"python": "/usr/bin/python3.11"}, {"python_version": "3.11"}, {"requirements": "r.txt"}]
    assert len({one, *(_release.release_id(**{**given, **other}) for other in others)}) == 5


@pytest.mark.parametrize("checksum", ["", "abc", "F" * 64, "../" + "0" * 61])
def test_ids_need_a_checksum(checksum):
    with pytest.raises(ReleaseError, match="sha256sum"):
        _release.release_id(checksum=checksum, python="", python_version="", requirements="")


def test_extracts_files_links_and_only_the_executable_bit(tmp_path):
    script = special("./bin/run", tarfile.REGTYPE)
    script.mode, script.mtime, script.uid = 0o6711, 1_000_000_000, 4711
    path = archive(
        tmp_path,
        special("./", tarfile.DIRTYPE),
        ("./shop/wsgi.py", b"application = 1\n"),
        script,
        special("shop/copy.py", tarfile.LNKTYPE, "./shop/wsgi.py"),
        special("entry.py", tarfile.SYMTYPE, "shop/wsgi.py"),
        special("shop/up", tarfile.SYMTYPE, "../bin"),
        special("gone", tarfile.SYMTYPE, "not/there"),
    )
    umask = os.umask(0o077)
    try:
        _release.extract(path, str(tmp_path / "r"))
    finally:
        os.umask(umask)
    modes = {name: oct((tmp_path / "r" / name).stat().st_mode & 0o7777) for name in ("", "shop", "shop/wsgi.py", "bin/run")}
    assert modes == {"": "0o755", "shop": "0o755", "shop/wsgi.py": "0o644", "bin/run": "0o755"}
    assert (tmp_path / "r/entry.py").read_text() == (tmp_path / "r/shop/copy.py").read_text() == "application = 1\n"
    assert (tmp_path / "r/bin/run").stat().st_mtime == 1_000_000_000
    assert os.readlink(tmp_path / "r/gone") == "not/there"


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([("/etc/passwd", b"")], "leads out"),
        ([("a/../../b", b"")], "leads out"),
        ([special("pipe", tarfile.FIFOTYPE)], "device or pipe"),
        ([special("disk", tarfile.BLKTYPE)], "device or pipe"),
        ([("venv/bin/python", b"")], "leave it out"),
        ([("./release.json", b"{}")], "leave it out"),
        ([special("a", tarfile.SYMTYPE, "/etc")], "outside the release"),
        ([special("a", tarfile.SYMTYPE, "../x")], "outside the release"),
        ([special("a", tarfile.SYMTYPE, "b/../.."), special("b", tarfile.SYMTYPE, ".")], "outside the release"),
        ([special("d", tarfile.SYMTYPE, "."), special("a", tarfile.SYMTYPE, "d/../x")], "outside the release"),
        ([special("a", tarfile.SYMTYPE, "."), special("a/b", tarfile.SYMTYPE, "c")], "also holds as a link"),
        ([special("a", tarfile.LNKTYPE, "b")], "which it does not hold"),
        ([special("a", tarfile.SYMTYPE, "b"), ("a/c", b"")], "as a file or link and as a folder"),
        ([("a", b""), ("a/c", b"")], "as a file or link and as a folder"),
    ],
)
def test_refuses_members_that_lead_elsewhere(tmp_path, members, reason):
    with pytest.raises(ReleaseError, match=reason):
        _release.extract(archive(tmp_path, *members), str(tmp_path / "r"))
    assert sorted(os.listdir(tmp_path)) in (["app.tar.gz"], ["app.tar.gz", "r"])


def test_refuses_what_is_no_archive(tmp_path):
    (tmp_path / "app.tar.gz").write_bytes(b"PK not a tar")
    with pytest.raises(ReleaseError, match=r"cannot be read as \.tar\.gz"):
        _release.extract(str(tmp_path / "app.tar.gz"), str(tmp_path / "r"))


@pytest.mark.parametrize(
    ("names", "whole", "keep", "current", "removed"),
    [
        ([], "", 3, "a", []),
        (["a", "b", "c"], "abc", 3, "c", []),
        (["a", "b", "c", "d"], "abcd", 3, "d", ["a"]),
        (["a", "b", "c", "d"], "abcd", 3, "a", ["b"]),  # the current one is the oldest after a rollback
        (["a", "b", "c"], "abc", 1, "b", ["a", "c"]),
        (["a", "b", "c"], "ac", 3, "c", ["b"]),  # a half one
    ],
)
def test_keeps_the_current_and_the_newest(names, whole, keep, current, removed):
    assert _release.releases_to_remove(names, whole=set(whole), keep=keep, current=current) == removed


def test_a_half_removed_release_is_not_whole(tmp_path, monkeypatch):
    (tmp_path / "r").mkdir()
    _release.mark_whole(str(tmp_path / "r"), {"checksum": SUM})
    assert _release.is_whole(str(tmp_path / "r"))

    def killed(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(_release.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        _release.remove(str(tmp_path / "r"))
    assert not _release.is_whole(str(tmp_path / "r"))


def test_current_must_be_a_link(tmp_path):
    assert _release.current_release(str(tmp_path)) is None
    (tmp_path / "current").mkdir()
    with pytest.raises(ReleaseError, match="not a symbolic link"):
        _release.current_release(str(tmp_path))
