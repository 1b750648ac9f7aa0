# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The slots on disk: what each change leaves when nothing follows it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._deploy.slots import HookRecord, Hooks, Load, Slots, environment_file

ENTRY = b"application = None\n"


@pytest.fixture
def slots(tmp_path: Path) -> Slots:
    for name in ("one", "two"):
        (tmp_path / "releases" / name).mkdir(parents=True)
    return Slots(str(tmp_path), ("blue", "green"), os.getegid())


def load(slots: Slots, name: str, **variables: str) -> Load:
    return Load(os.path.realpath(f"{slots.directory}/releases/{name}"), environment_file(variables), ENTRY)


def test_an_application_that_never_served_has_no_active_slot(slots: Slots) -> None:
    assert slots.active() is None
    assert slots.other(None) == "blue"


def test_a_slot_counts_only_after_it_was_proven(slots: Slots) -> None:
    one = load(slots, "one", A="1")
    slots.put("blue", one)
    assert slots.release("blue") == one.release and slots.proven("blue") is None
    slots.prove("blue", one)
    assert slots.proven("blue") == one.state()
    slots.put("blue", load(slots, "two"))
    assert slots.proven("blue") is None, "from the first change on"


def test_the_environment_is_private_and_its_digest_too(slots: Slots) -> None:
    one = load(slots, "one", SECRET_KEY="hush")
    slots.put("blue", one)
    slots.prove("blue", one)
    assert slots.private("blue")
    assert os.stat(slots.path("blue", "slot.json")).st_mode & 0o777 == 0o600
    assert "hush" not in Path(slots.path("blue", "slot.json")).read_text()
    os.chmod(slots.path("blue", "environment.json"), 0o644)
    assert not slots.private("blue")


def test_another_environment_or_entry_is_another_state(slots: Slots) -> None:
    one = load(slots, "one", A="1")
    assert one.state() != load(slots, "one", A="2").state()
    assert one.state() != Load(one.release, one.environment, b"other").state()


def test_the_link_is_relative_inside_the_directory_and_absolute_outside(slots: Slots, tmp_path: Path) -> None:
    slots.put("blue", load(slots, "one"))
    assert os.readlink(slots.path("blue", "release")) == "../../releases/one"
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    slots.put("blue", Load(str(outside), b"{}", ENTRY))
    assert os.readlink(slots.path("blue", "release")) == str(outside)


@pytest.mark.parametrize("text", ["", "active\n", "active red\n", "green", "\udcff"])
def test_a_map_that_says_nothing_means_blue_as_it_does_to_apache(slots: Slots, text: str) -> None:
    slots.put("blue", load(slots, "one"))
    slots.put("green", load(slots, "two"))
    Path(slots.map).write_bytes(text.encode(errors="surrogateescape"))
    assert slots.active() == "blue" and not slots.mapped("blue")
    slots.activate("green")
    assert slots.active() == "green" and slots.mapped("green")
    assert slots.used() == {load(slots, "one").release, load(slots, "two").release}


def test_a_release_that_is_gone_is_none(slots: Slots) -> None:
    slots.put("blue", load(slots, "one"))
    os.rmdir(load(slots, "one").release)
    assert slots.release("blue") is None and slots.active() is None


def test_hooks_are_had_once_for_each_release_and_text(slots: Slots) -> None:
    one, hooks = load(slots, "one").release, Hooks(before=(("migrate",),))
    assert HookRecord(slots).had(one, "after", hooks), "there are none"
    assert not HookRecord(slots).had(one, "before", hooks)
    HookRecord(slots).put(one, "before", hooks)
    assert HookRecord(slots).had(one, "before", hooks)
    assert not HookRecord(slots).had(one, "before", Hooks(before=(("migrate", "--all"),)))
    assert not HookRecord(slots).had(load(slots, "two").release, "before", hooks)
