# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module against files that are real and a systemd that is a model of it (the real one: tests/faults/test_celery.py).

The model knows what each node was started with. However often a run is killed, at whatever change of the host, the next whole run must
leave every node running with what is wanted now, and the one after that must find nothing to do.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _celery_nodes as core
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _celery_wait, _systemd
from ansible_collections.evenkeel.wsgi.plugins.modules import celery_nodes


class Killed(BaseException):
    """The run ends here."""


class Systemd:
    """Units as systemd loads and runs them: a unit's text is read on daemon-reload, environment files and code on start."""

    def __init__(self, folder):
        self.folder = folder
        self.loaded = {}
        self.running = {}
        self.enabled = False
        self.pid = 0
        self.changes_left = None
        self.log = []

    def change(self):
        """Count one change of the host; the run may be killed before it."""
        if self.changes_left is not None:
            if self.changes_left == 0:
                raise Killed
            self.changes_left -= 1

    def text(self, name):
        path = self.folder / name
        return path.read_text() if path.exists() else None

    def load(self):
        self.loaded = {path.name: path.read_text() for path in self.folder.glob("celery*.service")}

    def start(self, name):
        if name not in self.loaded:
            self.loaded[name] = self.text(name)
        text = self.loaded[name]
        assert text is not None, f"{name} was started without a file"
        environment = [Path(path).read_text() for path in core.environment_files(text)]
        code = [os.path.realpath(line.partition("=")[2]) for line in text.splitlines() if line.startswith("WorkingDirectory=")]
        self.pid += 1
        self.running[name] = (self.pid, text, environment, code)

    def systemctl(self, verb, *names):
        if verb == "show":
            return "\n\n".join(self.show(name) for name in names[1:])
        self.change()
        self.log.append((verb, *names))
        if verb == "reset-failed":
            return ""
        if verb == "daemon-reload":
            self.load()
        elif verb in ("enable", "disable"):
            self.enabled = verb == "enable"
        for name in names if verb in ("stop", "restart") else ():
            self.running.pop(name, None)
        for name in names if verb in ("start", "restart") else ():
            if name not in self.running:
                self.start(name)
        return ""

    def show(self, name):
        stale = name in self.loaded and self.loaded[name] != self.text(name)
        return (
            f"Id={name}\nActiveState={'active' if name in self.running else 'inactive'}\nSubState=x\n"
            f"MainPID={self.running.get(name, [0])[0]}\nNRestarts=0\nNeedDaemonReload={'yes' if stale else 'no'}\n"
            f"UnitFileState={'enabled' if self.enabled and name == 'celery.service' else 'static'}"
        )


class Module:
    """What reconcile needs of AnsibleModule."""

    def __init__(self, params, check_mode, systemd):
        self.params, self.check_mode, self.systemd = params, check_mode, systemd

    def run_command(self, arguments):
        if arguments[0] == "systemctl":
            self.systemd.systemctl(*arguments[1:])
        return 0, "", ""


@pytest.fixture
def world(tmp_path, monkeypatch):
    return World(tmp_path, monkeypatch)


