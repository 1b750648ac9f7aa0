# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real login through sshd on the host itself, with a key and a second factor that live as long as the login.

A temporary account takes the way that people take: its key in root's folder, its group, PAM, its code. It has no sudo right.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time

from .sshd import secret_file, totp

ACCOUNT = "evenkeel-probe"
KEYS = "/etc/ssh/authorized_keys.d"
TOTP = "/etc/evenkeel/totp"
SECONDS = 120  # for which the temporary key is good
# The right code, and nothing else, is what each question of sshd gets.
ASKPASS = "#!/bin/sh\nprintf '%s\\n' \"$EVENKEEL_CODE\"\n"


class Person:
    """Somebody who can log in on the host itself. secret: base32 for TOTP, empty without a second factor."""

    def __init__(self, account: str, folder: str, secret: str = "") -> None:
        self.account, self.folder, self.secret = account, folder, secret
        self.key = os.path.join(folder, "key")
        if not os.path.exists(self.key):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", account, "-f", self.key], check=True, stdin=subprocess.DEVNULL)

    @property
    def public(self) -> str:
        """The line for authorized_keys."""
        with open(f"{self.key}.pub", encoding="utf-8") as stream:
            return stream.read().strip()

    def login(self, address: str, port: int, *command: str, wait: float = 20) -> tuple[int, str]:
        """Log in and run a command; return (exit code, what ssh said). The code is 255 when there was no login."""
        try:
            done = subprocess.run(self.command(address, port, *command), env=self.environment(), capture_output=True, text=True, check=False, timeout=wait)
        except subprocess.TimeoutExpired:
            return 255, f"no answer within {wait:.0f} s"
        return done.returncode, (done.stdout + done.stderr).strip()

    def stay(self, address: str, port: int, seconds: int) -> subprocess.Popen[bytes]:
        """Log in and do nothing for so long, unless the session is ended; return the process of ssh."""
        command = self.command(address, port, "sleep", str(seconds))
        return subprocess.Popen(command, env=self.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def command(self, address: str, port: int, *command: str) -> list[str]:
        """The command line of ssh, which reads no configuration of anybody's."""
        options = [
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "NumberOfPasswordPrompts=1",
            "PreferredAuthentications=publickey,keyboard-interactive",
            "ConnectTimeout=10",
        ]
        flags = [word for option in options for word in ("-o", option)]
        return ["ssh", "-n", "-F", "none", "-i", self.key, *flags, "-p", str(port), f"{self.account}@{address}", *command]

    def environment(self) -> dict[str, str]:
        """What makes ssh ask our program instead of a terminal."""
        ask = os.path.join(self.folder, "askpass")
        with open(ask, "w", encoding="utf-8") as stream:
            stream.write(ASKPASS)
        os.chmod(ask, 0o700)
        code = totp(self.secret, time.time()) if self.secret else ""
        return {**os.environ, "SSH_ASKPASS": ask, "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0", "EVENKEEL_CODE": code, "SSH_AUTH_SOCK": ""}


def remove() -> None:
    """Remove the temporary account with all that belongs to it, also one of a run that was killed."""
    for path in (os.path.join(KEYS, ACCOUNT), os.path.join(TOTP, ACCOUNT)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    try:
        pwd.getpwnam(ACCOUNT)
    except KeyError:
        return
    subprocess.run(["userdel", "-f", ACCOUNT], check=True, capture_output=True)


def prove(address: str, port: int, group: str, secret: str = "", tries: int = 3) -> tuple[bool, str]:
    """Log in as a person would, from the host itself; return whether it worked, and ssh's last words."""
    folder = tempfile.mkdtemp(prefix="evenkeel-probe-")
    said = ""
    try:
        remove()
        person = Person(ACCOUNT, folder, secret)
        subprocess.run(["useradd", "-r", "-M", "-d", "/", "-s", "/bin/sh", "-p", "*", "-G", group, ACCOUNT], check=True, capture_output=True)
        end = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + SECONDS))
        _write(os.path.join(KEYS, ACCOUNT), f'restrict,expiry-time="{end}" {person.public}\n', 0o644)
        for attempt in range(tries):  # sshd may be reading its configuration again at this moment
            if attempt:
                time.sleep(1)
            if secret:  # a used code is not taken twice
                _write(os.path.join(TOTP, ACCOUNT), secret_file(secret), 0o600)
            code, said = person.login(address, port, "true")
            if code == 0:
                return True, ""
        return False, said
    except subprocess.CalledProcessError as exc:
        return False, f"{' '.join(exc.cmd)}: {(exc.stderr or b'').decode(errors='replace').strip()}"
    finally:
        remove()
        shutil.rmtree(folder)


def _write(path: str, text: str, mode: int) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as stream:
        os.fchmod(stream.fileno(), mode)
        stream.write(text)
