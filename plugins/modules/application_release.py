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
  - For an application that only Celery runs. M(evenkeel.wsgi.application_deploy) also brings it under requests.
attributes:
  check_mode:
    support: full
    description: Also works on a host that has neither the archive nor the directory yet.
  diff_mode:
    support: full
    description: Shows where C(current) points before and after.
seealso:
  - module: evenkeel.wsgi.application_deploy
  - module: evenkeel.wsgi.celery_nodes
extends_documentation_fragment:
  - evenkeel.wsgi.release
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
  register: shop
# shop.path: /srv/shop/releases/5f70bf18a086-3f9a1c, shop.venv: /srv/shop/releases/5f70bf18a086-3f9a1c/venv
"""

RETURN = r"""
release:
  description: The release's id, made from O(checksum), O(python) with its version, O(requirements) and O(packages).
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
"""

import contextlib
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _build, _release
from ansible_collections.evenkeel.wsgi.plugins.module_utils._files import link_atomically
from ansible_collections.evenkeel.wsgi.plugins.module_utils._release import ReleaseError


def release(module: AnsibleModule) -> dict[str, t.Any]:
    """Build the release when it is not there, make it current, remove what is superfluous."""
    wanted = _build.sources(module)
    if not module.check_mode:
        _build.take(wanted)
    with contextlib.nullcontext() if module.check_mode else _build.alone(wanted.releases):
        return reconcile(module, module.params["directory"].rstrip("/"), wanted)


def reconcile(module: AnsibleModule, directory: str, wanted: _build.Sources) -> dict[str, t.Any]:
    """Do it while nobody else does."""
    previous = _release.current_release(directory)
    if previous == wanted.wanted and not _release.is_whole(wanted.path):
        raise ReleaseError(f"{wanted.path} is current but not whole ({_release.MARKER} is gone): point current to another release first")
    removed = _build.superfluous(wanted.releases, keep=module.params["keep"], wanted=wanted.wanted)
    built = _build.ensure(module, wanted)
    if not module.check_mode:
        if previous != wanted.wanted:
            link_atomically(f"releases/{wanted.wanted}", os.path.join(directory, "current"))
        for name in removed:
            _release.remove(os.path.join(wanted.releases, name))
    return {
        "changed": built or previous != wanted.wanted or bool(removed),
        "release": wanted.wanted,
        "path": wanted.path,
        "venv": os.path.join(wanted.path, _release.VENV),
        "previous": previous or "",
        "removed": removed,
        "diff": {
            "before": f"{directory}/current -> releases/{previous}\n" if previous else "",
            "after": f"{directory}/current -> releases/{wanted.wanted}\n",
        },
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=_build.ARGUMENTS,
        required_together=[("archive", "checksum")],
        required_one_of=[("archive", "packages")],
        supports_check_mode=True,
    )
    try:
        result = release(module)
    except (ReleaseError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
