# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an application is asked, with systemd and the application played; real ones: molecule/brokers."""

from __future__ import annotations

import json
import os
import pathlib

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _celery_ask, _celery_program

NODE = {"name": "default", "queues": ["Q1"], "children": 4, "held": 3000}
SAID = {
    "settings": {**dict.fromkeys(_celery_program.SETTINGS), "accept_content": ["json"], "visibility_timeout": 3600},
    "tasks": {"shop.order": {"queue": "Q1", "acks_late": True, "reject_on_worker_lost": True}},
    "queues": {"Q1": {"type": "classic", "consumer_timeout_ms": None}},
    "broker": {"kind": "redis", "host": "127.0.0.1", "password": False, "tls": False},
}


def application(name="shop", **more):
    known = {"name": name, "app": name, "user": name, "group": name, "directory": "/srv/x", "python": "/srv/x/venv/bin/python", "pickle": False}
    return {**known, "environment": ["/etc/x.env"], "nodes": [NODE], "owned": ["Q1"], **more}


class Module:
    """What an application says when it is asked, by the name of its user; an exit code stands for one that cannot be loaded."""

    def __init__(self, **says):
        self.says, self.files, self.sources = says, [], []

    def run_command(self, command, data=None):
        user = next(word.partition("User=")[2] for word in command if "User=" in word)
        self.sources.append(data)
        for word in command:
            path = word.partition("EnvironmentFile=")[2]
            if path:
                self.files.append((path, pathlib.Path(path).read_text(encoding="utf-8"), os.stat(path).st_mode & 0o777))
        said = self.says[user]
        return (said, "", "Traceback\nModuleNotFoundError: x") if isinstance(said, int) else (0, f"noise\n{_celery_program.MARK}{json.dumps(said)}\n", "")


@pytest.fixture(autouse=True)
def run_directory(tmp_path, monkeypatch):
    make = _celery_ask.tempfile.mkdtemp
    monkeypatch.setattr(_celery_ask.tempfile, "mkdtemp", lambda **more: make(**{**more, "dir": str(tmp_path)}))
    return tmp_path


def test_an_application_is_loaded_with_its_new_environment_of_which_nothing_is_left(run_directory):
    module = Module(shop=SAID)
    _celery_ask.refuse(module, [application()], {"/etc/x.env": "KEY=new\n"})
    ((path, text, mode),) = module.files
    assert text == "KEY=new\n" and mode == 0o600 and not os.path.exists(path) and list(run_directory.iterdir()) == []
    assert "def ask(" in module.sources[0]


def test_all_refusals_are_told_at_once():
    module = Module(a=1, b={**SAID, "tasks": {"b.t": {"queue": "Q7", "acks_late": True, "reject_on_worker_lost": True}}}, c=SAID)
    with pytest.raises(_celery_ask.AskError) as refused:
        _celery_ask.refuse(module, [application(name) for name in "abc"], {"/etc/x.env": ""})
    text = str(refused.value)
    assert "application a: a cannot be loaded from /srv/x as a" in text and "ModuleNotFoundError" in text
    assert "application b: the application sends b.t to queue Q7" in text and "application c" not in text


@pytest.mark.parametrize(("out", "ms"), [("7200000\n", 7200000), ("default\n", 1800000), ("undefined\n", None)])
def test_rabbitmq_says_how_long_it_waits(out, ms):
    class Rabbit:
        def run_command(self, _command):
            return 0, out, ""

    assert _celery_ask.consumer_timeout(Rabbit()) == ms
