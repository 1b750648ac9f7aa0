# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put sshd back to what it had before a change that nobody has confirmed. Role: evenkeel.wsgi.security_baseline

A timer starts it unless a new connection has come through the changed sshd by then; after a reboot the timer counts again.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
import tempfile

PENDING = "/var/lib/evenkeel/sshd-pending.json"
TIMER = "evenkeel-sshd-revert.timer"
PROBE = "evenkeel-probe"
TRACES = ("/etc/ssh/authorized_keys.d/" + PROBE, "/etc/evenkeel/totp/" + PROBE)
ERROR = "<3>"  # systemd reads it as the priority of the line


def restore(path, before):
    """Give a file back what it had. before: {"text": base64, "mode"}, or None for a file that was not there."""
    if before is None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".evenkeel.")
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(base64.b64decode(before["text"]))
        os.fchmod(stream.fileno(), before["mode"])
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(temporary, path)


def quiet(*command):
    """Whether a program succeeds."""
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def main():
    try:
        with open(PENDING, encoding="utf-8") as stream:
            pending = json.load(stream)
    except FileNotFoundError:
        return
    for path, before in pending["files"].items():
        restore(path, before)
    quiet("userdel", "-f", PROBE)  # of a proof that was killed
    for path in TRACES:
        restore(path, None)
    service = pending["service"]
    if quiet("systemctl", "is-active", service) and not quiet("systemctl", "reload", service):
        sys.exit(ERROR + f"sshd does not take its configuration: run sshd -t and repair what it names, then systemctl reload {service}")
    os.unlink(PENDING)
    quiet("systemctl", "disable", "--now", TIMER)
    sys.stderr.write(ERROR + "sshd is back to what it had before: nobody came in through the change\n")


if __name__ == "__main__":
    main()
