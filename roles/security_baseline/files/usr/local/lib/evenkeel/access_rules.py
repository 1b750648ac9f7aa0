# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be on a host at a moment, from the data of its grants. Role: evenkeel.wsgi.security_baseline

Pure: nothing here looks at the host. Times are seconds since 1970. The data is what the filter evenkeel.wsgi.access_grants returns.
"""

from __future__ import annotations

import collections
import time

DAY = 86400
GROUP = "evenkeel-people"
GECOS = "evenkeel"
PAST = 1  # day on which an account ends that must be closed at once

# An account that must be there. day: on which it ends, as in /etc/shadow, None for never; keys: lines of authorized_keys;
# active: ids of the grants that hold now.
Account = collections.namedtuple("Account", "name gecos day groups keys active")


def holding(grants, now):
    """The grants that hold now."""
    return [grant for grant in grants if grant["start"] <= now < grant["end"]]


def stamp(moment, form):
    """A moment in UTC as sshd and sudo write it."""
    return time.strftime(form, time.gmtime(moment))


def people(data, now):
    """{name: Account} of everybody with a grant, also one that has ended or has not begun."""
    accounts = {}
    for name, account in data["accounts"].items():
        active = holding(account["grants"], now)
        accounts[name] = Account(
            name,
            "%s grant of %s" % (GECOS, account["person"]),
            # sshd and PAM know days only, so the day after the last moment is the earliest that cuts nothing short.
            -(-max(grant["end"] for grant in active) // DAY) if active else PAST,
            sorted({GROUP} | {group for grant in active for group in grant["groups"]}),
            # sshd itself refuses the key from then on, also when this program never runs again.
            ['expiry-time="%s" %s' % (stamp(grant["end"], "%Y%m%d%H%M%SZ"), key) for grant in active for key in grant["keys"]],
            sorted(grant["id"] for grant in active),
        )
    return accounts


def break_glass(data):
    """The account for emergencies, or None. It never ends, and nothing that could fail stands before it but its key."""
    account = data["break_glass"]
    if not account:
        return None
    return Account(account["account"], "%s break glass" % GECOS, None, [], account["keys"], ["break glass"])


def accounts(data, now):
    """{name: Account} of all that must be there."""
    wanted = people(data, now)
    emergency = break_glass(data)
    if emergency:
        wanted[emergency.name] = emergency
    return wanted


def key_files(wanted):
    """{name: text of its authorized_keys}. wanted: the accounts that may have one."""
    return {account.name: "".join(line + "\n" for line in account.keys) for account in wanted.values() if account.keys}


def sudoers(data, wanted, now):
    """Text of the sudoers file; empty when nobody may do anything. sudo itself refuses a rule after its NOTAFTER."""
    lines = []
    for name, account in sorted(data["accounts"].items()):
        for grant in holding(account["grants"], now) if name in wanted else []:
            times = "NOTBEFORE=%s NOTAFTER=%s" % tuple(stamp(grant[side], "%Y%m%d%H%M%SZ") for side in ("start", "end"))
            lines += ["%s ALL=(%s) %s NOPASSWD: %s" % (name, rule["user"], times, rule["command"]) for rule in grant["sudo"]]
    emergency = break_glass(data)
    if emergency and emergency.name in wanted:
        lines.append("%s ALL=(ALL:ALL) NOPASSWD: ALL" % emergency.name)
    return "# Written by evenkeel.wsgi.security_baseline from its grants.\n%s\n" % "\n".join(lines) if lines else ""


def lost(before, account):
    """Whether an account lost a right since the last run. before: ids of the grants that held then."""
    return bool(set(before) - set(account.active))


def family(processes, seeds):
    """Processes to end: the seeds and all that they started. processes: {pid: parent's pid}."""
    found = set(seeds)
    while True:
        more = {pid for pid, parent in processes.items() if parent in found and pid not in found}
        if not more:
            return found
        found |= more


def logins(lines, name):
    """How many of the journal's messages say that a session of a user began."""
    return sum("session opened for user %s(" % name in line for line in lines)
