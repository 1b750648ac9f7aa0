# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets in and what they may do, by grant or without one. No Ansible in here."""

from __future__ import annotations

import dataclasses
import datetime
import json
import typing as t

from .probe import KEYS
from .sshd import effective

if t.TYPE_CHECKING:
    from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.host import Host

NO_LOGIN = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false", "/bin/sync", "")


@dataclasses.dataclass(frozen=True)
class Account:
    """Somebody who can get in or act as root. password: whether one is set; keys: lines of the files that sshd may take; sudo: rules."""

    name: str
    shell: str
    password: bool
    keys: tuple[str, ...]
    sudo: tuple[str, ...]
    ends: int | None

    @property
    def gets_in(self) -> bool:
        """Whether there is a way to log in."""
        return self.shell not in NO_LOGIN and (self.password or bool(self.keys))

    @property
    def matters(self) -> bool:
        """Whether anybody has to answer for it: root itself, without a way in, is nobody's."""
        return self.gets_in or bool(self.sudo and self.name != "root")


def look(host: Host) -> list[Account]:
    """Look at a running host; without root's eyes nothing is found."""
    passwd, shadow = host.read("/etc/passwd") or "", host.read("/etc/shadow") or ""
    if not shadow:
        return []
    rules = sudo_rules(host.run("cvtsudoers", "-e", "-f", "json", "/etc/sudoers"))
    keys = {fields[0]: _keys(host, fields[0], fields[5]) for fields in _rows(passwd, 7) if fields[6] not in NO_LOGIN}
    return accounts(passwd, shadow, host.read("/etc/group") or "", rules, keys)


def _keys(host: Host, name: str, home: str) -> list[str]:
    """Lines of the files in which sshd looks for an account's keys."""
    said = effective(host.run("sshd", "-T", "-C", f"user={name},host=localhost,addr=127.0.0.1"))
    files = said.get("authorizedkeysfile", [f"{KEYS}/%u .ssh/authorized_keys"])[0].split()
    paths = [file.replace("%u", name).replace("%h", home) for file in files if file != "none"]
    texts = [host.read(path if path.startswith("/") else f"{home}/{path}") or "" for path in paths]
    return [line.strip() for text in texts for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _rows(text: str, count: int) -> t.Iterator[list[str]]:
    return (fields for fields in (line.split(":") for line in text.splitlines()) if len(fields) == count)


def accounts(passwd: str, shadow: str, group: str, rules: t.Mapping[str, t.Sequence[str]], keys: t.Mapping[str, t.Sequence[str]]) -> list[Account]:
    """Put together what the host shows. passwd, shadow, group: the files; rules: as `sudo_rules` returns them; keys: lines by account."""
    secrets = {fields[0]: fields for fields in _rows(shadow, 9)}
    members: dict[str, set[str]] = {}
    numbers: dict[str, str] = {}
    for fields in _rows(group, 4):
        numbers[fields[2]] = fields[0]
        members[fields[0]] = set(filter(None, fields[3].split(",")))
    found = []
    for fields in _rows(passwd, 7):
        name, secret = fields[0], secrets.get(fields[0], [""] * 9)
        groups = {one for one, names in members.items() if name in names} | {numbers.get(fields[3], "")}
        applies = [name, "ALL", f"#{fields[2]}", *(f"%{one}" for one in sorted(groups))]
        sudo = [rule for who in applies for rule in rules.get(who, ())]
        password = not secret[1].startswith(("!", "*")) and name in secrets
        ends = int(secret[7]) if secret[7].isdigit() else None
        found.append(Account(name, fields[6], password, tuple(keys.get(name, ())), tuple(sudo), ends))
    return found


def sudo_rules(text: str) -> dict[str, list[str]]:
    """Read what ``cvtsudoers -e -f json`` prints: {account, %group, #number or ALL: the commands}."""
    rules: dict[str, list[str]] = {}
    for spec in json.loads(text)["User_Specs"] if text.strip() else ():
        commands = [str(next(iter(command.values()))) for part in spec["Cmnd_Specs"] for command in part["Commands"]]
        for user in spec["User_List"]:
            for kind, form in (("username", "%s"), ("usergroup", "%%%s"), ("userid", "#%s")):
                if kind in user and not user.get("negated"):
                    rules.setdefault(form % user[kind], []).extend(commands)
    return rules


def ungranted(found: t.Iterable[Account], granted: t.Container[str]) -> list[str]:
    """Say which accounts get in, or act as root, without a grant, and how."""
    said = []
    for account in found:
        if account.matters and account.name not in granted:
            ways = [word for word, there in (("a password", account.password), ("a key", account.keys), ("sudo", account.sudo)) if there]
            said.append(f"{account.name} ({', '.join(ways)})")
    return said


def rows(found: t.Iterable[Account], answered: t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]]) -> list[dict[str, t.Any]]:
    """Return the review: a row for everybody who gets in or acts as root. answered: {account: who answers for it, why, until when}."""
    return [
        {
            "account": account.name,
            "password": account.password,
            "keys": [" ".join(line.split()[-3:]) for line in account.keys],
            "sudo": list(account.sudo),
            "ends": None if account.ends is None else (datetime.date(1970, 1, 1) + datetime.timedelta(account.ends)).isoformat(),
            "grants": [dict(grant) for grant in answered.get(account.name, ())],
        }
        for account in found
        if account.matters
    ]


def weak_points(settings: str) -> list[str]:
    """Say where ``sshd -T`` is not hardened."""
    values = effective(settings)
    wanted = {
        "passwordauthentication": ("no",),
        "permitemptypasswords": ("no",),
        "permitrootlogin": ("no", "prohibit-password", "without-password"),
        "hostbasedauthentication": ("no",),
        "permituserenvironment": ("no",),
        "x11forwarding": ("no",),
        "allowagentforwarding": ("no",),
        "permittunnel": ("no",),
        "gatewayports": ("no",),
    }
    return [f"{name} {' '.join(values.get(name, ['?']))}" for name, good in wanted.items() if values.get(name, [""])[0] not in good]


def factors(settings: str) -> int:
    """How many factors ``sshd -T -C user=…`` asks for: 2 with a code beside the key, or a key in hardware with its PIN."""
    values = effective(settings)
    methods = values.get("authenticationmethods", ["any"])[0].split()
    both = all("publickey" in way and "keyboard-interactive" in way for way in methods)
    pin = "verify-required" in values.get("pubkeyauthoptions", [""])[0]
    only_hardware = all(kind.startswith("sk-") for kind in values.get("pubkeyacceptedalgorithms", ["?"])[0].split(","))
    return 2 if both or (pin and only_hardware) else 1
