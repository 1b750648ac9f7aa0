#!/usr/bin/python
# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put one release of a Python application on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: application_release
short_description: Put one release of a Python application on a host
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Unpacks an archive into a release of its own, makes a virtual environment in it, installs the application's
    requirements, compiles its Python files and moves the symbolic link C(current) to it in one step.
  - A release that fails to build leaves the current one as it is. The same holds for a run that is killed at any instant,
    because a release counts only once C(release.json) was written in it, as the last thing.
  - Everything belongs to the user that runs the module, normally root, and can be read by all. The application's own user
    cannot change its code.
  - C(pip) follows the host's own configuration, C(/etc/pip.conf).
options:
  directory:
    description:
      - The application's directory. It is made when it is missing.
      - Releases are found in C(releases/) below it and C(current) is the link to the one that runs.
    type: path
    required: true
  archive:
    description:
      - The application's files on the host, a C(.tar.gz).
      - It is read only when the release is not there yet.
      - Without it the application is already there, with its virtual environment, in C(current).
    type: path
  checksum:
    description:
      - The SHA-256 of O(archive). It identifies the release and the archive must match it.
    type: str
  environment:
    description:
      - Environment variables of the application.
      - Kept in C(environment.json) below O(directory), which only root and O(group) can read.
    type: dict
    default: {}
  secrets:
    description:
      - Like O(environment), for values that no log and no diff may show.
    type: dict
    default: {}
  entry:
    description:
      - Text of C(entry.wsgi) below O(directory), the script that mod_wsgi runs. Without it neither that file nor
        C(environment.json) is written, for an application that only Celery runs.
    type: str
  group:
    description:
      - Group of the application's user. Needed together with O(entry).
    type: str
  requirements:
    description:
      - The file in the archive that names what C(pip) installs.
    type: str
    default: requirements.txt
  python:
    description:
      - The Python that the virtual environment is made with.
    type: path
    default: /usr/bin/python3
  keep:
    description:
      - How many releases to keep, the current one included.
    type: int
    default: 3
attributes:
  check_mode:
    support: full
    description: Also works on a host that has neither the archive nor the directory yet.
  diff_mode:
    support: full
    description: Shows where C(current) points before and after.
  platform:
    support: full
    platforms: posix
    description: Needs the C(venv) module of O(python); on Debian that is the package C(python3-venv).
seealso:
  - module: evenkeel.wsgi.celery_nodes
"""

EXAMPLES = r"""
- name: Look at the archive
  ansible.builtin.stat:
    path: "{{ playbook_dir }}/shop.tar.gz"
    checksum_algorithm: sha256
  delegate_to: localhost
  register: archive

- name: Copy it
  ansible.builtin.copy:
    src: "{{ playbook_dir }}/shop.tar.gz"
    dest: /var/cache/shop.tar.gz
    mode: "0644"

- name: Release it
  evenkeel.wsgi.application_release:
    directory: /srv/shop
    archive: /var/cache/shop.tar.gz
    checksum: "{{ archive.stat.checksum }}"
    group: shop
    entry: "{{ lookup('ansible.builtin.template', 'entry.wsgi.j2') }}"
    secrets: {SECRET_KEY: "{{ vault_secret_key }}"}
  register: shop
# shop.path: /srv/shop/releases/5f70bf18a086-3f9a1c, shop.venv: /srv/shop/releases/5f70bf18a086-3f9a1c/venv
"""

RETURN = r"""
release:
  description: The release's id, made from O(checksum), O(python) with its version and O(requirements).
  type: str
  returned: always
  sample: 5f70bf18a086-3f9a1c
path:
  description: Where the release is.
  type: str
  returned: always
  sample: /srv/shop/releases/5f70bf18a086-3f9a1c
venv:
  description: Its virtual environment.
  type: str
  returned: always
  sample: /srv/shop/releases/5f70bf18a086-3f9a1c/venv
previous:
  description: The id of the release that was current before, empty when there was none.
  type: str
  returned: always
  sample: 8c6976e5b541-3f9a1c
