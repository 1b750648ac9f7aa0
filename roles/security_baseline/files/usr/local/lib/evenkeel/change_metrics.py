# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody changed on this host past Ansible. Role: evenkeel.wsgi.security_baseline

A generation of Apache's configuration is written once, together with a record of what is in it: whatever differs from the record
was changed by hand. The same holds for Apache's drop-ins of systemd, and for modules and sites that the generation keeps off.
"""

from __future__ import annotations

import calendar
import grp
import json
import os
import pwd
import re
import time

from evenkeel_textfile import family

SWITCHES = {"modules": "mods-enabled/%s.load", "sites": "sites-enabled/%s.conf", "confs": "conf-enabled/%s.conf"}
NOT_TEXTS = ("record.json", "proven")


def read(path):
    """Text of a file; None when there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return None


def changed(apache, drop_ins):
    """Paths that differ from the record of the current generation. apache: its configuration directory; drop_ins: of its unit."""
    pointer = os.path.join(apache, "evenkeel/current.conf")
    match = re.search(r"^Define EVENKEEL_GENERATION (\S+)", read(pointer) or "", re.M)
    if not match:
        return [pointer] if os.path.exists(os.path.join(apache, "evenkeel/generations")) else []
    folder = match.group(1)
    try:
        record = json.loads(read(os.path.join(folder, "record.json")) or "")
        written = os.stat(os.path.join(folder, "record.json")).st_ctime
    except (OSError, ValueError):
        return [os.path.join(folder, "record.json")]
    wanted = {os.path.join(drop_ins, name): text for name, text in record["drop_ins"].items()}
    for owner, parts in record["owners"].items():
        for name, text in parts["fragments"].items():
            wanted[os.path.join(folder, "%s-%s.conf" % (owner, name[: -len(".conf")] if name.endswith(".conf") else name))] = text
    found = [path for path, text in wanted.items() if read(path) != text]
    # What the record does not hold: the generation's own file, which nobody touches later, and files that do not belong there.
    for path in (os.path.join(folder, name) for name in os.listdir(folder) if name not in NOT_TEXTS):
        if path not in wanted and os.stat(path).st_ctime > written:
            found.append(path)
    switches = [os.path.join(apache, SWITCHES[kind] % name) for kind, name in record["disable"]]
    return sorted(found + [path for path in switches if os.path.lexists(path)])


def trusted(apache):
    """{hop: when its networks were published, in s since 1970} of the public proxies that the current generation trusts."""
    match = re.search(r"^Define EVENKEEL_GENERATION (\S+)", read(os.path.join(apache, "evenkeel/current.conf")) or "", re.M)
    text = read(os.path.join(match.group(1), "remoteip_alb-remoteip.conf")) if match else None
    dated = re.findall(r"^# Hop (\S+): public \(.*, as of (\d{4}-\d\d-\d\d)\)", text or "", re.M)
    return {hop: calendar.timegm(time.strptime(date, "%Y-%m-%d")) for hop, date in dated}


def administrators(groups):
    """Names of the users that may become root: members of the groups, and users with root's number."""
    members = {user for group in grp.getgrall() if group.gr_name in groups for user in group.gr_mem}
    return sorted(members | {user.pw_name for user in pwd.getpwall() if user.pw_uid == 0})


def exposition(paths, users, hops):
    """The text that Prometheus reads."""
    files = [("", {"file": path}, 1) for path in paths]
    lines = family("evenkeel_changed_file", "gauge", "A file of ours, or a switch that we keep off, that was changed outside Ansible.", files)
    lines += family("evenkeel_administrator", "gauge", "A user that may become root.", [("", {"user": user}, 1) for user in users])
    dates = [("", {"hop": hop}, at) for hop, at in hops.items()]
    lines += family("evenkeel_trusted_proxies_timestamp_seconds", "gauge", "When the networks of a trusted public proxy were published.", dates)
    return "\n".join(lines) + "\n"


class Changes:
    """What differs now."""

    def __init__(self, _state, apache, drop_ins, groups):
        """apache: its configuration directory; drop_ins: directory of the drop-ins of its unit; groups: whose members may become root."""
        self.apache, self.drop_ins, self.groups = apache, drop_ins, groups

    def text(self):
        """Return the text for Prometheus."""
        return exposition(changed(self.apache, self.drop_ins), administrators(self.groups), trusted(self.apache))