class World:
    """A host with two releases, and what is wanted of it."""

    def __init__(self, tmp_path, monkeypatch):
        self.path = tmp_path
        (tmp_path / "units").mkdir()
        for release in ("one", "two"):
            (tmp_path / release).mkdir()
        self.release("one")
        self.systemd = Systemd(tmp_path / "units")
        monkeypatch.setattr(celery_nodes.Host, "systemctl", lambda _host, verb, *names: self.systemd.systemctl(verb, *names))
        monkeypatch.setattr(_celery_wait, "children", lambda pid: True)
        write, unlink = celery_nodes.write_atomically, os.unlink

        def counted_write(*arguments):
            self.systemd.change()
            write(*arguments)

        def counted_unlink(path):
            self.systemd.change()
            unlink(path)

        for place in (celery_nodes, _systemd):
            monkeypatch.setattr(place, "write_atomically", counted_write)
        monkeypatch.setattr(celery_nodes.os, "unlink", counted_unlink)

    def release(self, name):
        link = self.path / "current"
        if link.is_symlink():
            os.remove(link)
        link.symlink_to(self.path / name)

    def params(self, nodes=("a", "b"), secret="s1", options=None):
        secrets = self.path / "shop.secrets"
        head = f"{core.FIRST_LINE}\n"
        common = f"{head}EnvironmentFile={secrets}\nWorkingDirectory={self.path}/current\n"
        units = {f"celery@{node}.service": f"{common}{(options or {}).get(node, '')}\n" for node in nodes}
        return {
            "units": {"celery.service": f"{head}Wants={' '.join(units)}\n", **units} if nodes else {},
            "nodes": [{"name": node, "revision": "", "takes_up": [], "state": None, "code": f"{self.path}/current"} for node in nodes],
            "environment": {str(secrets): f"KEY={secret}\n"} if nodes else {},
            "programs": {str(self.path / "pulse.py"): "old\n"} if nodes else {},
            "applications": [],
            "settle": 1,
            "unit_directory": str(self.path / "units"),
            "record": str(self.path / "record.json"),
        }

    def run(self, params, check=False, die_after=None):
        self.systemd.changes_left, self.systemd.log = die_after, []
        try:
            return celery_nodes.reconcile(Module(params, check, self.systemd))
        finally:
            self.systemd.changes_left = None

    def is_as_wanted(self, params):
        expected = {
            f"celery@{node['name']}.service": (
                params["units"][f"celery@{node['name']}.service"],
                list(params["environment"].values()),
                [os.path.realpath(node["code"])],
            )
            for node in params["nodes"]
        }
        running = {name: facts[1:] for name, facts in self.systemd.running.items() if name != "celery.service"}
        files = {path.name for path in (self.path / "units").iterdir()}
        return (
            running == expected
            and files == set(params["units"])
            and self.systemd.enabled == bool(params["nodes"])
            and ("celery.service" in self.systemd.running) == bool(params["nodes"])
            and (self.path / "shop.secrets").exists() == bool(params["environment"])
        )


def pids(world):
    return {core.node_of(name): facts[0] for name, facts in world.systemd.running.items() if name != "celery.service"}


def test_from_nothing_and_again(world):
    planned = world.run(world.params(), check=True)
    assert planned["changed"] and not world.systemd.running and not list((world.path / "units").iterdir())
    done = world.run(world.params())
    assert done["changed"] and world.is_as_wanted(world.params())
    assert done["nodes"]["a"] == {"active": True, "main_pid": pids(world)["a"], "restarted": True}
    again = world.run(world.params())
    assert not again["changed"] and not world.systemd.log and not again["nodes"]["a"]["restarted"]
    assert not world.run(world.params(), check=True)["changed"]


def test_one_changed_node_is_the_only_one_to_restart(world):
    world.run(world.params())
    before = pids(world)
    done = world.run(world.params(options={"b": "x"}))
    assert pids(world)["a"] == before["a"] and pids(world)["b"] != before["b"]
    assert [done["nodes"][node]["restarted"] for node in ("a", "b")] == [False, True]


@pytest.mark.parametrize("what", ["secret", "release"])
def test_a_new_secret_or_release_restarts_all(world, what):
    world.run(world.params())
    before = pids(world)
    if what == "release":
        world.release("two")
    wanted = world.params(secret="s2" if what == "secret" else "s1")
    assert world.run(wanted, check=True)["changed"] and pids(world) == before
    world.run(wanted)
    assert not before.items() & pids(world).items() and world.is_as_wanted(wanted)


def test_no_secret_is_shown(world):
    world.run(world.params(secret="first-secret"))
    done = world.run(world.params(secret="second-secret"))
    assert "shop.secrets changes" in str(done["diff"]) and "-secret" not in str(done)


def test_a_removed_node_is_drained_before_its_file_goes(world):
    world.run(world.params())
    done = world.run(world.params(nodes=("a",)))
    assert done["removed"] == ["b"] and ("stop", "celery@b.service") in world.systemd.log
    assert world.is_as_wanted(world.params(nodes=("a",)))
    world.run(world.params(nodes=()))
    assert world.is_as_wanted(world.params(nodes=())) and not world.run(world.params(nodes=()))["changed"]