removed:
  description: The ids of old and half-built releases that were removed.
  type: list
  elements: str
  returned: always
  sample: []
files:
  description: Which of C(environment.json) and C(entry.wsgi) changed.
  type: list
  elements: str
  returned: always
  sample: [environment.json]
"""

import contextlib
import fcntl
import os
import re
import shutil
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _entry, _release
from ansible_collections.evenkeel.wsgi.plugins.module_utils._files import link_atomically
from ansible_collections.evenkeel.wsgi.plugins.module_utils._release import ReleaseError

# Seconds to wait for another run on the same application.
LOCK_PATIENCE = 120


def run(module: AnsibleModule, arguments: list[str], *, cwd: str, hint: str) -> str:
    """Run a command that must succeed and return its output; hint says what usually helps."""
    code, out, err = module.run_command(arguments, cwd=cwd, umask=0o022, close_fds=False)
    if code:
        said = "\n".join((out + err).strip().splitlines()[-15:])
        raise ReleaseError(f"{' '.join(arguments)} failed with {code}: {hint}. It said:\n{said}")
    return out.strip()


def python_version(module: AnsibleModule, python: str) -> str:
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


def build(module: AnsibleModule, path: str, facts: dict[str, str]) -> None:
    """Build a release where it stays and mark it whole as the last step; what could not be built is removed."""
    try:
        unpack(module, path, facts["checksum"])
        install(module, path)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    _release.mark_whole(path, facts)


def unpack(module: AnsibleModule, path: str, checksum: str) -> None:
    """Unpack the archive after checking that it is the right one."""
    archive, requirements = module.params["archive"], module.params["requirements"]
    if not os.path.isfile(archive):
        raise ReleaseError(f"archive={archive} does not exist on this host: copy it there first")
    found = module.sha256(archive)
    if found != checksum:
        raise ReleaseError(f"archive={archive} has the SHA-256 {found}, not {checksum}: copy it again or correct checksum")
    _release.extract(archive, path)
    if not os.path.isfile(os.path.join(path, requirements)):
        raise ReleaseError(
            f"requirements={requirements} is not in the archive, whose top holds {', '.join(sorted(os.listdir(path)))}: "
            "pack the content of the folder (tar -C FOLDER -czf app.tar.gz .) or name the file as it is in the archive"
        )


def install(module: AnsibleModule, path: str) -> None:
    """Make the virtual environment, install the requirements into it and compile the application's files."""
    requirements = module.params["requirements"]
    # `python -m` takes modules from where it runs first: not there where the application's files are, except that pip
    # must, for requirements such as ./lib; its own script does not have that habit.
    venv = os.path.join(path, _release.VENV)
    run(
        module,
        [module.params["python"], "-m", "venv", venv],
        cwd="/",
        hint="the virtual environment could not be made; on Debian install python3-venv",
    )
    run(
        module,
        [f"{venv}/bin/pip", "install", "--no-input", "--disable-pip-version-check", "-r", requirements],
        cwd=path,
        hint=f"the requirements could not be installed; the old release stays current. Correct {requirements} or /etc/pip.conf",
    )
    code, out, err = module.run_command(
        [f"{venv}/bin/python", "-m", "compileall", "-q", "-x", f"^{re.escape(venv)}/", path], cwd="/", umask=0o022, close_fds=False
    )
    if code:  # a file that nobody imports may well be of another Python
        module.warn("Not every Python file of the release compiles:\n" + "\n".join((out + err).strip().splitlines()[:15]))


def superfluous(releases: str, *, keep: int, wanted: str) -> list[str]:
    """Return the ids of old and half releases."""
    if not os.path.isdir(releases):
        return []
    names = [entry.name for entry in sorted(os.scandir(releases), key=lambda entry: entry.stat().st_mtime) if entry.is_dir()]
    whole = {name for name in names if _release.is_whole(os.path.join(releases, name))}
    return _release.releases_to_remove(names, whole=whole, keep=keep, current=wanted)


@contextlib.contextmanager
def alone(releases: str) -> t.Iterator[None]:
    """Hold the directory's lock. Commands inherit it: when this process is killed, a pip that goes on still holds it."""
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


