# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Building a release where it stays: files, virtual environment, requirements. Used by application_release and application_deploy."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.evenkeel.wsgi.plugins.module_utils import _release
from ansible_collections.evenkeel.wsgi.plugins.module_utils._release import ReleaseError

ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "directory": {"type": "path", "required": True},
    "archive": {"type": "path"},
    "checksum": {"type": "str"},
    "packages": {"type": "list", "elements": "str", "default": []},
    "requirements": {"type": "str", "default": "requirements.txt"},
    "python": {"type": "path", "default": "/usr/bin/python3"},
    "keep": {"type": "int", "default": 3},
}
"""What both modules take; the documentation fragment `release` describes it."""
# Seconds to wait for another run on the same application.
LOCK_PATIENCE = 120


class Module(t.Protocol):
    """What is used of an AnsibleModule."""

    params: dict[str, t.Any]
    check_mode: bool

    def run_command(self, args: list[str], **how: t.Any) -> tuple[int, str, str]:
        """Run a command."""

    def sha256(self, filename: str) -> str:
        """Return a file's checksum."""

    def warn(self, warning: str) -> None:
        """Say something that is no failure."""


def run(module: Module, arguments: list[str], *, cwd: str, hint: str) -> str:
    """Run a command that must succeed and return its output; hint says what usually helps."""
    code, out, err = module.run_command(arguments, cwd=cwd, umask=0o022, close_fds=False)
    if code:
        said = "\n".join((out + err).strip().splitlines()[-15:])
        raise ReleaseError(f"{' '.join(arguments)} failed with {code}: {hint}. It said:\n{said}")
    return out.strip()


def python_version(module: Module, python: str) -> str:
    """Return the version of the wanted Python, such as 3.13."""
    if not os.access(python, os.X_OK):
        raise ReleaseError(f"python={python} is not a program on this host: install it or name another, such as /usr/bin/python3")
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    return run(module, [python, "-c", ask], cwd="/", hint="python must name a Python interpreter")


def is_ours(path: str) -> bool:
    """Whether a folder is there and nobody else may rename what is in it."""
    try:
        state = os.stat(path)
    except FileNotFoundError:
        return False
    return state.st_uid == os.geteuid() and state.st_mode & 0o7777 == 0o755


def own_folder(path: str) -> None:
    """Make a folder, or take it back."""
    os.makedirs(path, exist_ok=True)
    os.chown(path, os.geteuid(), os.getegid())
    os.chmod(path, 0o755)


def build(module: Module, path: str, facts: dict[str, t.Any]) -> None:
    """Build a release where it stays and mark it whole as the last step; what could not be built is removed."""
    try:
        if module.params["archive"]:
            unpack(module, path, facts["checksum"])
        else:
            os.mkdir(path)
            os.chmod(path, 0o755)
        install(module, path)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    _release.mark_whole(path, facts)


def is_wheel(module: Module) -> bool:
    """Whether the archive is installed and not unpacked."""
    return str(module.params["archive"] or "").endswith(".whl")


def unpack(module: Module, path: str, checksum: str) -> None:
    """Unpack the archive after checking that it is the right one."""
    archive, requirements = module.params["archive"], module.params["requirements"]
    if not os.path.isfile(archive):
        raise ReleaseError(f"archive={archive} does not exist on this host: copy it there first")
    found = module.sha256(archive)
    if found != checksum:
        raise ReleaseError(f"archive={archive} has the SHA-256 {found}, not {checksum}: copy it again or correct checksum")
    if is_wheel(module):
        os.mkdir(path)
        os.chmod(path, 0o755)
        return
    _release.extract(archive, path)
    if not os.path.isfile(os.path.join(path, requirements)):
        raise ReleaseError(
            f"requirements={requirements} is not in the archive, whose top holds {', '.join(sorted(os.listdir(path)))}: "
            "pack the content of the folder (tar -C FOLDER -czf app.tar.gz .) or name the file as it is in the archive"
        )


