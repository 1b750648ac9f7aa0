# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Callback change_log: who changed what, when, from where, and from which commit of the inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: change_log
type: notification
short_description: Write down every change that Ansible makes
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Appends one JSON object per line to a file on the controller, for the start and end of a run and for every task that changed something or failed.
  - "Each line has: C(time), C(run), C(user), C(from), C(event), and for a task C(host), C(task), C(action) and C(check)."
  - "Never a value: no arguments, results, differences, loop items or extra variables, so that no secret can get into it."
  - Ansible goes on when the log cannot be written, and warns at each line; so watch that the file grows.
requirements:
  - Enable it in C(ansible.cfg), C(callbacks_enabled = evenkeel.wsgi.change_log).
options:
  path:
    description: The file. Lines are only ever added; it is made with mode V(0600).
    type: path
    default: ~/.ansible/evenkeel-changes.jsonl
    ini:
      - section: callback_change_log
        key: path
    env:
      - name: EVENKEEL_CHANGE_LOG
"""

import datetime
import getpass
import json
import os
import socket
import subprocess
import typing as t
import uuid

from ansible import context
from ansible.errors import AnsibleError
from ansible.plugins.callback import CallbackBase


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


class CallbackModule(CallbackBase):
    """Write the log."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "evenkeel.wsgi.change_log"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, display: t.Any = None) -> None:
        super().__init__(display)
        self.run = {"run": uuid.uuid4().hex[:12], **who()}

    def write(self, event: str, **more: t.Any) -> None:
        """Append one line, whole: short appends of several runs do not mix."""
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": event, **self.run, **more}) + "\n"
        path = os.path.expanduser(self.get_option("path"))
        try:
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(line)
        except OSError as exc:
            raise AnsibleError(f"evenkeel.wsgi.change_log: {path} cannot be written: {exc}. Set path in [callback_change_log] of ansible.cfg.") from exc

    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        """Tell what begins."""
        arguments = context.CLIARGS
        self.write(
            "start",
            playbook=os.path.basename(getattr(playbook, "_file_name", "")),
            check=bool(arguments.get("check")),
            limit=arguments.get("subset") or "",
            tags=[tag for tag in arguments.get("tags") or () if tag != "all"],
            inventories=inventories(arguments.get("inventory") or ()),
        )

    def task(self, event: str, result: t.Any) -> None:
        """Tell what one task did on one host."""
        self.write(event, host=result.host.get_name(), task=result.task.get_name(), action=result.task.action, check=bool(result.task.check_mode))

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """Tell of a change."""
        if result.is_changed():
            self.task("changed", result)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """Tell of a failure; it may have changed something before."""
        self.task("failed", result)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        """Tell of a host that was not reached."""
        self.task("unreachable", result)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        """Tell how it ended."""
        hosts = sorted(stats.processed)
        self.write("end", hosts={host: {key: stats.summarize(host)[key] for key in ("ok", "changed", "failures", "unreachable")} for host in hosts})
