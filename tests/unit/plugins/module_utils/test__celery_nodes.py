# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to happen, given what is wanted and what is there."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _celery_nodes as core
from ansible_collections.evenkeel.wsgi.plugins.module_utils._celery_nodes import ABSENT, FIRST_LINE, Record, State

RUNS = State(active=True, main_pid=1, restarts=0, enabled=True, stale=False, sub="running")


def units(*nodes, text=""):
    return {name: f"{FIRST_LINE}\n{name}{text}\n" for name in ("celery.service", *(f"celery@{node}.service" for node in nodes))}


def plan(wanted, have, record, *, running=(), nodes=None):
    digests = {core.node_of(name): core.digest(text, {}, [""], "") for name, text in wanted.items() if core.node_of(name)}
    states = {core.unit(node): RUNS for node in running} | ({"celery.service": RUNS} if running else {})
    return core.plan(wanted=wanted, have=have, digests=digests, record=Record(record, ()), states=states), digests


def test_nothing_there():
    actions, _digests = plan(units("a", "b"), {}, {})
    assert actions.write == tuple(units("a", "b")) and actions.start == ("a", "b") and actions.enable and actions.start_service
    assert not actions.restart and not actions.stop


def test_all_as_wanted():
    wanted = units("a", "b")
    digests = plan(wanted, {}, {})[1]
    assert not plan(wanted, wanted, digests, running=("a", "b"))[0].any


def test_only_the_changed_node_restarts():
    have = units("a", "b")
    digests = plan(have, {}, {})[1]
    wanted = have | {"celery@b.service": f"{FIRST_LINE}\nchanged\n"}
    actions = plan(wanted, have, digests, running=("a", "b"))[0]
    assert (actions.write, actions.restart, actions.forget, actions.start) == (("celery@b.service",), ("b",), ("b",), ())


def test_a_node_without_record_restarts():
    wanted = units("a", "b")
    digests = plan(wanted, {}, {})[1]
    assert plan(wanted, wanted, {"a": digests["a"]}, running=("a", "b"))[0].restart == ("b",)


def test_a_file_changed_by_hand_is_put_back_and_its_node_restarted():
    wanted = units("a")
    digests = plan(wanted, {}, {})[1]
    actions = plan(wanted, wanted | {"celery@a.service": f"{FIRST_LINE}\nby hand\n"}, digests, running=("a",))[0]
    assert actions.write == ("celery@a.service",) and actions.restart == ("a",)


def test_a_dead_node_is_started():
    wanted = units("a", "b")
    digests = plan(wanted, {}, {})[1]
    actions = plan(wanted, wanted, digests, running=("a",))[0]
    assert actions.start == ("b",) and not actions.restart


def test_a_removed_node_is_stopped_and_the_service_last():
    have = units("a", "b")
    digests = plan(have, {}, {})[1]
    actions = plan(units("a"), have, digests, running=("a", "b"))[0]
    assert actions.stop == actions.remove == ("celery@b.service",) and actions.forget == ("b",)
    actions = plan({}, have, digests, running=("a", "b"))[0]
    assert actions.stop == ("celery@a.service", "celery@b.service", "celery.service") and not actions.enable


def test_digest_follows_the_files_that_the_unit_reads():
    text = "[Service]\nEnvironmentFile=/etc/a.env\nEnvironmentFile=-/etc/b.env\nExecStart=x\n"
    assert core.environment_files(text) == ["/etc/a.env", "/etc/b.env"]
    base = core.digest(text, {"/etc/a.env": "A=1", "/etc/c.env": "C=1"}, ["r"], "/code")
    assert base == core.digest(text, {"/etc/a.env": "A=1", "/etc/c.env": "C=2"}, ["r"], "/code")
    others = [
        core.digest(text, {"/etc/a.env": "A=2"}, ["r"], "/code"),
        core.digest(text, {"/etc/a.env": "A=1", "/etc/b.env": "B"}, ["r"], "/code"),
        core.digest(text, {"/etc/a.env": "A=1"}, ["s"], "/code"),
        core.digest(text, {"/etc/a.env": "A=1"}, ["r"], "/new"),
    ]
    assert len({base, *others}) == 5


@pytest.mark.parametrize(
    ("given", "nodes", "reason"),
    [
        ({"celery@../x.service": FIRST_LINE}, ["a"], "write celery.service or celery@NODE.service"),
        ({"celery.service": "[Unit]"}, ["a"], "must begin with the line"),
        (units("a"), ["a", "b"], "do not agree on celery@b.service"),
        (units("a", "b"), ["a"], "do not agree on celery@b.service"),
        (units(), [], "do not agree on celery.service"),
    ],
)
def test_refuses_what_does_not_belong_together(given, nodes, reason):
    with pytest.raises(core.NodesError, match=reason):
        core.check(given, nodes)


def test_accepts_nodes_and_no_nodes():
    core.check(units("a", "b-2"), ["a", "b-2"])
    core.check({}, [])


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"nodes": 1}'])
def test_an_unreadable_record_is_an_empty_one(content):
    assert Record.parse(content) == Record({}, ())


def test_a_record_survives_storage():
    record = Record({"a": "1"}, ("/etc/x",))
    assert Record.parse(record.dump()) == record


@pytest.mark.parametrize(("said", "active"), [("active", True), ("reloading", True), ("activating", False), ("failed", False), ("inactive", False)])
def test_state_of_a_unit(said, active):
    block = f"Id=celery@a.service\nActiveState={said}\nSubState=running\nMainPID=12\nNRestarts=3\nUnitFileState=\nNeedDaemonReload=yes"
    assert State.parse(block) == State(active=active, main_pid=12, restarts=3, enabled=False, stale=True, sub="running")
    assert not ABSENT.active


def test_what_a_running_unit_takes_over_restarts_nothing():
    have = units("a", text="\nMemoryMax=100M\nTimeoutStopSec=10")
    digests = plan(have, {}, {})[1]
    actions = plan(units("a", text="\nMemoryMax=200M\nTimeoutStopSec=20"), have, digests, running=("a",))[0]
    assert (actions.write, actions.restart) == (("celery.service", "celery@a.service"), ())
    assert plan(units("a", text="\nMemoryMax=200M\nNice=5"), have, digests, running=("a",))[0].restart == ("a",)