def install(module: Module, path: str) -> None:
    """Make the virtual environment, install the requirements into it and compile the application's files."""
    archive, requirements = module.params["archive"], module.params["requirements"]
    # `python -m` takes modules from where it runs first: not there where the application's files are, except that pip
    # must, for requirements such as ./lib; its own script does not have that habit.
    venv = os.path.join(path, _release.VENV)
    run(
        module,
        [module.params["python"], "-m", "venv", venv],
        cwd="/",
        hint="the virtual environment could not be made; on Debian install python3-venv",
    )
    wanted = ([archive] if is_wheel(module) else ["-r", requirements] if archive else []) + module.params["packages"]
    run(
        module,
        [f"{venv}/bin/pip", "install", "--no-input", "--disable-pip-version-check", *wanted],
        cwd=path,
        hint=f"the requirements could not be installed; the old release stays current. Correct {' '.join(wanted[-1:])} or /etc/pip.conf",
    )
    code, out, err = module.run_command(
        [f"{venv}/bin/python", "-m", "compileall", "-q", "-x", f"^{re.escape(venv)}/", path], cwd="/", umask=0o022, close_fds=False
    )
    if code:  # a file that nobody imports may well be of another Python
        module.warn("Not every Python file of the release compiles:\n" + "\n".join((out + err).strip().splitlines()[:15]))


def superfluous(releases: str, *, keep: int, wanted: str, used: t.Collection[str] = ()) -> list[str]:
    """Return the ids of old and half releases; those in `used` stay whatever their age."""
    if not os.path.isdir(releases):
        return []
    names = [entry.name for entry in sorted(os.scandir(releases), key=lambda entry: entry.stat().st_mtime) if entry.is_dir()]
    whole = {name for name in names if _release.is_whole(os.path.join(releases, name))}
    return [name for name in _release.releases_to_remove(names, whole=whole, keep=keep, current=wanted) if name not in used]


@contextlib.contextmanager
def alone(releases: str) -> t.Iterator[None]:
    """Hold the lock of an application's releases. Commands inherit it: when this process is killed, a pip that goes on still holds it."""
    with open(os.path.join(releases, ".lock"), "w", encoding="utf-8") as stream:
        os.set_inheritable(stream.fileno(), True)
        deadline = time.monotonic() + LOCK_PATIENCE
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as exc:
                if time.monotonic() > deadline:
                    raise ReleaseError(f"another run has been building in {releases} for {LOCK_PATIENCE} s: wait for it") from exc
                time.sleep(0.2)
        yield


@dataclass(frozen=True)
class Sources:
    """What a release is built from, and where it will be."""

    releases: str
    wanted: str
    facts: dict[str, t.Any]
    foreign: tuple[str, ...]
    """Folders that are not ours yet."""

    @property
    def path(self) -> str:
        """The release's folder."""
        return os.path.join(self.releases, self.wanted)


def sources(module: Module) -> Sources:
    """Name the release that the module's parameters ask for; nothing is touched."""
    if module.params["keep"] < 1:
        raise ReleaseError(f"keep={module.params['keep']}: the current release always stays, write 1 or more")
    directory = module.params["directory"].rstrip("/")
    releases = os.path.join(directory, "releases")
    facts: dict[str, t.Any] = {name: module.params[name] for name in ("checksum", "python", "requirements")}
    facts["checksum"] = facts["checksum"] or hashlib.sha256("\n".join(module.params["packages"]).encode()).hexdigest()
    facts["packages"] = module.params["packages"]
    facts["python_version"] = python_version(module, facts["python"])
    foreign = tuple(folder for folder in (directory, releases) if not is_ours(folder))
    return Sources(releases, _release.release_id(**facts), facts, foreign)


def ensure(module: Module, wanted: Sources) -> bool:
    """Build a release unless it is there; returns whether there was something to do. In check mode nothing is touched."""
    whole = _release.is_whole(wanted.path)
    if module.check_mode:
        return not whole or bool(wanted.foreign)
    if not whole:
        shutil.rmtree(wanted.path, ignore_errors=True)
        build(module, wanted.path, wanted.facts)
    return not whole or bool(wanted.foreign)


def take(wanted: Sources) -> None:
    """Make the folders ours, so that nobody else can rename what is in them."""
    for folder in wanted.foreign:
        own_folder(folder)
