# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two files beside an application's releases: its environment, and the script that mod_wsgi runs. No Ansible in here.

<directory>/environment.json   root:<group> 0640: what the application finds in os.environ, secrets included
<directory>/entry.wsgi         root 0644: reads it, then runs the application's own script
"""

from __future__ import annotations

import grp
import json
import os
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils._files import read_or_none, write_atomically

ENVIRONMENT = "environment.json"
ENTRY = "entry.wsgi"


def _differs(path: str, content: bytes, mode: int, gid: int) -> bool:
    """Whether a file is not exactly this."""
    if read_or_none(path) != content:
        return True
    state = os.stat(path)
    return (state.st_mode & 0o7777, state.st_uid, state.st_gid) != (mode, os.geteuid(), gid)


def reconcile(directory: str, *, environment: t.Mapping[str, t.Any], entry: str, group: str, check_mode: bool) -> list[str]:
    """Make both files what they should be and return the names of those that were not.

    When only the environment changed, the entry script is touched: mod_wsgi then restarts the application's daemon processes
    on the next request, without a reload of Apache.

    :raises KeyError: if the group does not exist; not in check mode, where it may be yet to come.
    """
    try:
        gid = grp.getgrnam(group).gr_gid
    except KeyError:
        if not check_mode:
            raise
        gid = -1
    wanted = (
        (ENVIRONMENT, (json.dumps({key: str(value) for key, value in environment.items()}, sort_keys=True) + "\n").encode(), 0o640, gid),
        (ENTRY, entry.encode(), 0o644, 0),
    )
    changed = [name for name, content, mode, owner in wanted if _differs(os.path.join(directory, name), content, mode, owner)]
    if check_mode:
        return changed
    for name, content, mode, owner in wanted:
        if name in changed:
            path = os.path.join(directory, name)
            write_atomically(path, content, mode if owner == 0 else 0o600)
            os.chown(path, os.geteuid(), owner)
            os.chmod(path, mode)
    if changed == [ENVIRONMENT]:
        os.utime(os.path.join(directory, ENTRY))
    return changed
