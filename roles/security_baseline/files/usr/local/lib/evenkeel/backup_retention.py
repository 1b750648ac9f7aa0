# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forget old snapshots of other hosts on the side that they cannot reach, and check what is left.
Role: evenkeel.wsgi.security_baseline

How old a snapshot is says the clock of this host, when its file was written: what a host claims in its snapshots is ignored, so one that
was taken over cannot make its history look old. The last KEEP of each host stay whatever their age.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time

KEEP = 3


def old(written, now, days):
    """Names of the snapshots to forget. written: {name: time of writing}."""
    newest = sorted(written, key=lambda name: written[name], reverse=True)
    return sorted(name for name in newest[KEEP:] if written[name] < now - days * 86400)


class Repository:
    """One host's repository. folder: its path; password_file: root's; user: who owns the repository, and what restic runs as."""

    def __init__(self, folder, password_file, user):
        self.folder, self.password_file, self.user = folder, password_file, user

    def restic(self, *arguments):
        """Run restic, which gets the password as its input: it is in no argument, environment or file that the user could read."""
        command = ["restic", "--repo", self.folder, "--no-cache", *arguments]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent"}
        with open(self.password_file, "rb") as password:
            who = {"user": self.user, "group": self.user, "extra_groups": []}
            done = subprocess.run(command, stdin=password, capture_output=True, text=True, env=environment, cwd="/", check=False, **who)
        if done.returncode:
            raise RuntimeError("restic %s: %s" % (arguments[0], (done.stderr or done.stdout).strip()[-400:]))

    def written(self):
        """{snapshot: when its file was written}; empty for a repository that nobody has written to yet."""
        folder = os.path.join(self.folder, "snapshots")
        if not os.path.isdir(folder):
            return {}
        return {name: os.stat(os.path.join(folder, name)).st_mtime for name in os.listdir(folder)}

    def retain(self, now, days):
        """Forget what is old and check the rest. Returns {name of a metric: number}."""
        written = self.written()
        if written:
            self.restic("unlock")  # only locks whose owners are gone
            forget = old(written, now, days)
            if forget:
                self.restic("forget", "--prune", *forget)
            self.restic("check")
        left = self.written()
        return {"newest_timestamp_seconds": int(max(left.values(), default=0)), "snapshots": len(left), "failed": 0}


def metrics(results):
    """Text for node_exporter. results: {host: {name: number}}."""
    meanings = {
        "newest_timestamp_seconds": "when the host's newest snapshot was written; 0: never",
        "snapshots": "how many snapshots of the host there are",
        "failed": "whether retention or check of the host's repository failed",
    }
    lines = []
    for name, meaning in meanings.items():
        metric = "evenkeel_backup_repository_%s" % name
        lines += ["# HELP %s %s" % (metric, meaning), "# TYPE %s gauge" % metric]
        lines += ["%s{backup_of=%s} %s" % (metric, json.dumps(host), said[name]) for host, said in sorted(results.items()) if name in said]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", required=True)
    parser.add_argument("--keep-days", required=True, type=int)
    parser.add_argument("--passwords", required=True, help="folder with one file for each host")
    parser.add_argument("--user", required=True)
    parser.add_argument("--metrics", required=True)
    parser.add_argument("hosts", nargs="*")
    wanted = parser.parse_args()
    results, failed = {}, []
    for host in wanted.hosts:
        repository = Repository(os.path.join(wanted.directory, host), os.path.join(wanted.passwords, host), wanted.user)
        try:
            results[host] = repository.retain(time.time(), wanted.keep_days)
        except (RuntimeError, OSError) as exc:
            results[host] = {"failed": 1}
            failed.append("%s: %s" % (host, exc))
    if os.path.isdir(os.path.dirname(wanted.metrics)):
        with open(wanted.metrics + ".new", "w", encoding="utf-8") as stream:
            stream.write(metrics(results))
        os.rename(wanted.metrics + ".new", wanted.metrics)
    if failed:
        sys.exit("; ".join(failed))


if __name__ == "__main__":
    main()