def release(module: AnsibleModule) -> dict[str, t.Any]:
    """Do what the module is for and return its results."""
    directory = module.params["directory"].rstrip("/")
    result = release_archive(module, directory) if module.params["archive"] else release_in_place(module, directory)
    if module.params["entry"] is None:
        return {**result, "files": []}
    files = _entry.reconcile(
        directory,
        environment={**module.params["environment"], **module.params["secrets"]},
        entry=module.params["entry"],
        group=module.params["group"],
        check_mode=module.check_mode,
    )
    return {**result, "files": files, "changed": result["changed"] or bool(files)}


def release_in_place(module: AnsibleModule, directory: str) -> dict[str, t.Any]:
    """Take what somebody else put into `current`."""
    path = os.path.realpath(os.path.join(directory, "current"))
    venv = os.path.join(path, _release.VENV)
    if not os.path.isfile(os.path.join(venv, "pyvenv.cfg")) and not module.check_mode:
        raise ReleaseError(f"{directory}/current holds no virtual environment {_release.VENV}/: make one there, or give an archive")
    return {"changed": False, "release": os.path.basename(path), "path": path, "venv": venv, "previous": "", "removed": []}


def release_archive(module: AnsibleModule, directory: str) -> dict[str, t.Any]:
    """Build the archive's release when it is not there and make it current."""
    keep = module.params["keep"]
    if keep < 1:
        raise ReleaseError(f"keep={keep}: the current release always stays, write 1 or more")
    facts = {name: module.params[name] for name in ("checksum", "python", "requirements")}
    facts["python_version"] = python_version(module, facts["python"])
    wanted = _release.release_id(**facts)
    releases = os.path.join(directory, "releases")
    foreign = [folder for folder in (directory, releases) if not is_ours(folder)]
    if not module.check_mode:
        for folder in foreign:
            own_folder(folder)
    with contextlib.nullcontext() if module.check_mode else alone(releases):
        result = reconcile(module, directory, wanted, facts)
    return {**result, "changed": result["changed"] or bool(foreign)}


def reconcile(module: AnsibleModule, directory: str, wanted: str, facts: dict[str, str]) -> dict[str, t.Any]:
    """Build the release if it is not there, make it current, remove what is superfluous."""
    releases = os.path.join(directory, "releases")
    path = os.path.join(releases, wanted)
    whole = _release.is_whole(path)
    previous = _release.current_release(directory)
    if previous == wanted and not whole:
        raise ReleaseError(f"{path} is current but not whole ({_release.MARKER} is gone): point current to another release first")
    removed = superfluous(releases, keep=module.params["keep"], wanted=wanted)
    if not module.check_mode:
        if not whole:
            shutil.rmtree(path, ignore_errors=True)
            build(module, path, facts)
        if previous != wanted:
            link_atomically(f"releases/{wanted}", os.path.join(directory, "current"))
        for name in removed:
            _release.remove(os.path.join(releases, name))
    return {
        "changed": not whole or previous != wanted or bool(removed),
        "release": wanted,
        "path": path,
        "venv": os.path.join(path, _release.VENV),
        "previous": previous or "",
        "removed": removed,
        "diff": {
            "before": f"{directory}/current -> releases/{previous}\n" if previous else "",
            "after": f"{directory}/current -> releases/{wanted}\n",
        },
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "archive": {"type": "path"},
            "checksum": {"type": "str"},
            "environment": {"type": "dict", "default": {}},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "entry": {"type": "str"},
            "group": {"type": "str"},
            "requirements": {"type": "str", "default": "requirements.txt"},
            "python": {"type": "path", "default": "/usr/bin/python3"},
            "keep": {"type": "int", "default": 3},
        },
        required_together=[("archive", "checksum"), ("entry", "group")],
        supports_check_mode=True,
    )
    try:
        result = release(module)
    except KeyError:
        module.fail_json(msg=f"group={module.params['group']} does not exist on this host: make the application's user first")
    except (ReleaseError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
