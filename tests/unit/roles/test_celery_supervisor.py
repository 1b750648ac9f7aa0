# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes the healer of `celery multi` takes for a node, and which it never touches; real nodes: tests/faults/test_celery.py."""

from __future__ import annotations

import importlib.util
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import pytest

FILE = pathlib.Path(__file__).parents[3] / "roles/celery_multi/files/usr/local/lib/evenkeel/celery_supervisor.py"
spec = importlib.util.spec_from_file_location("celery_supervisor", FILE)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)


@pytest.fixture
def folder():
    """Short, since it holds a socket."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="ek"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def supervisor(folder):
    write(folder, default={})
    return module.Supervisor(str(folder / "shop.json"))


def write(folder, **nodes):
    """The configuration; `celery` is a program that notes how it was called."""
    celery = folder / "celery"
    celery.write_text(f'#!/bin/sh\necho "$@" >>{folder}/calls\n')
    celery.chmod(0o755)
    common = {"arguments": [], "stop": 5, "nice": 0, "watched": True}
    data = {"celery": str(celery), "app": "shop", "runtime": str(folder), "logs": str(folder), "watchdog": 15}
    (folder / "shop.json").write_text(json.dumps({**data, "nodes": {name: {**common, **node} for name, node in nodes.items()}}))


@pytest.fixture
def process():
    """Start processes with words in their command line."""
    started = []

    def start(*words):
        started.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *words]))
        time.sleep(0.1)
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()


def test_a_node_is_known_by_its_name(supervisor, process):
    node = supervisor.nodes["default"]
    own, other, foreign = process("-n", "default@web"), process("-n", "xdefault@web"), process("sleep")
    assert node.owns(own.pid) and not node.owns(other.pid) and not node.owns(foreign.pid) and not node.owns(0)


def test_a_pid_file_of_somebody_else_is_removed_and_the_process_lives(supervisor, process):
    node = supervisor.nodes["default"]
    foreign = process("sleep")
    pathlib.Path(node.pidfile).write_text(f"{foreign.pid}\n")
    assert node.find() == 0 and not pathlib.Path(node.pidfile).exists()
    pathlib.Path(node.pidfile).write_text(f"{foreign.pid}\n")
    node.kill()
    assert foreign.poll() is None


def test_a_silent_node_is_killed_and_a_dead_one_started(supervisor, process, folder):
    node = supervisor.nodes["default"]
    own = process("-n", "default@web")
    pathlib.Path(node.pidfile).write_text(f"{own.pid}\n")
    node.look()
    node.heal()
    assert node.pid == own.pid and own.poll() is None
    node.silent_at = 0
    node.heal()
    assert own.wait() == -9
    node.look()
    node.heal()
    node.operation.wait()
    assert (folder / "calls").read_text().startswith(f"-A shop multi start default --pidfile={folder}/%n.pid")


def test_only_the_changed_node_restarts_and_a_removed_one_leaves(supervisor, folder):
    write(folder, default={}, other={})
    supervisor.load()
    write(folder, default={"nice": 5}, other={})
    supervisor.load()
    assert [node.changed for node in supervisor.nodes.values()] == [True, False]
    write(folder, default={"nice": 5})
    supervisor.load()
    assert list(supervisor.nodes) == ["default"] and list(supervisor.leaving) == ["other"]


def test_a_log_that_grew_is_moved_aside(supervisor, folder, monkeypatch):
    monkeypatch.setattr(module, "LOG_LIMIT", 3)
    (folder / "default.log").write_text("long")
    (folder / "small.log").write_text("x")
    supervisor.rotate()
    assert (folder / "default.log.1").exists() and (folder / "small.log").exists() and not (folder / "default.log").exists()
