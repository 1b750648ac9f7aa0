#!/usr/bin/python
# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the folders, files and units of one owner the wanted ones."""

from __future__ import annotations

DOCUMENTATION = r"""
module: system_files
short_description: Make the folders, files and systemd units of one owner the wanted ones
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Makes folders, writes files and keeps systemd units enabled and running, all in one step.
  - What an owner had and does not want any more is stopped and removed. Folders stay, because they hold data.
  - Units are restarted when one of the owner's files changed.
  - A run that is killed at any instant is finished by the next one.
options:
  owner:
    description: A name under which the module remembers what it put on the host, normally a role's.
    type: str
    required: true
  folders:
    description: Folders that must be there. The folder above must exist or be made first.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      owner:
        description: User that it belongs to.
        type: str
        default: root
      group:
        description: Group that it belongs to.
        type: str
        default: root
      mode:
        description: Octal mode.
        type: str
        default: "0755"
  files:
    description: Files that must be there. They belong to the user that runs the module, normally root.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      content:
        description: The whole text.
        type: str
        required: true
      mode:
        description: Octal mode.
        type: str
        default: "0644"
  secret_files:
    description:
      - Files that only root may read, as a dictionary of their text by path. Neither a log nor a difference shows what is in them.
    type: dict
    default: {}
  units:
    description: Units among O(files) that must be enabled and running.
    type: list
    elements: str
    default: []
  readers:
    description:
      - Units that are not the owner's and read O(files), such as C(systemd-journald.service). They reload, or restart where they cannot,
        when one of the files changed or was removed, if they run.
    type: list
    elements: str
    default: []
  record_directory:
    description: Where the module remembers.
    type: path
    default: /var/lib/evenkeel
attributes:
  check_mode:
    support: full
    description: Also works on a host that lacks the users.
  diff_mode:
    support: full
    description: Shows files; of folders and units only that they change.
  platform:
    support: full
    platforms: linux
    description: Units need systemd.
seealso:
  - module: evenkeel.wsgi.celery_nodes
"""

EXAMPLES = r"""
- name: A folder for uploads and a timer
  evenkeel.wsgi.system_files:
    owner: shop
    folders:
      - {path: /srv/shop/media, owner: shop, group: shop}
    files:
      - {path: /usr/local/lib/shop/clean, content: "#!/bin/sh\n…", mode: "0755"}
      - {path: /etc/systemd/system/shop-clean.service, content: "[Service]\n…"}
      - {path: /etc/systemd/system/shop-clean.timer, content: "[Timer]\n…"}
    units: [shop-clean.timer]
# files: [/usr/local/lib/shop/clean, /etc/systemd/system/shop-clean.service, /etc/systemd/system/shop-clean.timer]

- name: Nothing of it any more; the uploads stay
  evenkeel.wsgi.system_files:
    owner: shop
"""

