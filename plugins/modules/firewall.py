#!/usr/bin/python
# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the table inet evenkeel of nftables the wanted one, and take it back by itself when nobody can connect any more."""

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall
short_description: Make one table of nftables the wanted one, taken back by itself when it locks Ansible out
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Owns the table C(inet evenkeel) and nothing else. Tables of Docker, fail2ban and others stay as they are, and so does
    C(/etc/nftables.conf).
  - Compares the rules that the kernel runs with what the kernel makes of the wanted ones, loaded in a network namespace of their own.
    So a rule that somebody added by hand is found, and rules that the kernel refuses are never loaded.
  - New rules are loaded together with a timer on the host that takes the former ones back after O(revert_after) seconds. Only a second
    call with O(confirmed=true) ends the timer and stores the rules for the next start of the host. Make it over a new connection, because
    rules seldom end one that is open.
options:
  rules:
    description:
      - A script for C(nft -f) that replaces the table C(inet evenkeel), as the filter P(evenkeel.wsgi.nftables_rules#filter) writes it.
      - Empty takes the table and everything that belongs to it away.
    type: str
    default: ""
  revert_after:
    description: Seconds after which rules that were not confirmed are taken back.
    type: int
    default: 60
  confirmed:
    description: Whether somebody has connected through the new rules.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: On a host without nft it promises a change.
  diff_mode:
    support: full
    description: Shows the table as the kernel lists it.
  platform:
    support: full
    platforms: linux
    description: Needs nftables and systemd, and runs as root.
"""

EXAMPLES = r"""
- name: New rules, for a minute
  evenkeel.wsgi.firewall:
    rules: "{{ firewall.rules }}"
  register: loaded

- name: Forget the connection that is open
  ansible.builtin.meta: reset_connection

- name: Whoever gets here got through them
  evenkeel.wsgi.firewall:
    rules: "{{ firewall.rules }}"
    confirmed: true
  when: loaded.armed

- name: No rules any more
  evenkeel.wsgi.firewall:
"""

RETURN = r"""
armed:
  description: Whether the rules are taken back unless they are confirmed.
  type: bool
  returned: success
  sample: true
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _firewall as core
from ansible_collections.evenkeel.wsgi.plugins.module_utils._files import file_differs, write_atomically

TIMER = f"{core.REVERT}.timer"


class Host:
    """The host as this module sees and changes it."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.rules = module.params["rules"]

    def must(self, *command: str) -> None:
        """Run what must succeed."""
        code, out, err = self.module.run_command(list(command))
        if code:
            raise core.FirewallError(f"{' '.join(command)} failed with {code}: {(err or out).strip()}")

    def reverts(self) -> bool:
        """Whether a timer is about to take rules back."""
        return self.module.run_command(["systemctl", "is-active", "--quiet", TIMER])[0] == 0

    def stored(self) -> bool:
        """Whether the next start of the host brings the same rules."""
        if file_differs(core.RULES, self.rules.encode(), 0o600) or file_differs(core.UNIT_PATH, core.UNIT_TEXT.encode(), 0o644):
            return False
        _code, out, _err = self.module.run_command(["systemctl", "show", "--property=ActiveState,UnitFileState,NeedDaemonReload", core.UNIT])
        return set(out.split()) == {"ActiveState=active", "UnitFileState=enabled", "NeedDaemonReload=no"}

    def store(self) -> None:
        """Make the rules those of the next start, too."""
        os.makedirs(os.path.dirname(core.RULES), exist_ok=True)
        write_atomically(core.RULES, self.rules.encode(), 0o600)
        write_atomically(core.UNIT_PATH, core.UNIT_TEXT.encode(), 0o644)
        self.must("systemctl", "daemon-reload")
        self.must("systemctl", "enable", core.UNIT)
        self.must("systemctl", "restart" if self.module.run_command(["systemctl", "is-failed", "--quiet", core.UNIT])[0] == 0 else "start", core.UNIT)

    def arm(self, former: str) -> None:
        """Load the rules, and before that the timer that takes the former ones back."""
        if self.reverts():  # the former rules are still those of before the first try
            self.must("systemctl", "stop", TIMER)
        else:
            write_atomically(core.BEFORE, core.back_to(former).encode(), 0o600)
        after = self.module.params["revert_after"]
        timer = ["--quiet", "--collect", f"--unit={core.REVERT}", f"--on-active={after}s", "--timer-property=AccuracySec=1s"]
        nft = self.module.get_bin_path("nft", required=True)
        self.must("systemd-run", *timer, nft, "-f", core.BEFORE)
        with_rules = self.module.run_command([nft, "-f", "-"], data=self.rules)
        if with_rules[0]:
            self.must("systemctl", "stop", TIMER)
            raise core.FirewallError(f"nft refuses the rules, and nothing was changed: {with_rules[2].strip()}")

    def confirm(self, wanted: str) -> None:
        """End the timer and store the rules, if they are still there."""
        self.module.run_command(["systemctl", "stop", TIMER])
        if core.running(self.module.run_command) != wanted:
            raise core.FirewallError(
                f"the confirmation came after {self.module.params['revert_after']} s, and the host has taken its former rules back: "
                "nothing is lost; give revert_after more seconds"
            )
        self.store()

    def remove(self) -> bool:
        """Take everything away. Returns whether there was, or in check mode is, something."""
        there = [path for path in (core.UNIT_PATH, core.RULES, core.BEFORE) if os.path.exists(path)]
        table = core.running(self.module.run_command) if self.module.get_bin_path("nft") else ""
        if self.module.check_mode or not (there or table):
            return bool(there or table)
        self.module.run_command(["systemctl", "stop", TIMER])
        if core.UNIT_PATH in there:
            self.must("systemctl", "disable", "--now", core.UNIT)
        if table and core.running(self.module.run_command):
            self.must("nft", "delete", "table", "inet", core.TABLE)
        for path in there:
            os.unlink(path)
        if core.UNIT_PATH in there:
            self.must("systemctl", "daemon-reload")
        return True


def reconcile(module: AnsibleModule) -> dict[str, t.Any]:
    """Do what the module is for and return its results."""
    host = Host(module)
    if not host.rules:
        return {"changed": host.remove(), "armed": False}
    if not module.get_bin_path("nft"):
        if module.check_mode:
            return {"changed": True, "armed": False}
        raise core.FirewallError("there is no nft on this host: install the package nftables first")
    wanted = core.meant(module.run_command, host.rules)
    if module.params["confirmed"]:
        if not module.check_mode:
            host.confirm(wanted)
        return {"changed": True, "armed": False}
    former = core.running(module.run_command)
    proven = former == wanted and not host.reverts()
    if proven and host.stored():
        return {"changed": False, "armed": False}
    if not module.check_mode:
        if proven:
            host.store()
        else:
            host.arm(former)
    header = f"table inet {core.TABLE}"
    diff = {"before_header": header, "after_header": header, "before": former, "after": wanted}
    return {"changed": True, "armed": not proven and not module.check_mode, "diff": diff}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "rules": {"type": "str", "default": ""},
            "revert_after": {"type": "int", "default": 60},
            "confirmed": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        result = reconcile(module)
    except (core.FirewallError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
