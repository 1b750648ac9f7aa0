# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a generation consists of: who owns what, and the files it is rendered to. Pure: no file is read or written here."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from dataclasses import dataclass, field

from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.errors import RequestError

NAME = re.compile(r"^[a-z0-9][a-z0-9_.-]*$")
MODULE = re.compile(r"^[a-z0-9_]+$|^[a-z0-9_]+_module \S+$")
OWN_FILE = "000-evenkeel.conf"
RECORD = "record.json"
OWN_MODULES = ("authz_core", "authz_host", "alias", "status")  # what the status virtual host needs
KINDS = ("modules", "sites", "confs")
MPMS = ("event", "worker", "prefork")
MPM_MODULES = tuple("mpm_" + name for name in MPMS)
# Both hook the request at the same point, so the load order decides; headers must edit before remoteip reads.
LOAD_BEFORE = {"remoteip": ("headers",)}


@dataclass(frozen=True)
class Target:
    """The state that a host shall be in. ``number`` is None for "none of ours": the distribution's Apache as it was found."""

    number: int | None
    owners: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)  # file name -> text, without the record
    disable: frozenset = frozenset()  # {(kind, name)}
    mpm: str = ""  # "event": this MPM and no other; empty: as found
    drop_ins: dict = field(default_factory=dict)  # file name -> text
    status_address: str = ""
    settings: dict = field(default_factory=dict)  # what Apache evaluated: see configtest.evaluate


NOTHING = Target(number=None)


def checked_owners(owners):
    """Owners with every key present; RequestError names what is wrong and what to write instead."""
    checked = {}
    for owner, parts in (owners or {}).items():
        where = "owners.%s" % owner
        if not NAME.match(str(owner)):
            raise RequestError("%s: an owner's name must match %s" % (where, NAME.pattern))
        if not parts:
            checked[owner] = {}
            continue
        unknown = set(parts) - {"fragments", "programs", "modules", "disable", "drop_ins"}
        if unknown:
            raise RequestError("%s: unknown key %s; write fragments, programs, modules, disable or drop_ins" % (where, ", ".join(sorted(unknown))))
        disable = parts.get("disable") or {}
        strange = ", ".join(sorted(set(disable) - set(KINDS)))
        if strange:
            raise RequestError("%s.disable: unknown key %s; write modules, sites or confs" % (where, strange))
        checked[owner] = {
            "fragments": texts(where + ".fragments", parts.get("fragments")),
            "programs": programs(where + ".programs", parts.get("programs")),
            "modules": names(where + ".modules", parts.get("modules"), MODULE),
            "disable": {kind: names("%s.disable.%s" % (where, kind), disable.get(kind), NAME) for kind in KINDS},
            "drop_ins": texts(where + ".drop_ins", parts.get("drop_ins")),
        }
    return checked


def texts(where, value):
    value = value or {}
    for name, text in value.items():
        if not NAME.match(str(name)):
            raise RequestError("%s.%s: a name must match %s" % (where, name, NAME.pattern))
        if not isinstance(text, str) or not text.strip():
            raise RequestError("%s.%s: must be text that is not empty; leave the name out to remove it" % (where, name))
    return {name: value[name].rstrip("\n") + "\n" for name in sorted(value)}


def programs(where, value):
    """Texts that Apache does not include: their names must not look like configuration."""
    for name in value or {}:
        if str(name).endswith(".conf"):
            raise RequestError("%s.%s: Apache would include it; write a name that does not end in .conf" % (where, name))
    return texts(where, value)


def names(where, value, pattern):
    for name in value or []:
        if not isinstance(name, str) or not pattern.match(name):
            raise RequestError("%s: %r must match %s" % (where, name, pattern.pattern))
    return list(value or [])


def merged(current, changes):
    """Owners that are not named keep what they have; an owner named with nothing is removed."""
    owners = dict(current)
    owners.update(changes)
    return {owner: owners[owner] for owner in sorted(owners) if owners[owner] and any_content(owners[owner])}


def any_content(parts):
    return bool(parts["fragments"] or parts.get("programs") or parts["modules"] or parts["drop_ins"] or any(parts["disable"].values()))


def wanted_modules(owners):
    """Names of modules in load order, without the MPM: our own first, then the owners' in the order they gave."""
    wanted = list(OWN_MODULES)
    for owner in sorted(owners):
        wanted += [name for name in owners[owner]["modules"] if name not in wanted and name not in MPM_MODULES]
    for late, early in LOAD_BEFORE.items():
        if late in wanted:
            position = max([wanted.index(name) for name in early if name in wanted], default=-1)
            if position > wanted.index(late):
                wanted.insert(position, wanted.pop(wanted.index(late)))
    return wanted


