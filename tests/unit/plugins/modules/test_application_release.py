# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it, as a program of its own, against the real venv and pip. Requirements come from local folders."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="session")
def collections(tmp_path_factory):
    """Return a folder in which Python finds this checkout as its collection."""
    path = tmp_path_factory.mktemp("collections")
    (path / "ansible_collections/evenkeel").mkdir(parents=True)
    (path / "ansible_collections/evenkeel/wsgi").symlink_to(ROOT)
    return path


@pytest.fixture(scope="session")
def quick_python(tmp_path_factory):
    """Return a Python whose `-m venv` copies a virtual environment that was made once: 0.3 s instead of 5."""
    path = tmp_path_factory.mktemp("quick")
    subprocess.run([sys.executable, "-m", "venv", path / "made"], check=True)
    script = path / "python3"
    script.write_text(f'#!/bin/sh\n[ "$2" = venv ] && exec cp -a {path}/made "$3"\nexec {sys.executable} "$@"\n')
    script.chmod(0o755)
    return str(script)


@pytest.fixture
def app(tmp_path, collections, quick_python):
    return App(tmp_path, collections, quick_python)


class App:
    """An application to be released and the module that does it."""

    def __init__(self, tmp_path, collections, python):
        self.directory = tmp_path / "srv"
        self.source = tmp_path / "source"
        self.archive = tmp_path / "app.tar.gz"
        self.collections = collections
        self.python = python
        self.source.mkdir()
        self.write("requirements.txt", "")

    def write(self, name, text):
        (self.source / name).write_text(text)
        with tarfile.open(self.archive, "w:gz") as tar:
            tar.add(self.source, ".")

    def start(self, check=False, **options):
        options = {
            "directory": str(self.directory),
            "archive": str(self.archive),
            "checksum": hashlib.sha256(self.archive.read_bytes()).hexdigest() if self.archive.exists() else "0" * 64,
            "python": self.python,
            "_ansible_check_mode": check,
            **options,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "ansible_collections.evenkeel.wsgi.plugins.modules.application_release"],
            env={**os.environ, "PYTHONPATH": str(self.collections)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ), json.dumps({"ANSIBLE_MODULE_ARGS": options})

    def release(self, **options):
        process, stdin = self.start(**options)
        out = process.communicate(stdin)[0]
        return json.loads(out[out.index("{") :])

    @property
    def current(self):
        return os.readlink(self.directory / "current")

    @property
    def releases(self):
        return sorted(path.name for path in (self.directory / "releases").iterdir() if path.is_dir())


def test_a_release_is_built_switched_and_left_alone(app):
    planned = app.release(check=True)
    assert planned["changed"] and not app.directory.exists()

    app.write("shop.py", "x = 1\n")
    app.python = sys.executable  # the real thing once
    first = app.release()
    assert first["changed"] and first["previous"] == "" and app.current == f"releases/{first['release']}"
    assert (Path(first["venv"]) / "bin/python").exists()
    assert any((Path(first["path"]) / "__pycache__").iterdir()), "compiled by root, since the application's user cannot"
    assert json.loads((Path(first["path"]) / "release.json").read_text())["requirements"] == "requirements.txt"

    app.archive.rename(app.archive.with_suffix(".away"))  # needed no more
    checksum = json.loads((Path(first["path"]) / "release.json").read_text())["checksum"]
    assert not app.release(checksum=checksum)["changed"]
    assert not app.release(checksum=checksum, check=True)["changed"]


def test_a_failed_build_leaves_the_old_release(app):
    first = app.release()
    app.write("requirements.txt", "./no-such-folder\n")
    failed = app.release()
    assert failed["failed"] and "the old release stays current" in failed["msg"] and "no-such-folder" in failed["msg"]
    assert app.current == f"releases/{first['release']}" and app.releases == [first["release"]]


def test_a_file_that_does_not_compile_is_a_warning(app):
    app.write("template.py", "def {{ name }}(:\n")
    done = app.release()
    assert done["changed"] and "template.py" in json.dumps(done["warnings"])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"checksum": "0" * 64}, "has the SHA-256"),
        ({"checksum": "yes"}, "sha256sum"),
        ({"requirements": "req.txt"}, "pack the content of the folder"),
        ({"archive": "/nowhere.tar.gz"}, "copy it there first"),
        ({"python": "/nowhere/python3"}, "not a program on this host"),
        ({"python": "/bin/false"}, "must name a Python"),
        ({"keep": 0}, "write 1 or more"),
    ],
)
def test_refusals_say_what_to_do(app, options, reason):
    failed = app.release(**options)
    assert failed["failed"] and reason in failed["msg"]
    assert not (app.directory / "current").exists()


def test_old_and_half_releases_go_and_the_current_one_stays(app):
    for number in range(4):
        app.write("version.txt", str(number))
        last = app.release(keep=2)
    assert len(app.releases) == 2 and app.current == f"releases/{last['release']}"
    (app.directory / "releases/half").mkdir()
    assert app.release(keep=2, check=True)["removed"] == ["half"]
    assert app.release(keep=2)["removed"] == ["half"]
    assert not app.release(keep=2)["changed"]


@pytest.mark.parametrize("delay", [0.4, 1.2])
def test_a_kill_never_leaves_a_half_release_that_looks_whole(app, delay):
    first = app.release()
    app.write("shop.py", "x = 2\n")
    process, stdin = app.start()
    process.stdin.write(stdin)
    process.stdin.close()
    time.sleep(delay)
    process.kill()
    process.wait()
    for name in app.releases:
        if (app.directory / "releases" / name / "release.json").exists():
            assert (app.directory / "releases" / name / "venv/bin/pip").exists()
    assert (app.directory / app.current / "release.json").exists()
    time.sleep(0.2)
    second = app.release()
    assert app.current == f"releases/{second['release']}" != f"releases/{first['release']}"
    assert app.releases == sorted([first["release"], second["release"]])


def test_two_at_once_do_not_mix(app):
    (app.directory / "releases").mkdir(parents=True)
    one, stdin = app.start()
    two, _unused = app.start()
    outs = [json.loads(process.communicate(stdin)[0].splitlines()[-1]) for process in (one, two)]
    assert (app.directory / app.current / "release.json").exists()
    assert [out for out in outs if not out.get("failed")]
