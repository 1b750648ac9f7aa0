# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of a release: their environment, what is told when they fail, and what they may write."""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._deploy.commands import Runner, check_venv, writable
from ansible_collections.evenkeel.wsgi.plugins.module_utils._release import ReleaseError

USER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release whose virtual environment is this Python; all can enter the folders above it."""
    for folder in [tmp_path, *tmp_path.parents][:3]:
        folder.chmod(0o755)
    path = tmp_path / "release"
    (path / "venv/bin").mkdir(parents=True)
    (path / "venv/bin/python").symlink_to("/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable)
    (path / "venv/pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.13.5\n")
    return path


def runner(release: Path, **environment: str) -> Runner:
    return Runner(USER, str(release), environment)


def test_a_command_runs_as_the_user_in_the_release_with_its_environment_alone(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_CONTROLLER", "1")
    script = "import os; print(os.getuid(), os.getcwd(), os.environ['COLOUR'], 'OF_THE_CONTROLLER' in os.environ, os.environ['PATH'].split(':')[0])"
    said = runner(release, COLOUR="red").run(["python", "-c", script], "it", 20)
    assert said == f"{pwd.getpwnam(USER).pw_uid} {release} red False {release}/venv/bin"


def test_a_failure_shows_the_end_of_what_was_said(release: Path) -> None:
    with pytest.raises(ReleaseError, match=r"(?s)hook before: python -c .* failed with 3 .*\nline 98\nline 99"):
        runner(release).hook("before", ["python", "-c", "import sys; [print('line', n) for n in range(100)]; sys.exit(3)"])
    with pytest.raises(ReleaseError, match="no-such-program"):
        runner(release).hook("after", ["no-such-program"])


@pytest.mark.parametrize(
    ("text", "script", "told"),
    [
        ("import nothing_of_this_name\n", "app.py", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("x = 1\n", "app.py", "KeyError: 'application'"),
        ("application = 1\n", "app.py", "is not callable"),
        ("def other(e, s): pass\n", "app:application", "has no attribute 'application'"),
        ("def application(e, s: pass\n", "app.py", "SyntaxError"),
    ],
)
def test_what_cannot_be_imported_is_told(release: Path, text: str, script: str, told: str) -> None:
    (release / "app.py").write_text(text)
    with pytest.raises(ReleaseError, match="gets no requests") as refusal:
        runner(release).try_import(script)
    assert told in str(refusal.value)


@pytest.mark.parametrize("script", ["app.py", "app:application"])
def test_what_can_be_imported_is(release: Path, script: str) -> None:
    (release / "app.py").write_text("import helper\ndef application(e, s): pass\n")
    (release / "helper.py").write_text("")
    runner(release).try_import(script)


def test_a_virtual_environment_of_another_python_is_refused(release: Path) -> None:
    check_venv(str(release), "3.13")
    check_venv(str(release), None)
    with pytest.raises(ReleaseError, match="is of Python 3.13.5, and mod_wsgi on this host was built for Python 3.11"):
        check_venv(str(release), "3.11")
    (release / "venv/pyvenv.cfg").unlink()
    with pytest.raises(ReleaseError, match="holds no virtual environment"):
        check_venv(str(release), "3.13")


def test_folders_are_filled_by_hooks_and_taken_back(release: Path) -> None:
    with writable(str(release), ["static/all/"], USER):
        runner(release).hook("before", ["python", "-c", "open('static/all/a.css', 'w').write('a')"])
    made = release / "static/all/a.css"
    assert made.stat().st_uid == os.geteuid() and made.stat().st_mode & 0o777 == 0o644


def test_a_link_out_of_the_release_is_refused(release: Path) -> None:
    with pytest.raises(ReleaseError, match="a link out of the release"), writable(str(release), ["static"], USER):
        (release / "static").mkdir(exist_ok=True)
        (release / "static/passwd").symlink_to("/etc/passwd")
