# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a host's accounts, keys and sudo rules those of its grants, at this moment. Role: evenkeel.wsgi.security_baseline

A timer runs it, so a grant begins and ends on time even if Ansible never runs again. What it takes away it takes away first; an
error about one account does not keep it from the others. It prints what it did, and touches no account that it did not make.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import glob
import grp
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import access_rules as rules
from evenkeel_textfile import family, replace

SUDOERS = "/etc/sudoers.d/evenkeel-access"
KEYS = "/etc/ssh/authorized_keys.d"
STATE = "/var/lib/evenkeel/access"
LAST_WORDS = 2.0  # s that a session's processes have between SIGTERM and SIGKILL
CRITICAL = "<2>"  # systemd reads it as the priority of the line


class Failure(Exception):
    """What could not be done; the others still are."""


def run(*command):
    """Run a program that must succeed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise Failure("%s: %s" % (" ".join(command), done.stdout.strip() or done.returncode))
    return done.stdout


def read(path, nothing=""):
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except OSError:
        return nothing


def write(path, text, mode, check=()):
    """Replace a file whole, after a program has accepted its text. Says whether it differed."""
    if read(path, None) == text and (os.stat(path).st_mode & 0o7777, os.stat(path).st_uid) == (mode, 0):
        return False
    os.makedirs(os.path.dirname(path), exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".evenkeel~")  # sudo reads no name with a dot or ~
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if check:
            run(*check, temporary)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return True


def remove(path):
    """Remove a file. Says whether it was there."""
    try:
        os.unlink(path)
        return True
    except FileNotFoundError:
        return False


class Host:
    """The host, and what this program remembers of it."""

    def __init__(self):
        self.path = os.path.join(STATE, "state.json")
        # made: names of our accounts; keys: names of our key files; active: {account: ids of its grants};
        # opened: logins of break glass; seen: the journal's newest message that was looked at, in us
        self.state = {"made": [], "keys": [], "active": {}, "opened": 0, "seen": 0, **json.loads(read(self.path) or "{}")}
        self.failures = []
        self.did = []

    def keep(self):
        write(self.path, json.dumps(self.state, indent=1, sort_keys=True) + "\n", 0o600)

    def attempt(self, act, *arguments):
        """Do one thing; a failure is told at the end."""
        try:
            said = act(*arguments)
            if said:
                self.did.append(said)
        except (Failure, OSError, KeyError) as exc:
            self.failures.append(str(exc))

    def ours(self, name):
        """Whether an account is missing or was made by this program. Both its own record and the account itself must say so."""
        return not exists(name) or (name in self.state["made"] and pwd.getpwnam(name).pw_gecos.startswith(rules.GECOS + " "))

    # ---- files --------------------------------------------------------------------------------------------------------------

    def sudoers(self, text):
        if not text:
            return "removed %s" % SUDOERS if remove(SUDOERS) else None
        return "wrote %s" % SUDOERS if write(SUDOERS, text, 0o440, ("visudo", "-q", "-c", "-f")) else None

    def keys(self, files):
        """Root's own folder: nobody can add a key for themselves."""
        for name in self.state["keys"]:
            if name not in files and remove(os.path.join(KEYS, name)):
                self.did.append("removed the keys of %s" % name)
        self.state["keys"] = sorted({*self.state["keys"], *files})
        self.keep()
        for name, text in files.items():
            if write(os.path.join(KEYS, name), text, 0o644):
                self.did.append("wrote the keys of %s" % name)
        self.state["keys"] = sorted(files)

    # ---- accounts -----------------------------------------------------------------------------------------------------------

    def close(self, name):
        """Close an account: it cannot be used from now on, and its number is not given to somebody else."""
        if shadow_day(name) != rules.PAST or groups(name) != []:
            run("usermod", "-e", "1970-01-02", "-G", "", name)
            return "closed %s" % name
        return None

    def account(self, wanted):
        day = "" if wanted.day is None else rules.stamp(wanted.day * rules.DAY, "%Y-%m-%d")
        try:
            have = pwd.getpwnam(wanted.name)
        except KeyError:
            if not wanted.active:
                return None
            self.state["made"] = sorted({*self.state["made"], wanted.name})
            self.keep()
            # "*" is no password at all; "!" would be a locked account, which sshd without PAM refuses.
            run("useradd", "-m", "-s", "/bin/bash", "-p", "*", "-c", wanted.gecos, "-e", day, "-G", ",".join(wanted.groups), wanted.name)
            made = pwd.getpwnam(wanted.name)
            if os.stat(made.pw_dir).st_uid == 0:  # of an earlier account of this name
                os.chown(made.pw_dir, made.pw_uid, made.pw_gid)
            return "made %s" % wanted.name
        if (have.pw_gecos, shadow_day(wanted.name), groups(wanted.name)) != (wanted.gecos, wanted.day, wanted.groups):
            run("usermod", "-c", wanted.gecos, "-e", day, "-G", ",".join(wanted.groups), wanted.name)
            return "changed %s" % wanted.name
        return None

    def delete(self, name):
        """Delete an account of ours. Its home stays, as root's: the next account may get its number."""
        if self.ours(name) and exists(name):
            home = pwd.getpwnam(name).pw_dir
            run("userdel", name)
            if os.path.isdir(home):
                os.chown(home, 0, 0)
                os.chmod(home, 0o700)
            self.did.append("deleted %s; %s stays" % (name, home))
        self.state["made"] = [other for other in self.state["made"] if other != name]

    # ---- sessions -----------------------------------------------------------------------------------------------------------

    def end_sessions(self, name):
        """End everything that an account started, also what runs as root through sudo."""
        if not processes_of(name):
            return None
        if shutil.which("loginctl"):
            subprocess.run(["loginctl", "terminate-user", name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        left = send(processes_of(name), signal.SIGTERM)
        deadline = time.monotonic() + LAST_WORDS
        while left and time.monotonic() < deadline:
            time.sleep(0.05)
            left = {pid for pid in left if alive(pid)}
        send(left | processes_of(name), signal.SIGKILL)
        return "ended the sessions of %s" % name

    # ---- break glass --------------------------------------------------------------------------------------------------------

    def watch(self, name):
        """Count logins of the account for emergencies. Only root's messages count: anybody can write to the journal."""
        last = self.state["seen"] = self.state["seen"] or int(time.time() * 1e6)
        command = ["journalctl", "-q", "-o", "json", "_UID=0", "SYSLOG_FACILITY=10", "--since=@%d" % (last // 10**6)]
        entries = [json.loads(line) for line in run(*command).splitlines()]
        new = [entry for entry in entries if int(entry["__REALTIME_TIMESTAMP"]) > last]
        count = rules.logins([entry["MESSAGE"] for entry in new if isinstance(entry.get("MESSAGE"), str)], name)
        self.state["seen"] = max([last] + [int(entry["__REALTIME_TIMESTAMP"]) for entry in new])
        self.state["opened"] += count
        if count:
            sys.stderr.write("%sbreak glass: %s logged in %d times; if nobody told you, it is a break-in\n" % (CRITICAL, name, count))


def exists(name):
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False


def shadow_day(name):
    """The day on which an account ends, None for never."""
    for line in read("/etc/shadow").splitlines():
        fields = line.split(":")
        if fields[0] == name:
            return int(fields[7]) if len(fields) > 7 and fields[7] else None
    return None


def groups(name):
    """Names of an account's further groups, sorted."""
    return sorted(group.gr_name for group in grp.getgrall() if name in group.gr_mem)


def alive(pid):
    state = read("/proc/%d/stat" % pid)
    return bool(state) and state.rpartition(")")[2].split()[0] not in "ZX"


def processes_of(name):
    """Numbers of the processes of an account: its own, those that its logins became, and their children."""
    uid = str(pwd.getpwnam(name).pw_uid)
    parents, seeds = {}, set()
    for folder in glob.glob("/proc/[0-9]*"):
        pid = int(folder[6:])
        status = dict(line.split(":\t", 1) for line in read(folder + "/status").splitlines() if ":\t" in line)
        if not status or status["State"][0] in "ZX":
            continue
        parents[pid] = int(status["PPid"])
        if status["Uid"].split()[0] == uid or read(folder + "/loginuid") == uid:
            seeds.add(pid)
    return rules.family(parents, seeds)


def send(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    return set(pids)


def leftovers(data, now):
    """How many accounts have a key, a sudo rule or a process although none of their grants holds."""
    text = read(SUDOERS)
    over = [name for name, account in rules.people(data, now).items() if not account.active and exists(name)]
    return sum(bool(os.path.exists(os.path.join(KEYS, name)) or "\n%s ALL" % name in text or processes_of(name)) for name in over)


def exposition(host, data, now):
    """The text that Prometheus reads."""
    lines = family("evenkeel_break_glass_logins_total", "counter", "Logins of the account for emergencies.", [("", {}, host.state["opened"])])
    present = [("", {}, leftovers(data, now))]
    lines += family("evenkeel_grant_expired_present", "gauge", "Accounts that still have something although no grant of theirs holds.", present)
    lines += family("evenkeel_access_failures", "gauge", "What the last run could not do.", [("", {}, len(host.failures))])
    return "\n".join(lines) + "\n"


def enforce(host, data, now):
    """Bring the host to what the data says."""
    try:
        grp.getgrnam(rules.GROUP)
    except KeyError:
        run("groupadd", "-r", rules.GROUP)
    wanted = rules.accounts(data, now)
    for name in [name for name in wanted if not host.ours(name)]:
        host.failures.append("account %s is on this host and was not made by this program: it is left alone" % name)
        del wanted[name]
    host.attempt(host.sudoers, rules.sudoers(data, wanted, now))
    host.attempt(host.keys, rules.key_files(wanted))
    for name in host.state["made"]:
        if name not in wanted and host.ours(name) and exists(name):
            host.attempt(host.close, name)
            host.attempt(host.end_sessions, name)
    for account in wanted.values():
        host.attempt(host.account, account)
        if exists(account.name) and (not account.active or rules.lost(host.state["active"].get(account.name, ()), account)):
            host.attempt(host.end_sessions, account.name)
    host.state["active"] = {account.name: account.active for account in wanted.values()}
    if data["break_glass"]:
        host.attempt(host.watch, data["break_glass"]["account"])
    host.keep()


def remove_all(host, data):
    """Take everything back that this program ever did. Without its data a run that waits for this one does nothing."""
    subprocess.run(["systemctl", "-q", "disable", "--now", "evenkeel-access.timer"], check=False)
    remove(data)
    host.attempt(host.sudoers, "")
    host.attempt(host.keys, {})
    for name in list(host.state["made"]):
        if exists(name) and host.ours(name):
            host.attempt(host.end_sessions, name)
        host.attempt(host.delete, name)
    if os.path.isdir(KEYS) and not os.listdir(KEYS):
        os.rmdir(KEYS)
    subprocess.run(["groupdel", rules.GROUP], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)  # says no when it is gone
    if not host.failures:
        shutil.rmtree(STATE)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="the grants, as the filter evenkeel.wsgi.access_grants returns them")
    parser.add_argument("--metrics", help="text file for node_exporter, NAME.prom")
    parser.add_argument("--remove", action="store_true", help="take everything back")
    arguments = parser.parse_args()
    os.makedirs(STATE, mode=0o700, exist_ok=True)
    with open(os.path.join(STATE, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the timer and Ansible may come at the same time
        host = Host()
        if arguments.remove:
            remove_all(host, arguments.data)
        elif os.path.exists(arguments.data):
            data, now = json.loads(read(arguments.data)), time.time()
            enforce(host, data, now)
            if arguments.metrics and os.path.isdir(os.path.dirname(arguments.metrics)):
                replace(arguments.metrics, exposition(host, data, now))
    print("\n".join(host.did), end="\n" if host.did else "")
    if host.failures:
        sys.exit("\n".join(host.failures))


if __name__ == "__main__":
    main()
