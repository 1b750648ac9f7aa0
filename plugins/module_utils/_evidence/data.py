# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether data lies encrypted on its disk, as far as the host can tell."""

from __future__ import annotations

import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.host import Host
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.model import Finding, control

OPTIONS: dict[str, t.Any] = {
    "volumes": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"path": {"type": "path", "required": True}, "encrypted_by_provider": {"type": "bool", "default": False}},
    },
}
Layers = t.Optional[list[str]]  # kinds of block devices below a path, the nearest first; None when it is on none


def look(host: Host, wanted: t.Mapping[str, t.Any]) -> list[Finding]:
    """Look at the block devices below each declared volume."""
    seen = {volume["path"]: (layers(host, volume["path"]), volume["encrypted_by_provider"]) for volume in wanted["volumes"]}
    return [data_is_encrypted_at_rest(seen)]


def layers(host: Host, path: str) -> Layers:
    """Kinds of devices that a path is on, such as [lvm, crypt, part, disk]."""
    device = host.run("findmnt", "--noheadings", "--output=SOURCE", "--nofsroot", "--target", path).strip()
    if not device.startswith("/dev/"):
        return None
    return host.run("lsblk", "--noheadings", "--list", "--inverse", "--output=TYPE", device).split() or None


@control(
    line="at_rest",
    against="a disk that is sold, stolen or copied",
    proof="the block devices below each declared volume: one of them is dm-crypt",
    cost="a key at every start of the machine; a few percent of CPU",
    wants="security_baseline_data_volumes names where data lies, and a dm-crypt device (LUKS) is below each",
)
def data_is_encrypted_at_rest(volumes: t.Mapping[str, tuple[Layers, bool]]) -> tuple[bool | None, str]:
    """Judge the volumes. volumes: {path: (kinds of devices below it or None, whether the provider is said to encrypt it)}."""
    states: list[bool | None] = []
    said = []
    for path, (kinds, provider) in volumes.items():
        if kinds and "crypt" in kinds:
            state: bool | None = True
        else:
            state = None if provider or kinds is None else False
        states.append(state)
        below = " on ".join(kinds) if kinds else "no block device that this host can see"
        said.append(f"{path}: {below}{', encrypted by the provider as declared' if provider and state is None else ''}")
    holds = False if not states or False in states else None if None in states else True
    return holds, ", ".join(said) or "no volume is declared"
