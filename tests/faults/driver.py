# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run apache_config's own code as a bare process inside a host, so that it can be killed anywhere.

Usage: driver.py JSON (the module's parameters). The environment says where it dies:
KILL_AT=n       before its n-th change of a file system (a rename, an unlink, a new link, a written file)
KILL_BEFORE=act after the switch, before the reload or restart
KILL_AFTER=act  after the reload or restart, before the proof
"""

from __future__ import annotations

import json
import os
import signal
import sys

sys.path.insert(0, "/opt/evenkeel")
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config import golive, service
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.errors import ApacheConfigError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.job import Request, execute
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.layout import Layout

MAIN = os.getpid()


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def count_changes(last):
    """Die before change number ``last``; the rehearsal's process, which works on a copy, does not count."""
    done = [0]

    def wrapped(function):
        def call(*arguments, **keywords):
            if os.getpid() == MAIN:
                if done[0] == last:
                    die()
                done[0] += 1
            return function(*arguments, **keywords)

        return call

    for name in ("rename", "unlink", "symlink", "mkdir", "fsync", "rmdir"):
        setattr(os, name, wrapped(getattr(os, name)))
    return done


def main():
    done = count_changes(int(os.environ.get("KILL_AT", "-1")))
    perform = golive.Switch.perform

    def dying(self, action):
        if os.environ.get("KILL_BEFORE"):
            die()
        perform(self, action)
        if os.environ.get("KILL_AFTER"):
            die()

    golive.Switch.perform = dying
    parameters = json.loads(sys.argv[1])
    layout = Layout(**parameters.pop("layout", {}))
    try:
        result = execute(Request(**parameters), layout)
    except ApacheConfigError as exc:
        result = dict(exc.details, failed=True, msg=exc.message)
    result["changes"] = done[0]
    result["unit"] = service.show(layout)["ActiveState"] if os.path.exists(layout.binary) else "none"
    sys.stdout.write(json.dumps(result) + "\n")


main()