def test_a_stopped_service_is_started(world):
    world.run(world.params())
    world.systemd.running.clear()
    assert world.run(world.params())["changed"] and world.is_as_wanted(world.params())


def test_somebody_elses_unit_is_refused(world):
    (world.path / "units/celery.service").write_text("[Service]\nType=forking\n")
    with pytest.raises(core.NodesError, match=r"disable --now celery\.service"):
        world.run(world.params())
    (world.path / "units/celery.service").unlink()
    (world.path / "units/celerybeat.service").write_text("[Service]\n")
    world.run(world.params())
    assert (world.path / "units/celerybeat.service").exists()


def test_missing_code_is_refused_but_not_in_check_mode(world):
    os.remove(world.path / "current")
    assert world.run(world.params(), check=True)["changed"]
    with pytest.raises(core.NodesError, match="release the application first"):
        world.run(world.params())


def test_a_secret_changed_by_hand_is_put_back_and_its_nodes_restarted(world):
    world.run(world.params())
    before = pids(world)
    (world.path / "shop.secrets").write_text("KEY=by hand\n")
    world.run(world.params())
    assert not before.items() & pids(world).items() and world.is_as_wanted(world.params())
    (world.path / "shop.secrets").chmod(0o644)
    before = pids(world)
    assert world.run(world.params())["changed"] and pids(world) == before
    assert (world.path / "shop.secrets").stat().st_mode & 0o777 == 0o600


CHANGES = {
    "first run": ({}, None),
    "one node": ({"options": {"b": "x"}}, ()),
    "new secret": ({"secret": "s2"}, ()),
    "new release": ({}, ()),
    "node removed": ({"nodes": ("a",)}, ()),
    "node added": ({"nodes": ("a", "b", "c")}, ()),
    "all removed": ({"nodes": ()}, ()),
}


@pytest.mark.parametrize("then", ["same", "back"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_kill_anywhere_is_made_good_by_the_next_run(tmp_path, monkeypatch, change, then):
    """Also when the next run wants again what was there before the one that was killed."""
    options, before = CHANGES[change]
    for die_after in range(40):
        folder = tmp_path / str(die_after)
        folder.mkdir()
        with monkeypatch.context() as patch:
            world = World(folder, patch)
            if before is not None:
                world.run(world.params())
            if change == "new release":
                world.release("two")
            wanted = world.params(**options)
            try:
                world.run(wanted, die_after=die_after)
            except Killed:
                if then == "back":
                    world.release("one")
                    wanted = world.params()
                world.run(wanted)
                assert world.is_as_wanted(wanted), f"killed before change {die_after}"
                assert not world.run(wanted)["changed"]
            else:
                assert world.is_as_wanted(wanted)
                assert die_after > 1
                return
    raise AssertionError("a run never got to its end")


def test_a_new_program_restarts_all_and_what_a_unit_takes_up_itself_restarts_nothing(world):
    wanted = world.params()
    config, state = str(world.path / "nodes.json"), world.path / "state.json"
    wanted["programs"][config] = "1"
    wanted["nodes"][0].update(takes_up=[config], state=str(state))

    def says(text, **more):
        state.write_text(json.dumps({"loaded": {config: hashlib.sha256(text.encode()).hexdigest()}, "settled": True, "failing": [], **more}))

    says("1")
    world.run(wanted)
    before = pids(world)
    wanted["programs"][config] = "2"
    says("2")
    assert world.run(wanted)["changed"] and pids(world) == before and not world.run(wanted)["changed"]
    wanted["programs"][config] = "3"
    says("3", failing=["x"])
    with pytest.raises(core.NodesError, match="node x does not stay up"):
        world.run(wanted)
    says("3")
    wanted["programs"][str(world.path / "pulse.py")] = "new\n"
    world.run(wanted)
    assert not before.items() & pids(world).items()
