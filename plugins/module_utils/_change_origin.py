# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who makes a change, from where, and from which commit of the inventory. Runs on the controller; no Ansible in here."""

from __future__ import annotations

import getpass
import os
import re
import socket
import subprocess
import typing as t

RUN = "EVENKEEL_RUN"
"""Environment variable with the run's id: the callback sets it before Ansible forks, so that both logs can be joined."""


def commit(folder: str) -> str:
    """Return the commit that a folder is at, with "+changes" when files differ from it; empty outside git."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=False, timeout=10)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        head = git("rev-parse", "HEAD")
        return head + ("+changes" if head and git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.TimeoutExpired):
        return ""


def who() -> dict[str, str]:
    """Return the user and where they sit: the one behind sudo, and the other end of an SSH session."""
    user = os.environ.get("SUDO_USER") or getpass.getuser()
    return {"user": user, "from": (os.environ.get("SSH_CONNECTION") or "").partition(" ")[0] or socket.gethostname()}


def inventories(sources: t.Iterable[str]) -> dict[str, str]:
    """Return {inventory: commit} of those that are files or folders."""
    paths = [os.path.abspath(source) for source in sources if os.path.exists(source)]
    return {path: commit(path if os.path.isdir(path) else os.path.dirname(path)) for path in paths}


def origin(sources: t.Iterable[str]) -> str:
    """Return one line about this run: words KEY=VALUE without spaces, and no path, since it leaves the controller."""
    commits = sorted({found for found in inventories(sources).values() if found})
    words = {"run": os.environ.get(RUN, ""), **who(), "inventory": ",".join(commits)}
    return " ".join(f"{key}={re.sub(r'[^!-~]', '_', value)}" for key, value in words.items() if value)
