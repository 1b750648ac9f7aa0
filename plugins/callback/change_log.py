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
  - On the hosts themselves, the same words who, from where and which commit come before each module's line in their logs
    (C(journalctl -g ansible-)), unless C(target_log_info) is configured otherwise.
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
import json
import os
import typing as t
import uuid

from ansible import context
from ansible.errors import AnsibleError
from ansible.plugins.callback import CallbackBase
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _change_origin


class CallbackModule(CallbackBase):
    """Write the log."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "evenkeel.wsgi.change_log"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, display: t.Any = None) -> None:
        super().__init__(display)
        os.environ[_change_origin.RUN] = uuid.uuid4().hex[:12]
        self.run = {"run": os.environ[_change_origin.RUN], **_change_origin.who()}

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
        """Tell what begins, here and in the logs of all hosts."""
        arguments = context.CLIARGS
        os.environ.setdefault("ANSIBLE_TARGET_LOG_INFO", _change_origin.origin(arguments.get("inventory") or ()))
        self.write(
            "start",
            playbook=os.path.basename(getattr(playbook, "_file_name", "")),
            check=bool(arguments.get("check")),
            limit=arguments.get("subset") or "",
            tags=[tag for tag in arguments.get("tags") or () if tag != "all"],
            inventories=_change_origin.inventories(arguments.get("inventory") or ()),
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
