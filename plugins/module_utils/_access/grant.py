# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one grant says, field by field, and what it must not say. No Ansible in here."""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
import json
import re
import typing as t

from . import keys as _keys

ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
TEXT = re.compile(r"[A-Za-z0-9][ -9;-~]{0,99}")  # printable ASCII without a colon, which would end a field of /etc/passwd
TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:Z|\+00:00))?")
COMMAND = re.compile(r"(?:\((?P<user>[a-z_][a-z0-9_-]*)\) )?(?P<command>ALL|/[A-Za-z0-9@%+._/-]+(?: [A-Za-z0-9@%+._/:=,-]+)*)")
REQUIRED = ("person", "account", "keys", "owner", "reason", "approver", "start", "expires")
FIELDS = (*REQUIRED, "requester", "groups", "sudo", "approval")
# Being in one of these is being root, or reading what root reads, and groups cannot expire by themselves.
AS_ROOT = ("root", "sudo", "wheel", "admin", "docker", "lxd", "incus", "libvirt", "disk", "shadow", "adm", "systemd-journal", "kvm", "kmem")
# From each of these anybody comes to a shell as the user that it runs as.
SHELLS = re.compile(
    r"(ba|da|z|k)?sh|sudo|su|vim?(\.tiny)?|nano|ed|emacs|less|more|man|env|find|[mg]?awk|perl|python[\d.]*|ruby|lua|tar|rsync|ssh|scp|xargs|tee|cp|mv|dd"
    r"|chmod|chown|useradd|usermod|visudo|systemd-run|mount|docker|gdb|strace|nsenter|chroot|crontab|at"
)
WRITABLE = ("/home/", "/tmp/", "/var/tmp/", "/run/user/", "/dev/shm/")


@dataclasses.dataclass(frozen=True)
class Refusal:
    """Why a value is refused: the variable and its field, the value, the reason, and what to write instead."""

    where: str
    value: str
    reason: str
    instead: str

    def __str__(self) -> str:
        return f"{self.where}: {self.value!r} {self.reason}. Write {self.instead}."


class AccessError(ValueError):
    """Everything that is refused, at once."""

    def __init__(self, refusals: t.Sequence[Refusal]) -> None:
        super().__init__("\n".join(f"- {refusal}" for refusal in refusals))
        self.refusals = tuple(refusals)


def seconds(text: str, *, end: bool) -> int:
    """Read a moment in UTC as seconds since 1970; a day alone is its first second, with ``end`` the first one after it."""
    match = TIME.fullmatch(text)
    if not match:
        raise ValueError(text)
    day, minute, second = match.groups()
    moment = datetime.datetime.fromisoformat(f"{day}T{minute or '00:00'}{second or ':00'}+00:00")
    return int(moment.timestamp()) + (86400 if end and not minute else 0)


def statement(raw: t.Mapping[str, t.Any]) -> str:
    """Return what an approver signs: the grant without the path of the approval, in one form."""
    said = {name: raw[name] for name in FIELDS if name != "approval" and raw.get(name)}
    return json.dumps(said, indent=1, sort_keys=True, default=str) + "\n"