RETURN = r"""
folders:
  description: Folders that were made or given back to their owner.
  type: list
  elements: str
  returned: always
  sample: [/srv/shop/media]
files:
  description: Files that changed.
  type: list
  elements: str
  returned: always
  sample: [/etc/systemd/system/shop-clean.timer]
units:
  description: Units that were started, restarted or reloaded.
  type: list
  elements: str
  returned: always
  sample: [shop-clean.timer]
removed:
  description: Files that were removed.
  type: list
  elements: str
  returned: always
  sample: []
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _system_files as core
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _systemd
from ansible_collections.evenkeel.wsgi.plugins.module_utils._files import file_differs, read_or_none, write_atomically


class Host(_systemd.Host):
    """The host as this module sees and changes it."""

    def __init__(self, module: AnsibleModule) -> None:
        path = os.path.join(module.params["record_directory"], f"system_files-{module.params['owner']}.json")
        super().__init__(module, path, core.Record, core.SystemFilesError)

    def unsettled(self, units: t.Sequence[str]) -> list[str]:
        """Units that are not enabled, do not run, or run from an older file; asked at once."""
        return [unit for unit, block in zip(units, self.show(core.PROPERTIES, units)) if not core.settled(block)]


def make_folder(path: str, owner: tuple[int, int], mode: int) -> None:
    """Make a folder, or give it back; it is never open to others in between."""
    if not os.path.isdir(path):
        os.mkdir(path, 0o700)
    os.chown(path, *owner)
    os.chmod(path, mode)


def apply(host: Host, folders: list[dict[str, t.Any]], files: list[dict[str, t.Any]], gone: core.Record) -> None:
    """Write what differs and remove what is left over."""
    for folder in folders:
        owner = core.account(folder["owner"], folder["group"])
        if owner is None:
            raise core.SystemFilesError(f"{folder['path']}: user {folder['owner']} or group {folder['group']} is not on this host: make them first")
        make_folder(folder["path"], owner, core.mode(folder["mode"]))
    if gone.units:  # says no when a run that was killed has removed them already
        host.module.run_command(["systemctl", "disable", "--now", *gone.units])
    for path in gone.files:
        if os.path.lexists(path):
            os.unlink(path)
    for file in files:
        os.makedirs(os.path.dirname(file["path"]), exist_ok=True)
        write_atomically(file["path"], file["content"].encode(), core.mode(file["mode"]))


def reconcile(module: AnsibleModule) -> dict[str, t.Any]:
    """Do what the module is for and return its results."""
    folders, units, readers = (module.params[name] for name in ("folders", "units", "readers"))
    secrets = module.params["secret_files"]
    files = [*module.params["files"], *({"path": path, "content": text, "mode": "0600"} for path, text in secrets.items())]
    core.check([item["path"] for item in (*folders, *files)], [*units, *readers])
    host = Host(module)
    wanted = core.Record(tuple(file["path"] for file in files), tuple(units), tuple(readers))
    gone = core.Record(
        tuple(path for path in host.record.files if path not in wanted.files), tuple(unit for unit in host.record.units if unit not in wanted.units)
    )
    other_folders = [
        folder for folder in folders if core.folder_differs(folder["path"], core.account(folder["owner"], folder["group"]), core.mode(folder["mode"]))
    ]
    other_files = [file for file in files if file_differs(file["path"], file["content"].encode(), core.mode(file["mode"]))]
    torn = host.record.unfinished
    restart = units if other_files or torn else host.unsettled(units)
    tell = sorted({*host.record.readers, *readers}) if other_files or gone.files or torn else []
    changed = bool(other_folders or other_files or restart or gone.files or gone.units or torn)
    diff = [
        {"before_header": file["path"], "after_header": file["path"], "before": _text(file["path"]), "after": file["content"]}
        for file in other_files
        if file["path"] not in secrets
    ] + [{"before_header": path, "after_header": path, "before": _text(path), "after": ""} for path in gone.files]
    if changed and not module.check_mode:
        host.keep_record(host.record.union(wanted))
        apply(host, other_folders, other_files, gone)
        if core.reload_needed([*(file["path"] for file in other_files), *gone.files]) or restart:
            host.systemctl("daemon-reload")
        if restart:
            host.systemctl("enable", *restart)
            host.systemctl("restart", *restart)
        if tell:
            host.systemctl("try-reload-or-restart", *tell)
        host.keep_record(wanted)
    return {
        "changed": changed,
        "folders": [folder["path"] for folder in other_folders],
        "files": [file["path"] for file in other_files],
        "units": [*restart, *tell],
        "removed": list(gone.files),
        "diff": diff,
    }


def _text(path: str) -> str:
    """What a file holds, for a difference; nothing of a file that not everybody may read."""
    if not os.path.exists(path) or not os.stat(path).st_mode & 0o004:
        return ""
    return (read_or_none(path) or b"").decode(errors="replace")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "owner": {"type": "str", "required": True},
            "folders": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "owner": {"type": "str", "default": "root"},
                    "group": {"type": "str", "default": "root"},
                    "mode": {"type": "str", "default": "0755"},
                },
            },
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str", "required": True},
                    "mode": {"type": "str", "default": "0644"},
                },
            },
            "secret_files": {"type": "dict", "default": {}, "no_log": True},
            "units": {"type": "list", "elements": "str", "default": []},
            "readers": {"type": "list", "elements": "str", "default": []},
            "record_directory": {"type": "path", "default": "/var/lib/evenkeel"},
        },
        supports_check_mode=True,
    )
    try:
        result = reconcile(module)
    except (core.SystemFilesError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
