#!/usr/bin/python
# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a release of a WSGI application under its requests without losing one."""

from __future__ import annotations

DOCUMENTATION = r"""
module: application_deploy
short_description: Put a release of a WSGI application under its requests without losing one
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Builds a release beside the others, imports it as the application's user, runs its hooks, loads it in the daemon processes that
    get no requests, asks each of them, and only then sends the requests there. Apache is not reloaded.
  - Whatever fails, the release that served goes on serving. A run that is killed at any instant leaves the same, and the next run
    finishes.
  - C(current), which Celery's nodes and Apache's static files follow, moves when the release serves.
  - The role P(evenkeel.wsgi.mod_wsgi_daemon#role) declares the daemon groups, the map and the probe's address in Apache's configuration.
options:
  state:
    description:
      - V(deployed) makes what the other options ask for the release that serves.
      - V(previous) goes back to the release that served before, which still waits in processes of its own; else to the newest other release.
    type: str
    choices: [deployed, previous]
    default: deployed
  release:
    description: With O(state=previous), the id of a release on the host to go back to.
    type: str
  user:
    description: The application's user, as whom it is imported and its hooks run.
    type: str
    required: true
  group:
    description: Group of that user; its members can read the environment.
    type: str
    required: true
  script:
    description: What defines C(application), a file relative to the release, or C(module:callable).
    type: str
    required: true
  entry:
    description: Text of C(entry.wsgi) below O(directory), the script that mod_wsgi runs.
    type: str
    required: true
  environment:
    description: Environment variables of the application.
    type: dict
    default: {}
  secrets:
    description: Like O(environment), for values that no log and no diff may show.
    type: dict
    default: {}
  slots:
    description:
      - The names of the slots, C([blue, green]) or C([live]).
      - With one slot a deploy replaces the processes that serve. Requests wait while they load the release, and one that passes the
        import but fails its health check is put back after it served.
    type: list
    elements: str
    default: [blue, green]
  groups:
    description: The daemon groups of the application, without their slot.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The group's name, C(shop) for the groups C(shop-blue) and C(shop-green).
        type: str
        required: true
      processes:
        description: How many processes it has.
        type: int
        default: 1
      threads:
        description: How many threads each has.
        type: int
        required: true
      drain:
        description: How many seconds a process may need to finish its running requests, mod_wsgi's C(eviction-timeout).
        type: int
        default: 35
  probe:
    description: Where every process is asked before it gets requests.
    type: dict
    required: true
    suboptions:
      address:
        description: The loopback address and port that Apache listens on for this.
        type: str
        required: true
      host:
        description: The C(Host) header.
        type: str
        required: true
      path:
        description: The URL path.
        type: str
        default: /
      strict:
        description: Whether only an answer with 200 will do; else any below 500.
        type: bool
        default: false
  hooks:
    description: Commands of each new release, run in its folder as O(user) with its environment and its C(venv/bin) first in C(PATH).
    type: dict
    default: {}
    suboptions:
      before:
        description: Run before the release is loaded, each a list of arguments. A failure leaves the old release serving.
        type: list
        elements: list
        default: []
      after:
        description: Run when the release serves. A failure is reported and the next run tries again.
        type: list
        elements: list
        default: []
  writable:
    description: Folders of the release that the hooks before it may fill. They are made if they are missing and belong to root afterwards.
    type: list
    elements: str
    default: []
  python_version:
    description: The Python that mod_wsgi was built for, such as C(3.13). A release of another is refused.
    type: str
  service:
    description: Apache's systemd unit.
    type: str
    default: apache2.service
  force:
    description: Replace the processes although nothing changed, for code that was changed in place.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Also works on a host that has neither the archive nor the user yet.
  diff_mode:
    support: full
    description: Shows which release serves before and after.
seealso:
  - module: evenkeel.wsgi.application_release
  - module: evenkeel.wsgi.celery_nodes
extends_documentation_fragment:
  - evenkeel.wsgi.release
"""

EXAMPLES = r"""
- name: Deploy the shop
  evenkeel.wsgi.application_deploy:
    directory: /srv/shop
    archive: /var/cache/shop.tar.gz
    checksum: "{{ archive.stat.checksum }}"
    user: shop
    group: shop
    script: shop/wsgi.py
    entry: "{{ lookup('ansible.builtin.template', 'entry.wsgi.j2') }}"
    secrets: {SECRET_KEY: "{{ vault_secret_key }}"}
    groups: [{name: shop, processes: 2, threads: 8}]
    probe: {address: "127.0.0.1:8091", host: shop.example.org, path: /healthz, strict: true}
    hooks: {before: [[python, manage.py, migrate, --no-input]]}
# slot: green, steps: [check, before, put, restart, probe, activate, current, recycle], seconds: {activate: 4.1, ...}
"""