def refusals(where: str, raw: t.Mapping[str, t.Any], *, longest_days: int, hardware: bool) -> t.Iterator[Refusal]:
    """Yield what is wrong with one grant by itself. hardware: whether only keys that live in hardware may be used."""
    for name in sorted(set(raw) - set(FIELDS)):
        yield Refusal(where, name, "is not a field of a grant", f"one of {', '.join(FIELDS)}")
    missing = [name for name in REQUIRED if not raw.get(name)]
    for name in missing:
        yield Refusal(f"{where}.{name}", "", "is missing", "it: a grant says who gets what, why, who agreed, and until when")
    if missing:
        return
    for name in ("person", "owner", "reason", "approver", "requester"):
        if raw.get(name) and not TEXT.fullmatch(str(raw[name])):
            yield Refusal(f"{where}.{name}", str(raw[name]), "cannot be written into an account", "up to 100 characters of ASCII without a colon")
    if not ACCOUNT.fullmatch(str(raw["account"])):
        yield Refusal(f"{where}.account", str(raw["account"]), "is not the name of an account", "lower case letters, digits, - and _, such as alice")
    for name in ("person", "requester"):
        if raw.get(name) and str(raw["approver"]).casefold() == str(raw[name]).casefold():
            yield Refusal(f"{where}.approver", str(raw["approver"]), f"is the {name} too", "somebody else: nobody approves their own access")
    yield from _time_refusals(where, raw, longest_days)
    yield from key_refusals(f"{where}.keys", raw["keys"], hardware=hardware)
    for group in raw.get("groups") or ():
        if group in AS_ROOT:
            yield Refusal(f"{where}.groups", str(group), "makes its members root, and sudo would not know when that ends", "what is needed as sudo")
        elif not ACCOUNT.fullmatch(str(group)):
            yield Refusal(f"{where}.groups", str(group), "is not the name of a group", "one such as www-data")
    for command in raw.get("sudo") or ():
        yield from _sudo_refusals(f"{where}.sudo", str(command))


def _time_refusals(where: str, raw: t.Mapping[str, t.Any], longest_days: int) -> t.Iterator[Refusal]:
    times = {}
    for name in ("start", "expires"):
        try:
            times[name] = seconds(str(raw[name]), end=name == "expires")
        except ValueError:
            yield Refusal(f"{where}.{name}", str(raw[name]), "is not a day or a moment in UTC", "2027-01-31 or 2027-01-31T16:00Z, in quotes")
    if len(times) < 2:
        return
    if times["expires"] <= times["start"]:
        yield Refusal(f"{where}.expires", str(raw["expires"]), f"is not after start {raw['start']}", "a later day")
    elif times["expires"] - times["start"] > (longest_days + 1) * 86400:
        latest = datetime.datetime.fromtimestamp(times["start"] + longest_days * 86400, datetime.timezone.utc)
        yield Refusal(
            f"{where}.expires",
            str(raw["expires"]),
            f"is more than {longest_days} days after start {raw['start']} (security_baseline_access_longest_days)",
            f"{latest:%Y-%m-%d} at the latest, and renew the grant then",
        )


def key_refusals(where: str, given: t.Any, *, hardware: bool = False) -> t.Iterator[Refusal]:
    """Yield what is wrong with a list of public keys."""
    for text in given:
        try:
            key = _keys.parse(str(text))
        except _keys.KeyRefused as exc:
            yield Refusal(where, str(text), str(exc), _keys.INSTEAD)
            continue
        if hardware and key.kind not in _keys.HARDWARE:
            yield Refusal(where, key.line, "does not live in hardware (security_baseline_ssh_second_factor: fido2)", "one of ssh-keygen -t ed25519-sk")


def network_refusals(where: str, networks: t.Any) -> t.Iterator[Refusal]:
    """Yield what is wrong with the addresses that a key is bound to."""
    for network in networks:
        try:
            if ipaddress.ip_network(str(network)).prefixlen == 0:
                yield Refusal(where, str(network), "is everybody", "the address that Ansible comes from")
        except ValueError as exc:
            yield Refusal(where, str(network), f"is not a network: {exc}", "one such as 10.0.9.5 or 10.0.9.0/28")


def _sudo_refusals(where: str, text: str) -> t.Iterator[Refusal]:
    match = COMMAND.fullmatch(text)
    if not match:
        yield Refusal(where, text, "is not ALL or one whole command without wildcards", "such as '/usr/bin/systemctl restart celery' or '(shop) /usr/bin/id'")
        return
    program = match.group("command").split(" ")[0]
    if "/../" in program or program.startswith(WRITABLE):
        yield Refusal(where, text, "runs what the person could change", "a program in a folder of root's")
    elif SHELLS.fullmatch(program.rpartition("/")[2]) and match.group("user") in (None, "root"):
        yield Refusal(where, text, "is a way to a shell as root", "ALL, so that the review shows it, or the one command that is needed")
