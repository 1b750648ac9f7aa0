# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All grants of a host together: what contradicts, and the data that its program enforces. No Ansible in here."""

from __future__ import annotations

import hashlib
import re
import typing as t

from . import keys as _keys
from .grant import ACCOUNT, COMMAND, TEXT, AccessError, Refusal, key_refusals, network_refusals, refusals, seconds, statement

GRANTS = "security_baseline_access_grants"
BREAK_GLASS = "security_baseline_access_break_glass"
AUTOMATION = "security_baseline_ssh_automation"
SECRETS = "security_baseline_ssh_totp_secrets"
GECOS = "evenkeel"  # in /etc/passwd, the comment of an account that was made for a grant begins with it
SECRET = re.compile(r"[A-Z2-7]{26,}=*")  # 128 bits, as RFC 4226 wants
Raw = t.Mapping[str, t.Any]


def settle(
    grants: t.Sequence[Raw],
    *,
    longest_days: int = 90,
    break_glass: Raw | None = None,
    automation: Raw | None = None,
    second_factor: str = "",
    secrets: t.Mapping[str, str] | None = None,
    signed_only: bool = False,
    users: t.Mapping[str, Raw] | None = None,
    connected_as: str = "",
) -> dict[str, t.Any]:
    """Check everything and return what the host enforces.

    ``{"accounts", "break_glass"}``, times in s since 1970, is for its program, ``"automation"``, {account: its authorized_keys}, for sshd.

    second_factor: "", "totp" or "fido2"; secrets: the TOTP secret of each account, in base32; users: {name: {"gecos"}} of the host;
    connected_as: the account that Ansible uses.
    """
    break_glass, automation, users = break_glass or {}, automation or {}, users or {}
    wrong: list[Refusal] = []
    for number, raw in enumerate(grants):
        wrong += refusals(f"{GRANTS}[{number}]", raw, longest_days=longest_days, hardware=second_factor == "fido2")
        if signed_only and not raw.get("approval"):
            wrong.append(Refusal(f"{GRANTS}[{number}].approval", "", "is missing (security_baseline_access_signed_only)", "the path of the signed approval"))
    if break_glass:
        wrong += _special_refusals(BREAK_GLASS, break_glass, ("account", "keys", "owner"))
    if automation:
        wrong += _special_refusals(AUTOMATION, automation, ("account", "keys", "from"))
        wrong += network_refusals(f"{AUTOMATION}.from", automation.get("from") or ())
    if wrong:
        raise AccessError(wrong)
    wrong += _contradictions(grants, break_glass, automation)
    wrong += _host_refusals(grants, break_glass, users, connected_as)
    if second_factor == "totp":
        wrong += _secret_refusals(grants, secrets or {})
    if wrong:
        raise AccessError(wrong)
    return {
        "accounts": _accounts(grants),
        "break_glass": {"account": break_glass["account"], "keys": _lines(break_glass["keys"])} if break_glass else None,
        "automation": {automation["account"]: _bound(automation)} if automation else {},
    }


def _special_refusals(where: str, raw: Raw, required: t.Sequence[str]) -> t.Iterator[Refusal]:
    for name in required:
        if not raw.get(name):
            yield Refusal(f"{where}.{name}", "", "is missing", f"all of {', '.join(required)}")
    for name in sorted(set(raw) - set(required)):
        yield Refusal(where, name, "is not one of its fields", f"only {', '.join(required)}")
    if raw.get("account") and not ACCOUNT.fullmatch(str(raw["account"])):
        yield Refusal(f"{where}.account", str(raw["account"]), "is not the name of an account", "lower case letters, digits, - and _")
    if raw.get("owner") and not TEXT.fullmatch(str(raw["owner"])):
        yield Refusal(f"{where}.owner", str(raw["owner"]), "cannot be written into an account", "up to 100 characters of ASCII without a colon")
    yield from key_refusals(f"{where}.keys", raw.get("keys") or ())


