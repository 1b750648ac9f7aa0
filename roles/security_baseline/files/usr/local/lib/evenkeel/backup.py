# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Back this host up, prove that the backup can be restored, or restore it. Role: evenkeel.wsgi.security_baseline

  backup.py backup          dump, snapshot
  backup.py drill           restore into a scratch folder, compare byte for byte, and try to delete what must not be deletable
  backup.py restore TARGET  the newest snapshot, or --snapshot ID of before an attack, below TARGET, compared; with / as target the declared
                            files and databases of this host, and not its configuration, which Ansible brings

/etc/evenkeel/backup.json says what and where to; what became of the runs is in state.json beside the dumps, and in the metrics.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import time

CONFIG = "/etc/evenkeel/backup.json"
CANARY = "evenkeel-canary"
TAG = "evenkeel"
LOCKED = "already locked"  # by the retention of the repository's side
PATIENCE = 10  # times 60 s


class BackupError(Exception):
    """What went wrong, for the journal and state.json."""


def digest(path):
    """SHA-256 of a file."""
    total = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            total.update(block)
    return total.hexdigest()


def walk(paths):
    """Every file and symbolic link below these paths, with its state; what disappears meanwhile is left out."""
    pending = list(paths)
    while pending:
        path = pending.pop()
        try:
            state = os.lstat(path)
            if stat.S_ISDIR(state.st_mode):
                pending += sorted((os.path.join(path, name) for name in os.listdir(path)), reverse=True)
            elif stat.S_ISREG(state.st_mode) or stat.S_ISLNK(state.st_mode):
                yield path, state
        except FileNotFoundError:
            continue


def entry(path, state, known=None):
    """What the manifest says of a file: [size, time of its last change in ns, SHA-256]. known: what it said last time."""
    if stat.S_ISLNK(state.st_mode):
        return [0, 0, "-> " + os.readlink(path)]
    if known and known[:2] == [state.st_size, state.st_mtime_ns]:
        return known
    return [state.st_size, state.st_mtime_ns, digest(path)]


def manifest(paths, known):
    """{path: entry} of all files; a file that is as it was last time is not read again."""
    found = {}
    for path, state in walk(paths):
        try:
            found[path] = entry(path, state, known.get(path))
        except FileNotFoundError:
            continue
    return found


def changed(wanted):
    """Paths of a manifest that are not on this host as it says: they changed while the backup ran."""
    now = {}
    for path, state in walk(sorted(wanted)):
        now[path] = [state.st_size, state.st_mtime_ns] if stat.S_ISREG(state.st_mode) else [0, 0]
    return sorted(path for path, said in wanted.items() if now.get(path) != said[:2])


def compare(wanted, root, moving=()):
    """What is wrong with restored files: [text], one for each file that is not there or not byte for byte the one that was backed up."""
    wrong = []
    for path, said in wanted.items():
        if path in moving:
            continue
        restored = root.rstrip("/") + path
        try:
            is_now = entry(restored, os.lstat(restored))
        except FileNotFoundError:
            wrong.append("%s is not in the backup" % path)
            continue
        if is_now[2] != said[2]:
            wrong.append("%s differs" % path)
    return wrong


