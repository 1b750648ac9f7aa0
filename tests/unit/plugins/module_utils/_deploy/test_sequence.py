# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of a deploy and what it leaves when a step fails. Apache's part is a stand-in here; tests/faults/test_deploy.py has the real one."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._deploy import sequence
from ansible_collections.evenkeel.wsgi.plugins.module_utils._deploy.probes import Group
from ansible_collections.evenkeel.wsgi.plugins.module_utils._deploy.slots import Hooks, Load, Slots, environment_file
from ansible_collections.evenkeel.wsgi.plugins.module_utils._release import ReleaseError

USER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
ENTRY = b"application = None\n"


class Processes:
    """Daemon processes that load what their slot points to when they are restarted."""

    parent = 1

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.runs: dict[str, str | None] = {}
        self.restarts: list[str] = []

    def running(self, slot: str) -> set[str]:
        return {slot} if self.parent else set()

    def restart(self, slot: str, patience: float) -> int:
        self.runs[slot] = self.slots.release(slot)
        self.restarts.append(slot)
        return 1

    def recycle(self, slot: str) -> None:
        self.restarts.append(f"recycle {slot}")


class Probe:
    """Asks them; a release with a file `ill` answers badly."""

    def __init__(self, processes: Processes) -> None:
        self.processes = processes

    def all_processes(self, slot: str, groups, release: str, expected, patience: float) -> int:
        assert self.processes.runs[slot] == release
        if os.path.exists(os.path.join(release, "ill")):
            raise ReleaseError("answered /healthz with 500")
        return 1


class App:
    """An application on disk."""

    def __init__(self, directory: Path, names: tuple[str, ...] = ("blue", "green")) -> None:
        self.directory = directory
        self.slots = Slots(str(directory), names, os.getegid())
        self.processes = Processes(self.slots)
        self.hooks = Hooks()

    def release(self, name: str, *, text: str = "def application(e, s): pass\n", ill: bool = False) -> Load:
        path = self.directory / "releases" / name
        (path / "venv/bin").mkdir(parents=True)
        (path / "venv/bin/python").symlink_to("/usr/bin/python3")
        (path / "venv/pyvenv.cfg").write_text("version = 3.13.5\n")
        (path / "app.py").write_text(text)
        if ill:
            (path / "ill").write_text("")
        return Load(os.path.realpath(path), environment_file({"A": "1"}), ENTRY)

    def deploy(self, load: Load | None) -> sequence.Done:
        """Deploy a load, or go back without one."""
        target = sequence.Target(
            slots=self.slots, daemons=self.processes, probe=Probe(self.processes), groups=(Group("shop", 1, 2),), user=USER, script="app.py", drain=1,
            hooks=self.hooks, python="3.13",
        )  # fmt: skip
        deploy = sequence.Deploy(target)
        return deploy.run(load) if load else deploy.back()

    @property
    def serves(self) -> str:
        return os.path.basename(self.processes.runs.get(self.slots.active() or "") or "")

    @property
    def current(self) -> str:
        return os.path.basename(os.readlink(self.directory / "current"))


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    monkeypatch.setattr(sequence, "SETTLE", 0.0)
    for folder in [tmp_path, *tmp_path.parents][:3]:
        folder.chmod(0o755)
    return App(tmp_path)


def first(app: App) -> Load:
    """Deploy the first release, before Apache has its configuration, then let Apache start."""
    one = app.release("one")
    app.processes.parent = 0
    assert app.deploy(one).steps == ["check", "put", "activate", "current"]
    assert app.slots.release("blue") == app.slots.release("green") == one.release, "both colours are started and need something to load"
    app.processes.parent = 1
    app.processes.runs = dict.fromkeys(app.slots.names, one.release)
    return one


def test_a_release_goes_through_the_idle_colour(app: App) -> None:
    first(app)
    done = app.deploy(app.release("two"))
    assert done.steps == ["check", "put", "restart", "probe", "activate", "current", "recycle"]
    assert (done.slot, app.serves, app.current) == ("green", "two", "two")
    assert app.processes.restarts == ["green", "recycle blue"]


def test_the_same_again_does_nothing(app: App) -> None:
    one = first(app)
    assert app.deploy(one).steps == []
    two = app.release("two")
    app.deploy(two)
    assert app.deploy(two).steps == []


def test_another_environment_is_a_deploy(app: App) -> None:
    one = first(app)
    assert "activate" in app.deploy(Load(one.release, environment_file({"A": "2"}), ENTRY)).steps


@pytest.mark.parametrize("broken", [{"text": "import nothing_of_this_name\n"}, {"ill": True}])
def test_a_broken_release_leaves_everything_as_it_was(app: App, broken: dict) -> None:
    first(app)
    app.deploy(app.release("two"))
    with pytest.raises(ReleaseError):
        app.deploy(app.release("three", **broken))
    assert (app.serves, app.current) == ("two", "two")
    back = app.deploy(None)
    assert (app.serves, app.current, back.steps) == ("one", "one", ["probe", "activate", "current"]), "what waited still waits"


def test_after_the_way_back_the_newer_release_needs_no_new_processes(app: App) -> None:
    first(app)
    two = app.release("two")
    app.deploy(two)
    app.deploy(None)
    assert app.deploy(two).steps == ["check", "probe", "activate", "current", "recycle"]


def test_there_is_no_way_back_from_the_first_release(app: App) -> None:
    first(app)
    with pytest.raises(ReleaseError, match="no release waits"):
        app.deploy(None)


@pytest.mark.parametrize(("lost", "steps"), [("active.map", ["activate"]), ("current", ["current"])])
def test_what_a_killed_run_left_undone_is_done(app: App, lost: str, steps: list[str]) -> None:
    one = first(app)
    (app.directory / ("current" if lost == "current" else f"slots/{lost}")).unlink()
    assert app.deploy(one).steps == steps
    assert (app.serves, app.current) == ("one", "one") and app.slots.mapped("blue")


def test_a_release_that_is_gone_from_a_slot_is_put_there_again(app: App) -> None:
    first(app)
    two = app.release("two")
    app.deploy(two)
    shutil.rmtree(app.slots.release("blue") or "")
    app.deploy(two)
    assert app.slots.release("blue") == two.release


def test_hooks_run_once_and_a_failure_before_stops(app: App) -> None:
    first(app)
    two = app.release("two")
    app.hooks = Hooks(before=(("python", "-c", "raise SystemExit('no database')"),))
    with pytest.raises(ReleaseError, match="no database"):
        app.deploy(two)
    assert app.serves == "one"
    app.hooks = Hooks(before=(("true",),), after=(("false",),))
    with pytest.raises(ReleaseError, match="hook after"):
        app.deploy(two)
    assert (app.serves, app.current) == ("two", "two"), "it serves; what failed is reported"
    app.hooks = Hooks(before=(("true",),), after=(("true",),))
    assert app.deploy(two).steps == ["after"]
    assert app.deploy(two).steps == []


def test_one_slot_is_replaced_in_place_and_put_back(tmp_path: Path, app: App) -> None:
    single = App(tmp_path, ("live",))
    one = single.release("one")
    single.processes.parent = 0
    single.deploy(one)
    single.processes.parent, single.processes.runs = 1, {"live": one.release}
    assert single.deploy(single.release("two")).steps == ["check", "put", "restart", "probe", "activate", "current"]
    with pytest.raises(ReleaseError, match="500"):
        single.deploy(single.release("three", ill=True))
    assert (single.serves, single.current) == ("two", "two")