def wanted_mpm(owners):
    """The MPM that the owners ask for (``event``), empty when nobody does."""
    asked = {name[len("mpm_") :] for parts in owners.values() for name in parts["modules"] if name in MPM_MODULES}
    if len(asked) > 1:
        raise RequestError("owners ask for different MPMs (%s); Apache runs exactly one" % ", ".join(sorted(asked)))
    return asked.pop() if asked else ""


def target(number, owners, status_address, module_lines, disable_also=()):
    """The state for these owners. module_lines(names) -> [(identifier, directive lines)] says how to load each (see modules.py)."""
    disable = {(kind, name) for parts in owners.values() for kind in KINDS for name in parts["disable"][kind]}
    mpm = wanted_mpm(owners)
    if mpm:
        disable = {(kind, name) for kind, name in disable if name not in MPM_MODULES}  # the MPM's own switch does that
    if any(name == "mpm_" + mpm for _kind, name in disable):
        raise RequestError("modules asks for mpm_%s and disable.modules forbids it" % mpm)
    files = {OWN_FILE: own_file(number, status_address, module_lines(wanted_modules(owners)))}
    drop_ins = {}
    for owner, parts in owners.items():
        for name, text in parts["fragments"].items():
            files["%s-%s.conf" % (owner, stem(name))] = text
        for name, text in parts.get("programs", {}).items():
            files["%s-%s" % (owner, name)] = text
        for name, text in parts["drop_ins"].items():
            drop_ins["evenkeel-%s-%s.conf" % (owner, stem(name))] = text
    return Target(number, owners, files, frozenset(disable | set(disable_also)), mpm, drop_ins, status_address)


def checked_address(text):
    """A status address: of the loopback, because what it says is nobody else's business."""
    host, _colon, port = text.rpartition(":")
    try:
        inside = ipaddress.ip_address(host.strip("[]")).is_loopback and 0 < int(port) < 65536
    except ValueError:
        inside = False
    if not inside:
        raise RequestError("status_address %s: write an address of the loopback and a port, like 127.0.0.1:8090 or [::1]:8090" % text)
    return text


def stem(name):
    return name[: -len(".conf")] if name.endswith(".conf") else name


def own_file(number, status_address, lines):
    load = "\n".join("<IfModule !%s>\n%s\n</IfModule>" % (ident, "\n".join("    " + line for line in text)) for ident, text in lines)
    return OWN_TEXT.format(load=load, address=status_address, number=number, answer=answer(number))


def answer(number):
    """What the running server says when asked for its generation."""
    return "evenkeel generation %s" % number


OWN_TEXT = """\
# Managed by evenkeel.wsgi.apache_config: generation {number}.

# Modules that the fragments need and that the distribution does not load, in this order.
{load}

# Loopback only: how apache_config proves which generation runs, and with which values.
ExtendedStatus On
Listen {address}
<VirtualHost {address}>
    ServerName evenkeel-status.localhost
    <Location "/server-status">
        SetHandler server-status
        Require local
    </Location>
    RedirectMatch 404 "^/(?!server-status)"
    ErrorDocument 404 "{answer}"
    # keeps these requests out of the access logs
    CustomLog /dev/null "%h"
</VirtualHost>
"""


def record(state):
    """The record that is kept with a generation, as text."""
    return (
        json.dumps(
            {
                "schema": 1,
                "generation": state.number,
                "owners": state.owners,
                "status_address": state.status_address,
                "disable": sorted(map(list, state.disable)),
                "mpm": state.mpm,
                "drop_ins": state.drop_ins,
                "settings": state.settings,
            },
            indent=1,
            sort_keys=True,
        )
        + "\n"
    )


def from_record(data, files):
    """The state that a record describes, with the files as they lie on disk."""
    return Target(
        data["generation"],
        data["owners"],
        files,
        frozenset(map(tuple, data["disable"])),
        data["mpm"],
        data["drop_ins"],
        data["status_address"],
        data["settings"],
    )


def same(one, other):
    """Whether two states are alike but for their number and what Apache evaluated."""
    return (
        numberless(one) == numberless(other)
        and one.disable == other.disable
        and one.mpm == other.mpm
        and one.drop_ins == other.drop_ins
        and one.owners == other.owners
        and one.status_address == other.status_address
    )


def numberless(state):
    files = dict(state.files)
    for text in ("generation %s." % state.number, answer(state.number)):
        files[OWN_FILE] = files.get(OWN_FILE, "").replace(text, "")
    return files


def owner_of(path, state):
    """(owner, fragment) of a file of a generation; (None, None) when it is none of the owners'."""
    base = os.path.basename(path)
    for owner, parts in state.owners.items():
        for name in parts["fragments"]:
            if base == "%s-%s.conf" % (owner, stem(name)):
                return owner, name
    return None, None
