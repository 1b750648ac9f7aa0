# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of a release, run as the application's user with its environment and nothing else. No Ansible in here."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import shlex
import subprocess
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils._release import VENV, ReleaseError

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LINES = 20
IMPORT_TIMEOUT = 120
HOOK_TIMEOUT = 3600
# What entry.wsgi does, without mod_wsgi: argv is the release and the script, a file or module:callable.
IMPORT = """
import importlib, runpy, sys
release, script = sys.argv[1:]
sys.argv[:] = [script]
sys.path.insert(0, release)
module, colon, name = script.partition(":")
found = getattr(importlib.import_module(module), name) if colon else runpy.run_path(release + "/" + script)["application"]
if not callable(found):
    raise TypeError("application in %s is not callable: %r" % (script, found))
"""


class Runner:
    """Runs commands in a release."""

    def __init__(self, user: str, release: str, environment: t.Mapping[str, str]) -> None:
        self.user, self.release = user, release
        self.venv = os.path.join(release, VENV)
        self.environment = {
            "PATH": f"{self.venv}/bin:{SYSTEM_PATH}",
            "VIRTUAL_ENV": self.venv,
            "HOME": "/nonexistent",
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            **environment,
        }

    def identity(self) -> dict[str, t.Any]:
        """Return whom subprocess shall become; nobody else when this is not root."""
        if os.geteuid() != 0:
            return {}
        account = pwd.getpwnam(self.user)
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": os.getgrouplist(self.user, account.pw_gid)}

    def run(self, arguments: t.Sequence[str], what: str, timeout: int) -> str:
        """Run a command that must succeed and return what it said.

        :raises ReleaseError: with the end of its output.
        """
        try:
            done = subprocess.run(
                list(arguments), cwd=self.release, env=self.environment, umask=0o022, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, timeout=timeout, check=False, **self.identity(),
            )  # fmt: skip
        except subprocess.TimeoutExpired as exc:
            raise ReleaseError(f"{what} did not end within {timeout} s. It said:\n{tail(exc.stdout or b'')}") from exc
        except (OSError, KeyError) as exc:
            raise ReleaseError(f"{what} cannot be run as user {self.user}: {exc}") from exc
        if done.returncode:
            raise ReleaseError(f"{what} failed with {done.returncode} as user {self.user}. It said:\n{tail(done.stdout)}")
        return tail(done.stdout)

    def try_import(self, script: str) -> None:
        """Load the application as mod_wsgi will."""
        self.run(
            [f"{self.venv}/bin/python", "-c", IMPORT, self.release, script],
            f"the release cannot be loaded and gets no requests: the import of {script}",
            IMPORT_TIMEOUT,
        )

    def hook(self, stage: str, arguments: t.Sequence[str]) -> None:
        """Run one hook."""
        self.run(arguments, f"hook {stage}: {shlex.join(arguments)}", HOOK_TIMEOUT)


def tail(output: bytes) -> str:
    """Return the last lines of an output."""
    return "\n".join(output.decode(errors="replace").strip().splitlines()[-LINES:]) or "(nothing)"


def check_venv(release: str, wanted: str | None) -> None:
    """Refuse a release without a virtual environment of the Python that mod_wsgi was built for.

    :param wanted: such as 3.13; None when that is not known.
    """
    path = os.path.join(release, VENV, "pyvenv.cfg")
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            settings = dict(re.findall(r"^\s*([\w-]+)\s*=\s*(.*?)\s*$", stream.read(), re.MULTILINE))
    except OSError as exc:
        raise ReleaseError(f"{release} holds no virtual environment {VENV}/: make one there, or give an archive") from exc
    version = settings.get("version") or settings.get("version_info") or ""
    if wanted and version and ".".join(version.split(".")[:2]) != wanted:
        raise ReleaseError(
            f"{release}/{VENV} is of Python {version}, and mod_wsgi on this host was built for Python {wanted}: make it with Python {wanted} (option python)"
        )


@contextlib.contextmanager
def writable(release: str, folders: t.Sequence[str], user: str) -> t.Iterator[None]:
    """Let the application's user fill some folders of its release, collectstatic for example; afterwards they are root's again.

    :raises ReleaseError: if a link out of the release was left in one of them.
    """
    paths = [os.path.join(release, folder.strip("/")) for folder in folders]
    if os.geteuid() == 0:
        account = pwd.getpwnam(user)
        for path in paths:
            if os.path.islink(path):
                raise ReleaseError(f"{path} is a link: hooks may only fill folders of the release itself")
            os.makedirs(path, exist_ok=True)
            own(path, account.pw_uid, account.pw_gid)
    try:
        yield
    finally:
        if os.geteuid() == 0:
            for path in paths:
                own(path, 0, 0)
                open_up(path)
    for path in paths:
        for folder, names, files in os.walk(path):
            for name in [*names, *files]:
                target = os.path.realpath(os.path.join(folder, name))
                if not target.startswith(os.path.realpath(release) + os.sep):
                    raise ReleaseError(f"a hook left {os.path.join(folder, name)}, a link out of the release: let it copy the file")


def own(path: str, uid: int, gid: int) -> None:
    """Give a tree to a user; links themselves, never what they point to."""
    os.lchown(path, uid, gid)
    for folder, names, files in os.walk(path):
        for name in [*names, *files]:
            os.lchown(os.path.join(folder, name), uid, gid)


def open_up(path: str) -> None:
    """Let all read a tree that only root can change any more."""
    os.chmod(path, 0o755)
    for folder, names, files in os.walk(path):
        for name in [*names, *files]:
            inner = os.path.join(folder, name)
            if not os.path.islink(inner):
                os.chmod(inner, 0o755 if name in names else 0o644)


def decoded(environment: bytes) -> dict[str, str]:
    """Return the variables of an environment file."""
    found: dict[str, str] = json.loads(environment)
    return found