class Backup:
    """One host's backup. config: see the role's template etc/evenkeel/backup.json."""

    def __init__(self, config, state_directory="/var/lib/evenkeel-backup"):
        self.config = config
        self.directory = state_directory
        self.staging = os.path.join(state_directory, "staging")
        self.state_path = os.path.join(state_directory, "state.json")
        self.state = json.loads(read(self.state_path) or "{}")

    # --- restic ---------------------------------------------------------------------------------------------------------------

    def restic(self, *arguments, may_fail=False):
        """What restic prints. The repository's side decides what happens there; this side only says who it is."""
        repository = self.config["repository"]
        ssh = ["ssh", "-i", repository["key_file"], "-p", str(repository["port"]), "-l", repository["user"]]
        for option in ("BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes", "ConnectTimeout=15", "ServerAliveInterval=15"):
            ssh += ["-o", option]
        ssh += ["-o", "UserKnownHostsFile=" + repository["known_hosts_file"], repository["address"]]
        command = ["restic", "--repo", "rclone:backup", "-o", "rclone.program=" + " ".join(ssh), "-o", "rclone.args=serve restic --stdio"]
        command += ["--limit-upload", str(self.config["bandwidth_kib"]), "--limit-download", str(self.config["bandwidth_kib"])]
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "RESTIC_PASSWORD_FILE": repository["password_file"],
            "RESTIC_CACHE_DIR": os.path.join(self.directory, "cache"),
            "GOMAXPROCS": "1",
            "HOME": "/nonexistent",
        }
        for attempt in range(PATIENCE + 1):
            done = subprocess.run([*command, *arguments], capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL, check=False)
            if LOCKED not in done.stderr or attempt == PATIENCE:
                break
            time.sleep(60)
        if done.returncode and not may_fail:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise BackupError("restic %s: %s" % (arguments[0], " / ".join(said[-4:])))
        return done.stdout

    def newest(self):
        """The newest snapshot's id and files."""
        snapshots = json.loads(self.restic("snapshots", "--json", "--tag", TAG, "--latest", "1"))
        if not snapshots:
            raise BackupError("the repository holds no snapshot")
        return snapshots[-1]["id"]

    # --- the three verbs ------------------------------------------------------------------------------------------------------

    def backup(self):
        """Dump, note what is there, and take a snapshot. Returns what state.json keeps."""
        if not self.state.get("initialised"):
            # Only once: a repository that is empty later on lost its history, and that must not look like a first run.
            if not self.restic("cat", "config", may_fail=True):
                self.restic("init")
            self.keep(initialised=True)
        failed = self.dump()
        kept = os.path.join(self.staging, "manifest.json")
        known = json.loads(read(kept) or "{}")
        failed += ["%s is not there" % path for path in self.config["paths"] if not os.path.lexists(path)]
        paths = [path for path in (*self.config["paths"], *self.config["if_there"]) if os.path.lexists(path)]
        files = manifest([*paths, os.path.join(self.staging, "dumps")], known)
        write(kept, json.dumps(files, indent=0, sort_keys=True))
        self.restic("backup", "--tag", TAG, "--host", self.config["host"], *paths, self.staging)
        self.keep(snapshot=self.newest(), moving=changed(files))
        if failed:
            raise BackupError("; ".join(failed) + " (the rest was backed up)")
        return {"files": len(files), "bytes": sum(size for size, _time, _digest in files.values())}

    def dump(self):
        """Run every declared dump; returns what went wrong. A dump that fails leaves the last good one in the backup."""
        folder = os.path.join(self.staging, "dumps")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        wanted, failed = [dump["name"] for dump in self.config["dumps"]], []
        for name in os.listdir(folder):
            if name not in wanted:
                os.unlink(os.path.join(folder, name))
        for dump in self.config["dumps"]:
            path = os.path.join(folder, dump["name"])
            with open(path + ".new", "wb") as stream:
                os.fchmod(stream.fileno(), 0o600)
                done = subprocess.run(dump["command"], stdout=stream, stderr=subprocess.PIPE, user=dump["user"], group=dump["user"], cwd="/", check=False)
            if done.returncode or not os.path.getsize(path + ".new"):
                failed.append("dump %s: exit %d, %s" % (dump["name"], done.returncode, done.stderr.decode(errors="replace").strip()[-200:] or "no output"))
                os.unlink(path + ".new")
            else:
                os.rename(path + ".new", path)
        return failed

    def drill(self):
        """Restore the newest snapshot aside and compare; prove that this host cannot delete."""
        scratch = os.path.join(self.directory, "scratch")
        shutil.rmtree(scratch, ignore_errors=True)
        os.makedirs(scratch, mode=0o700)
        try:
            result = self.restore(scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        self.cannot_delete()
        return result

    def restore(self, target, snapshot=None, overwrite=False):
        """Restore below target and compare. Returns what state.json keeps."""
        if target == "/" and not overwrite:
            there = next(walk(self.config["paths"]), None)
            if there:
                raise BackupError("%s is there already: restore below another folder, or say --overwrite" % there[0])
        snapshot = snapshot or self.newest()
        size = json.loads(self.restic("stats", "--json", "--mode", "restore-size", snapshot))["total_size"]
        free = shutil.disk_usage(target).free
        if target != "/" and size > free * 0.9:
            raise BackupError("%s has room for %d MiB, the snapshot needs %d MiB" % (target, free >> 20, size >> 20))
        only = [*self.config["paths"], self.staging] if target == "/" else []
        self.restic("restore", snapshot, "--target", target, *(word for path in only for word in ("--include", path)))
        files = json.loads(read(target.rstrip("/") + self.staging + "/manifest.json") or "{}")
        if not files:
            raise BackupError("snapshot %s has no manifest" % snapshot[:8])
        if only:
            files = {path: said for path, said in files.items() if any((path + "/").startswith(part + "/") for part in only)}
        moving = self.state.get("moving", ()) if snapshot == self.state.get("snapshot") else ()
        wrong = compare(files, target, moving)
        if wrong:
            raise BackupError("%d of %d files are not what was backed up: %s" % (len(wrong), len(files), ", ".join(wrong[:5])))
        if target == "/":
            self.fill_databases()
        return {"files": len(files), "bytes": size}

    def fill_databases(self):
        """Give each restored dump to the command that takes it."""
        for dump in self.config["dumps"]:
            if not dump["restore"]:
                continue
            with open(os.path.join(self.staging, "dumps", dump["name"]), "rb") as stream:
                done = subprocess.run(dump["restore"], stdin=stream, capture_output=True, user=dump["user"], group=dump["user"], cwd="/", check=False)
            if done.returncode:
                said = (done.stderr or done.stdout).decode(errors="replace").strip()[-200:]
                raise BackupError("database %s: exit %d, %s" % (dump["name"], done.returncode, said))

    def cannot_delete(self):
        """Try to delete a snapshot that was made for this."""
        self.restic("backup", "--tag", CANARY, "--host", self.config["host"], self.state_path)
        canaries = {one["id"] for one in json.loads(self.restic("snapshots", "--json", "--tag", CANARY))}
        self.restic("forget", *canaries, may_fail=True)
        left = {one["id"] for one in json.loads(self.restic("snapshots", "--json", "--tag", CANARY))}
        self.keep(append_only={"at": int(time.time()), "ok": canaries == left})
        if canaries != left:
            raise BackupError("this host could delete a snapshot: the repository is not append-only")

    # --- what became of it ----------------------------------------------------------------------------------------------------

    def keep(self, **values):
        self.state.update(values)
        write(self.state_path, json.dumps(self.state, indent=1, sort_keys=True))

    def run(self, verb, action):
        """Run one verb and write down what became of it. Returns the text for the journal, or raises."""
        began = time.time()
        try:
            result = action()
        except (BackupError, OSError, ValueError) as exc:
            self.keep(**{verb: {**self.state.get(verb, {}), "failed": True, "says": str(exc)}})
            raise
        else:
            self.keep(**{verb: {**result, "at": int(time.time()), "seconds": round(time.time() - began, 1), "failed": False, "says": ""}})
        finally:
            self.measure()
        return "%(files)d files, %(bytes)d bytes, %(seconds)s s" % self.state[verb]

    def measure(self):
        """Write the metrics, if somebody reads them on this host."""
        if not os.path.isdir(self.config["metrics_directory"]):
            return
        lines = []
        for verb, name in (("backup", "evenkeel_backup"), ("drill", "evenkeel_restore_drill")):
            said, limit = self.state.get(verb, {}), self.config["max_age_s"][verb]
            for suffix, number, meaning in (
                ("last_success_timestamp_seconds", said.get("at", 0), "when it last succeeded; 0: never"),
                ("failed", int(said.get("failed", False)), "whether the last run failed"),
                ("max_age_seconds", limit, "how old the last success may be"),
                ("seconds", said.get("seconds", 0), "how long the last success took"),
                ("bytes", said.get("bytes", 0), "how much it held"),
            ):
                metric = "%s_%s" % (name, suffix)
                lines += ["# HELP %s %s" % (metric, meaning), "# TYPE %s gauge" % metric, "%s %s" % (metric, number)]
        write(os.path.join(self.config["metrics_directory"], "evenkeel_backup.prom"), "\n".join(lines) + "\n", 0o644)


def read(path):
    """Text of a file, None when there is none."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def write(path, text, mode=0o600):
    """Replace a file whole."""
    temporary = "%s/.%s.new" % (os.path.dirname(path), os.path.basename(path))
    with open(temporary, "w", encoding="utf-8") as stream:
        os.fchmod(stream.fileno(), mode)
        stream.write(text)
    os.rename(temporary, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["backup", "drill", "restore"])
    parser.add_argument("target", nargs="?", help="for restore: the folder below which everything is put")
    parser.add_argument("--snapshot", help="for restore: not the newest one")
    parser.add_argument("--overwrite", action="store_true", help="for restore: also files that are there")
    wanted = parser.parse_args()
    if (wanted.verb == "restore") != bool(wanted.target):
        parser.error("restore needs a target, the others have none")
    backup = Backup(json.loads(read(CONFIG)))
    os.makedirs(backup.staging, mode=0o700, exist_ok=True)
    with open(os.path.join(backup.directory, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        actions = {"backup": backup.backup, "drill": backup.drill, "restore": lambda: backup.restore(wanted.target, wanted.snapshot, wanted.overwrite)}
        try:
            print(backup.run(wanted.verb, actions[wanted.verb]))
        except (BackupError, OSError, ValueError) as exc:
            sys.exit("%s: %s" % (wanted.verb, exc))


if __name__ == "__main__":
    main()