def _contradictions(grants: t.Sequence[Raw], break_glass: Raw, automation: Raw) -> t.Iterator[Refusal]:
    """Accounts and keys that two would share: nobody could say afterwards who it was."""
    holders: dict[str, str] = {}
    blobs: dict[str, str] = {}
    listed = [(f"{BREAK_GLASS}", break_glass, "break glass"), (AUTOMATION, automation, "automation")]
    listed += [(f"{GRANTS}[{number}]", raw, str(raw["person"])) for number, raw in enumerate(grants)]
    for where, raw, holder in listed:
        if not raw:
            continue
        other = holders.setdefault(str(raw["account"]), holder)
        if other != holder:
            yield Refusal(f"{where}.account", str(raw["account"]), f"is the account of {other}", "an account for each person")
        for text in raw["keys"]:
            other = blobs.setdefault(_keys.parse(str(text)).blob, holder)
            if other != holder:
                yield Refusal(f"{where}.keys", _keys.parse(str(text)).line, f"is the key of {other}", "a key of their own")


def _host_refusals(grants: t.Sequence[Raw], break_glass: Raw, users: t.Mapping[str, Raw], connected_as: str) -> t.Iterator[Refusal]:
    named = [(f"{GRANTS}[{number}].account", str(raw["account"])) for number, raw in enumerate(grants)]
    for where, account in [*named, *([(f"{BREAK_GLASS}.account", str(break_glass["account"]))] if break_glass else [])]:
        if account == connected_as:
            yield Refusal(where, account, "is the account that Ansible connects with: it would be cut off when the grant ends", "another account")
        elif account in users and not str(users[account].get("gecos", "")).startswith(f"{GECOS} "):
            yield Refusal(where, account, "is on the host and was not made for a grant", "another name, or remove that account first")


def _secret_refusals(grants: t.Sequence[Raw], secrets: t.Mapping[str, str]) -> t.Iterator[Refusal]:
    """Secrets that are missing, too many or no base32; none is ever shown."""
    instead = "a secret from `head -c 20 /dev/urandom | base32`, in a vault"
    accounts = sorted({str(raw["account"]) for raw in grants})
    for account in accounts:
        if account not in secrets:
            yield Refusal(f"{SECRETS}.{account}", "", "is missing: the account could not log in", instead)
    for account, secret in sorted(secrets.items()):
        if account not in accounts:
            yield Refusal(f"{SECRETS}.{account}", "(not shown)", "belongs to nobody who has a grant", "only secrets of accounts with a grant")
        elif not SECRET.fullmatch(str(secret)):
            yield Refusal(f"{SECRETS}.{account}", "(not shown)", "is not base32 of 26 characters or more", instead)


def _accounts(grants: t.Sequence[Raw]) -> dict[str, t.Any]:
    accounts: dict[str, t.Any] = {}
    for raw in grants:
        account = accounts.setdefault(str(raw["account"]), {"person": str(raw["person"]), "grants": []})
        account["grants"].append(
            {
                "id": hashlib.sha256(statement(raw).encode()).hexdigest()[:12],
                "start": seconds(str(raw["start"]), end=False),
                "end": seconds(str(raw["expires"]), end=True),
                "keys": _lines(raw["keys"]),
                "groups": sorted(map(str, raw.get("groups") or ())),
                "sudo": [_sudo(str(command)) for command in raw.get("sudo") or ()],
                "owner": str(raw["owner"]),
                "approver": str(raw["approver"]),
                "reason": str(raw["reason"]),
            }
        )
    return accounts


def _lines(texts: t.Iterable[t.Any]) -> list[str]:
    return [_keys.parse(str(text)).line for text in texts]


def _bound(automation: Raw) -> str:
    networks = ",".join(map(str, automation["from"]))
    return "".join(f'from="{networks}" {line}\n' for line in _lines(automation["keys"]))


def _sudo(text: str) -> dict[str, str]:
    """Take a command apart: ``{"user", "command"}``, escaped as sudoers wants it. Without arguments in the grant none are allowed."""
    match = COMMAND.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} was not checked")
    command = match.group("command")
    if command != "ALL":
        for special in ",:=":
            command = command.replace(special, "\\" + special)
        command = command if " " in command else f'{command} ""'
    return {"user": match.group("user") or ("ALL" if command == "ALL" else "root"), "command": command}
