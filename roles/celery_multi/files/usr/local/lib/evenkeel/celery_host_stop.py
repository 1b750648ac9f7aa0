# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends a Celery node in time when the whole host goes down: celery_host_stop.py PID SECONDS

systemd runs this as the unit's ExecStop. On an ordinary stop it does nothing, and systemd waits for the node's tasks as long as
TimeoutStopSec allows, which may be hours. When the host shuts down or reboots, running tasks get SECONDS; after that SIGQUIT
makes the node give them back to its queue at once (acks_late), and what is still there 10 s later is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

GIVING_BACK = 10
"""Seconds for a node to give its tasks back."""


def host_goes_down() -> bool:
    """Whether systemd stops everything, not this unit alone."""
    return subprocess.run(["systemctl", "is-system-running"], capture_output=True, text=True, check=False).stdout.strip() == "stopping"


def end(pid: int, number: int, patience: float) -> bool:
    """Send a signal and wait; whether the process is gone."""
    deadline = time.monotonic() + patience
    try:
        os.kill(pid, number)
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.2)
    except ProcessLookupError:
        return True
    return False


def main() -> None:
    """Do nothing, or end the node."""
    pid, seconds = int(sys.argv[1]), float(sys.argv[2])
    if host_goes_down():
        steps = ((signal.SIGTERM, seconds), (signal.SIGQUIT, GIVING_BACK), (signal.SIGKILL, GIVING_BACK))
        any(end(pid, number, patience) for number, patience in steps)


if __name__ == "__main__":
    main()
