#!/usr/bin/python
# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure on a real host how long it takes until revoked access is gone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: access_drill
short_description: Measure how long it takes until revoked access is gone
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Grants a temporary account what people get, logs in with it on the host itself, uses its sudo right and stays logged in.
  - Then it takes the grant out of the host's data, as a run of Ansible without it does, and nothing else. It keeps trying until the login is
    refused, the sudo right is gone and the session has ended.
  - Whatever happens, the grant ends by itself after ten minutes, and the account is removed.
  - Needs a host that keeps grants, see the role P(evenkeel.wsgi.security_baseline#role).
options:
  data:
    description: The grants on the host.
    type: path
    default: /etc/evenkeel/access.json
  second_factor:
    description: Whether people need a code beside their key.
    type: bool
    default: false
  patience_s:
    description: How long to try, in s.
    type: int
    default: 120
attributes:
  check_mode:
    support: none
    description: A drill that does not happen measures nothing.
  diff_mode:
    support: none
    description: In the end there is no difference.
  platform:
    support: full
    platforms: linux
    description: Needs systemd and a running sshd.
"""

EXAMPLES = r"""
- name: How long does a leaver get in
  evenkeel.wsgi.access_drill:
  register: drill
# {"changed": true, "login_s": 6.2, "sudo_s": 6.2, "session_s": 7.1, "seconds": 7.1}
"""

RETURN = r"""
login_s:
  description: Seconds until a new login was refused.
  type: float
  returned: success
sudo_s:
  description: Seconds until sudo had no rule for the account.
  type: float
  returned: success
session_s:
  description: Seconds until the open session had ended.
  type: float
  returned: success
seconds:
  description: The longest of them.
  type: float
  returned: success
  sample: 7.1
"""

import base64
import json
import os
import pwd
import shutil
import subprocess
import tempfile
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.evenkeel.wsgi.plugins.module_utils._access import probe, sshd
from ansible_collections.evenkeel.wsgi.plugins.module_utils._files import read_or_none, write_atomically

ACCOUNT = "evenkeel-drill"
SERVICE = "evenkeel-access.service"
LONGEST = 600  # s after which the grant ends by itself


class DrillError(Exception):
    """Why nothing was measured."""


class Drill:
    """One drill. folder: for the temporary key."""

    def __init__(self, module: AnsibleModule, folder: str) -> None:
        self.module, self.path = module, module.params["data"]
        self.before = read_or_none(self.path)
        if self.before is None:
            raise DrillError(
                f"{self.path} is not there: this host keeps no grants. Set security_baseline_access_grants or security_baseline_access_break_glass"
            )
        secret = base64.b32encode(os.urandom(20)).decode() if module.params["second_factor"] else ""
        self.person = probe.Person(ACCOUNT, folder, secret)
        self.address, self.port = sshd.loopback(sshd.effective(self.run("sshd", "-T")))

    def run(self, *command: str) -> str:
        """Run a program that must succeed."""
        code, out, err = self.module.run_command(list(command))
        if code:
            raise DrillError(f"{' '.join(command)} failed with {code}: {(err or out).strip()}")
        return t.cast(str, out)

    def grant(self) -> None:
        """Grant the account what people get."""
        now = int(time.time())
        rule = {"user": "root", "command": '/usr/bin/id ""'}
        grant = {"id": "drill", "start": now - 1, "end": now + LONGEST, "keys": [self.person.public], "groups": [], "sudo": [rule]}
        data = json.loads(self.before or b"")
        data["accounts"][ACCOUNT] = {"person": "drill", "grants": [grant]}
        write_atomically(self.path, json.dumps(data).encode(), 0o600)
        self.run("systemctl", "start", SERVICE)
        self.new_code()

    def new_code(self) -> None:
        """Make a code good that was used before: otherwise it would be the code that is refused, not the person."""
        if self.person.secret:
            os.makedirs(probe.TOTP, mode=0o700, exist_ok=True)
            write_atomically(os.path.join(probe.TOTP, ACCOUNT), sshd.secret_file(self.person.secret).encode(), 0o600)

    def login(self, *command: str) -> tuple[int, str]:
        """Log in and run a command."""
        self.new_code()
        return self.person.login(self.address, self.port, *command)

    def revoke(self) -> dict[str, float]:
        """Take the grant away and measure, in s."""
        code, said = self.login("sudo", "-n", "/usr/bin/id")
        if code:
            raise DrillError(f"the account could not use what it was granted, so there is nothing to revoke: {said}")
        self.new_code()
        session = self.person.stay(self.address, self.port, LONGEST)
        try:
            time.sleep(2)  # until it is there
            if session.poll() is not None:
                raise DrillError("the session that should be ended did not stay")
            write_atomically(self.path, self.before or b"", 0o600)
            return self.measure(session)
        finally:
            session.kill()
            session.wait()

    def measure(self, session: t.Any) -> dict[str, float]:
        """Try everything until nothing works any more. session: the process of the login that stays."""
        begin = time.monotonic()
        gone: dict[str, float] = {}
        checks: dict[str, t.Callable[[], bool]] = {
            "session_s": lambda: session.poll() is not None,
            "sudo_s": lambda: "NOPASSWD" not in self.module.run_command(["sudo", "-l", "-U", ACCOUNT])[1],
            "login_s": lambda: self.login("true")[0] == 255,
        }
        while len(gone) < len(checks):
            for name, check in checks.items():
                if name not in gone and check():
                    gone[name] = round(time.monotonic() - begin, 1)
            if time.monotonic() - begin > self.module.params["patience_s"]:
                left = ", ".join(sorted(checks.keys() - gone.keys()))
                raise DrillError(f"revoked access still worked after {self.module.params['patience_s']} s ({left}): journalctl -u {SERVICE}")
            time.sleep(0.2)
        return {**gone, "seconds": max(gone.values())}

    def clean(self) -> None:
        """Leave the host as it was."""
        write_atomically(self.path, self.before or b"", 0o600)
        self.module.run_command(["systemctl", "start", SERVICE])
        path = os.path.join(probe.TOTP, ACCOUNT)
        if os.path.exists(path):
            os.unlink(path)
        try:
            pwd.getpwnam(ACCOUNT)
        except KeyError:
            return
        self.module.run_command(["userdel", "-f", "-r", ACCOUNT])


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "data": {"type": "path", "default": "/etc/evenkeel/access.json"},
            "second_factor": {"type": "bool", "default": False},
            "patience_s": {"type": "int", "default": 120},
        }
    )
    folder = tempfile.mkdtemp(prefix="evenkeel-drill-")
    try:
        drill = Drill(module, folder)
        try:
            drill.grant()
            result = drill.revoke()
        finally:
            drill.clean()
    except (DrillError, OSError, subprocess.CalledProcessError) as exc:
        module.fail_json(msg=str(exc))
    finally:
        shutil.rmtree(folder)
    module.exit_json(changed=True, **result)


if __name__ == "__main__":
    main()
