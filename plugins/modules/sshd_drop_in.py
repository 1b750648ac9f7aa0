#!/usr/bin/python
# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change sshd so that whoever got in before still gets in, or not at all."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sshd_drop_in
short_description: Change sshd, and change it back unless a new login proves that it can be reached
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Writes one drop-in of sshd, keys, the lines that PAM needs for a second factor, and its secrets, as one change.
  - Refuses to start when sshd's configuration is broken already. What C(sshd -t) refuses is taken back before sshd has read it.
  - Then sshd reads it, and a temporary account logs in from the host itself, with a key and, where people need one, a code. If it cannot,
    everything is put back at once.
  - When Ansible comes by ssh, a timer puts everything back unless a second call with O(confirm) arrives through a connection that sshd has
    accepted after the change. The connection that made the change proves nothing and is refused.
  - Does nothing on a host without sshd.
options:
  drop_in:
    description: The text of the drop-in. Empty removes it.
    type: str
    default: ""
  path:
    description: Where the drop-in is. sshd takes the first value that it finds, so its name comes first.
    type: path
    default: /etc/ssh/sshd_config.d/00-evenkeel.conf
  service:
    description: The unit of sshd.
    type: str
    default: ssh.service
  pam:
    description: Lines for the beginning of O(pam_path). Empty removes them.
    type: str
    default: ""
  pam_path:
    description: PAM's file for sshd.
    type: path
    default: /etc/pam.d/sshd
  keys:
    description:
      - The text of C(authorized_keys) for accounts whose keys are part of the change, by name. They are in C(/etc/ssh/authorized_keys.d).
      - Ansible's own key belongs here, so that it is put back together with what sshd makes of it.
    type: dict
    default: {}
  secrets:
    description: The TOTP secret of each account, in base32. It is never shown.
    type: dict
    default: {}
  group:
    description: The group of people, which the temporary account joins.
    type: str
    default: evenkeel-people
  prove:
    description: How the temporary account logs in. V(none) where a second factor lives in hardware that no program can press.
    type: str
    choices: [key, totp, none]
    default: key
  confirm:
    description: Take the change of an earlier call as proven. Only a new connection can.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Also works on a host without sshd.
  diff_mode:
    support: full
    description: Shows the drop-in and PAM's file; of secrets not even that they change.
  platform:
    support: full
    platforms: linux
    description: Needs systemd, and the units of role P(evenkeel.wsgi.security_baseline#role).
"""

EXAMPLES = r"""
- name: No passwords
  evenkeel.wsgi.sshd_drop_in:
    drop_in: |
      PasswordAuthentication no
  register: changed
# {"changed": true, "pending": true, "proven": "login on the host itself", "sshd": true}

- name: A new connection, not the one that made the change
  ansible.builtin.meta: reset_connection

- name: It works
  evenkeel.wsgi.sshd_drop_in:
    confirm: true
"""

RETURN = r"""
sshd:
  description: Whether the host has an sshd.
  type: bool
  returned: success
pending:
  description: Whether a new connection must confirm the change before it is put back.
  type: bool
  returned: success
proven:
  description: What has proven the change.
  type: str
  returned: success
  sample: login on the host itself
"""

import base64
import json
import os
import stat
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.evenkeel.wsgi.plugins.module_utils._access import probe, sshd
from ansible_collections.evenkeel.wsgi.plugins.module_utils._files import read_or_none, write_atomically

SSHD = "/usr/sbin/sshd"
PENDING = "/var/lib/evenkeel/sshd-pending.json"
RECORD = "/var/lib/evenkeel/sshd.json"
REVERT = "evenkeel-sshd-revert"


class Refused(Exception):
    """What was not done, or was taken back; the text says why."""


class File(t.NamedTuple):
    """A file as it must be; without text it must not be there."""

    text: str | None
    mode: int
    secret: bool = False


def wanted_files(params: dict[str, t.Any], written: t.Iterable[str] = ()) -> dict[str, File]:
    """Return what must be there, by path. written: what earlier runs have put there; of it, what is not wanted any more must go."""
    files = {path: File(None, 0, path.startswith(probe.TOTP)) for path in written}
    files[params["path"]] = File(params["drop_in"] or None, 0o644)
    files.update({os.path.join(probe.KEYS, name): File(text, 0o644) for name, text in params["keys"].items()})
    files.update({os.path.join(probe.TOTP, name): File(sshd.secret_file(secret), 0o600, True) for name, secret in params["secrets"].items()})
    pam = read_or_none(params["pam_path"])
    if pam is not None:
        files[params["pam_path"]] = File(sshd.with_block(pam.decode(), params["pam"]), 0o644)
    return files


def differs(path: str, file: File) -> bool:
    """Whether a file is not as it must be. PAM writes into the files of secrets, too."""
    have = read_or_none(path)
    if have is None or file.text is None:
        return have is not None or file.text is not None
    if file.secret:
        return not sshd.same_secret(have.decode(errors="replace"), file.text.split("\n", 1)[0])
    return have.decode(errors="replace") != file.text


def connections(since: float = 0.0) -> int:
    """How many processes of sshd this one descends from that began later than a moment, in s since the host started."""
    found, pid = 0, os.getpid()
    while pid > 1:
        text = (read_or_none(f"/proc/{pid}/stat") or b"").decode(errors="replace")
        name, fields = text[text.find("(") + 1 : text.rfind(")")], text.rpartition(")")[2].split()
        if not fields:
            break
        found += name.startswith("sshd") and int(fields[19]) / os.sysconf("SC_CLK_TCK") > since
        pid = int(fields[1])
    return found


class Host:
    """The host of this module."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.pending = json.loads(read_or_none(PENDING) or b"null")

    def run(self, *command: str) -> str:
        """Run a program that must succeed."""
        code, out, err = self.module.run_command(list(command))
        if code:
            raise Refused(f"{' '.join(command)} failed with {code}: {(err or out).strip()}")
        return t.cast(str, out)

    def accepted(self) -> str:
        """What sshd says against its configuration; nothing when it takes it."""
        code, out, err = self.module.run_command([SSHD, "-t"])
        return (err or out).strip() or str(code) if code else ""

    def arm(self, paths: t.Iterable[str]) -> None:
        """Remember what is there, and start the timer that puts it back."""
        files = (self.pending or {}).get("files", {})
        for path in paths:
            if path not in files:  # what an unconfirmed change has written is not what to go back to
                text = read_or_none(path)
                files[path] = None if text is None else {"text": base64.b64encode(text).decode(), "mode": stat.S_IMODE(os.stat(path).st_mode)}
        self.pending = {"since": time.clock_gettime(time.CLOCK_BOOTTIME), "files": files, "service": self.module.params["service"]}
        os.makedirs(os.path.dirname(PENDING), exist_ok=True)
        write_atomically(PENDING, json.dumps(self.pending).encode(), 0o600)
        self.run("systemctl", "enable", f"{REVERT}.timer")
        self.run("systemctl", "restart", f"{REVERT}.timer")

    def confirm(self) -> None:
        """Keep the change."""
        os.unlink(PENDING)
        self.run("systemctl", "disable", "--now", f"{REVERT}.timer")

    def revert(self) -> None:
        """Put everything back now."""
        self.run("systemctl", "start", f"{REVERT}.service")

    def prove(self, how: str, group: str) -> None:
        """Log in as people do, or put everything back."""
        address, port = sshd.loopback(sshd.effective(self.run(SSHD, "-T")))
        secret = base64.b32encode(os.urandom(20)).decode() if how == "totp" else ""
        works, said = probe.prove(address, port, group, secret)
        if not works:
            self.revert()
            raise Refused(
                f"nobody could log in as people do through the changed sshd ({said}), so it is back to what it had before. "
                "Look at `journalctl -t sshd -t sshd-session -n 50` for sshd's and PAM's own words"
            )


def write(path: str, file: File) -> None:
    """Write a file, or remove it."""
    if file.text is None:
        if os.path.exists(path):
            os.unlink(path)
        if file.secret and os.path.isdir(probe.TOTP) and not os.listdir(probe.TOTP):
            os.rmdir(probe.TOTP)
        return
    os.makedirs(os.path.dirname(path), mode=0o700 if file.secret else 0o755, exist_ok=True)
    write_atomically(path, file.text.encode(), file.mode)


def difference(path: str, file: File) -> dict[str, str]:
    """Return what changes in a file, for --diff."""
    before = (read_or_none(path) or b"").decode(errors="replace")
    return {"before_header": path, "after_header": path, "before": before, "after": file.text or ""}


def change(module: AnsibleModule) -> dict[str, t.Any]:
    """Bring sshd to what is wanted."""
    host, params = Host(module), module.params
    wanted = wanted_files(params, json.loads(read_or_none(RECORD) or b"[]"))
    other = {path: file for path, file in wanted.items() if differs(path, file)}
    result = {
        "changed": bool(other or host.pending),
        "sshd": True,
        "pending": False,
        "proven": "",
        "diff": [difference(path, file) for path, file in other.items() if not file.secret],
    }
    if not result["changed"]:
        return result
    said = host.accepted()
    if said:
        raise Refused(
            f"sshd's configuration was broken before this run, and nothing was changed: {said}. sshd still runs with what it read before; "
            "repair that before it or the host is started again"
        )
    if module.check_mode:
        return result
    host.arm([*other, RECORD])
    kept = sorted(path for path, file in wanted.items() if file.text is not None and path != params["pam_path"])
    for path, file in [*other.items(), (RECORD, File(json.dumps(kept) if kept else None, 0o600))]:
        write(path, file)
    said = host.accepted()
    if said:
        host.revert()
        raise Refused(f"sshd refuses the new configuration, so it was taken back before sshd read it: {said}")
    if module.run_command(["systemctl", "is-active", "-q", params["service"]])[0]:  # nobody can log in, now or before
        host.confirm()
        return {**result, "proven": "sshd -t; it does not run"}
    host.run("systemctl", "reload", params["service"])
    if params["prove"] != "none":
        host.prove(params["prove"], params["group"])
        result["proven"] = "login on the host itself"
    if connections():
        return {**result, "pending": True}
    host.confirm()
    return result


def confirm(module: AnsibleModule) -> dict[str, t.Any]:
    """Take the change as proven, by the way in which this call came."""
    host = Host(module)
    if not host.pending:
        raise Refused("there is no change to confirm: sshd was put back because no new connection came in time, or nothing was changed")
    if not connections(host.pending["since"]):
        raise Refused("this call came through a connection from before the change, which proves nothing: reset the connection first")
    if not module.check_mode:
        host.confirm()
    return {"changed": True, "sshd": True, "pending": False, "proven": "new connection"}


def main() -> None:
    """Run the module."""
    text = {"type": "str", "default": ""}
    module = AnsibleModule(
        argument_spec={
            "drop_in": text,
            "path": {"type": "path", "default": "/etc/ssh/sshd_config.d/00-evenkeel.conf"},
            "service": {"type": "str", "default": "ssh.service"},
            "pam": text,
            "pam_path": {"type": "path", "default": "/etc/pam.d/sshd"},
            "keys": {"type": "dict", "default": {}, "no_log": False},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "group": {"type": "str", "default": "evenkeel-people"},
            "prove": {"type": "str", "default": "key", "choices": ["key", "totp", "none"]},
            "confirm": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if not os.path.exists(SSHD):
        module.exit_json(changed=False, sshd=False, pending=False, proven="")
    try:
        result = confirm(module) if module.params["confirm"] else change(module)
    except (Refused, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