RETURN = r"""
release:
  description: The id of the release that serves.
  type: str
  returned: always
  sample: 5f70bf18a086-3f9a1c
path:
  description: Where it is.
  type: str
  returned: always
  sample: /srv/shop/releases/5f70bf18a086-3f9a1c
venv:
  description: Its virtual environment.
  type: str
  returned: always
  sample: /srv/shop/releases/5f70bf18a086-3f9a1c/venv
previous:
  description: The id of the release that served before, empty when there was none.
  type: str
  returned: always
  sample: 8c6976e5b541-3f9a1c
slot:
  description: The slot that gets the requests.
  type: str
  returned: always
  sample: green
steps:
  description: What was done, in this order.
  type: list
  elements: str
  returned: always
  sample: [check, put, restart, probe, activate, current, recycle]
seconds:
  description: How many seconds after the build each step was done.
  type: dict
  returned: always
  sample: {activate: 4.1}
processes:
  description: How many processes answered the probe.
  type: int
  returned: always
  sample: 2
removed:
  description: The ids of old and half-built releases that were removed.
  type: list
  elements: str
  returned: always
  sample: []
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _build, _release
from ansible_collections.evenkeel.wsgi.plugins.module_utils._deploy import sequence
from ansible_collections.evenkeel.wsgi.plugins.module_utils._deploy.options import ARGUMENTS, has_source, target, wanted_load
from ansible_collections.evenkeel.wsgi.plugins.module_utils._release import ReleaseError

# Below the requests that are being served.
NICENESS = 5


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Do what the module is for and return its results."""
    os.nice(NICENESS)
    directory = module.params["directory"].rstrip("/")
    deploy = sequence.Deploy(target(module.params, module.check_mode))
    wanted = _build.sources(module) if has_source(module.params) and module.params["state"] == "deployed" else None
    if module.check_mode:
        return reconcile(module, deploy, wanted)
    if wanted:
        _build.take(wanted)
    os.makedirs(os.path.join(directory, "releases"), exist_ok=True)
    with _build.alone(os.path.join(directory, "releases")):
        return reconcile(module, deploy, wanted)


def reconcile(module: AnsibleModule, deploy: sequence.Deploy, wanted: _build.Sources | None) -> dict[str, t.Any]:
    """Do it while nobody else does."""
    directory, slots = deploy.slots.directory, deploy.slots
    active = slots.active()
    before = (active and slots.release(active)) or ""
    built, removed = False, []
    if module.params["state"] == "previous":
        done = previous(module, deploy)
    else:
        built = _build.ensure(module, wanted) if wanted else False
        load = wanted_load(module.params, wanted.path if wanted else os.path.realpath(os.path.join(directory, "current")))
        done = sequence.Done(slot=active or "", previous=before, steps=deploy.pending(load)) if module.check_mode else deploy.run(load)
    if wanted:
        removed = _build.superfluous(wanted.releases, keep=module.params["keep"], wanted=wanted.wanted, used={*map(os.path.basename, slots.used())})
        for name in removed if not module.check_mode else ():
            _release.remove(os.path.join(wanted.releases, name))
    path = (slots.release(done.slot) if done.slot else None) or (wanted.path if wanted else "")
    after = wanted.path if wanted and module.check_mode else path
    return {
        "changed": built or bool(done.steps) or bool(removed),
        "release": os.path.basename(after),
        "path": after,
        "venv": os.path.join(after, _release.VENV),
        "previous": os.path.basename(before),
        "slot": done.slot,
        "steps": done.steps,
        "seconds": done.seconds,
        "processes": done.processes,
        "removed": removed,
        "diff": {"before": f"{directory} serves {os.path.basename(before)}\n" if before else "", "after": f"{directory} serves {os.path.basename(after)}\n"},
    }


def previous(module: AnsibleModule, deploy: sequence.Deploy) -> sequence.Done:
    """Go back: at once to what waits in the other slot, else by a deploy of a release that is still on the host."""
    slots = deploy.slots
    active = slots.active()
    if active is None:
        raise ReleaseError(f"{slots.directory} never served a release: deploy one first")
    idle, name = slots.other(active), module.params["release"]
    waiting = idle != active and slots.proven(idle) is not None and slots.release(idle) != slots.release(active)
    if waiting and (not name or name == os.path.basename(slots.release(idle) or "")):
        return sequence.Done(slot=active, steps=["activate"]) if module.check_mode else deploy.back()
    releases = os.path.join(slots.directory, "releases")
    known = [found.path for found in sorted(os.scandir(releases), key=lambda found: found.stat().st_mtime) if _release.is_whole(found.path)]
    others = [path for path in known if os.path.realpath(path) != slots.release(active) and name in (None, "", os.path.basename(path))]
    if not others:
        there = ", ".join(map(os.path.basename, known)) or "none"
        raise ReleaseError(f"release={name or '(the one before)'} is not there to go back to; releases on this host: {there}")
    load = wanted_load(module.params, others[-1])
    return sequence.Done(slot=active, steps=deploy.pending(load)) if module.check_mode else deploy.run(load)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, required_together=[("archive", "checksum")], supports_check_mode=True)
    try:
        result = run(module)
    except (ReleaseError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
