# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
from dataclasses import replace

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config import generation, modules, store, switches
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.errors import RequestError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.layout import Layout

HEADERS = "LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so\n"


@pytest.fixture
def layout(tmp_path):
    """Debian's directories with a few switches on."""
    root, state = tmp_path / "apache2", tmp_path / "state"
    for kind in ("mods", "sites", "conf"):
        for side in ("available", "enabled"):
            (root / ("%s-%s" % (kind, side))).mkdir(parents=True)
    for name in ("status", "mpm_prefork", "mpm_event"):
        for suffix in (".load", ".conf"):
            (root / "mods-available" / (name + suffix)).write_text("# %s\n" % name)
    (root / "mods-available" / "headers.load").write_text(HEADERS)
    (root / "mods-available" / "proxy_http.load").write_text("# Depends: proxy\nLoadModule proxy_http_module /m/mod_proxy_http.so\n")
    (root / "sites-available" / "000-default.conf").write_text("")
    links = [("mods", name) for name in ("status.load", "status.conf", "mpm_prefork.load", "mpm_prefork.conf")]
    for kind, name in [*links, ("sites", "000-default.conf")]:
        os.symlink("../%s-available/%s" % (kind, name), root / ("%s-enabled" % kind) / name)
    for marker in ("module/enabled_by_maint/status", "module/enabled_by_admin/mpm_prefork", "site/enabled_by_admin/000-default"):
        path = state / marker
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    paths = {
        name: str(root / folder)
        for name, folder in {
            "server_root": "",
            "directory": "evenkeel",
            "conf_available": "conf-available",
            "conf_enabled": "conf-enabled",
            "mods_available": "mods-available",
            "mods_enabled": "mods-enabled",
            "sites_enabled": "sites-enabled",
        }.items()
    }
    return Layout(markers=str(state), unit_dir=str(tmp_path / "units"), modules_dir="/m", **paths)


def tree(layout, ours=False):
    """Everything below the root with link texts, without our own directory."""
    found = {}
    for top in (layout.server_root, layout.markers, layout.unit_dir):
        for folder, _folders, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                if ours or not path.startswith(layout.directory + "/"):
                    found[path] = os.readlink(path) if os.path.islink(path) else ""
    return found


OFF = generation.Target(
    1,
    disable=frozenset({("modules", "status"), ("sites", "000-default")}),
    mpm="event",
    files={"000-evenkeel.conf": "x\n"},
    drop_ins={"evenkeel-a-limits.conf": "[Service]\n"},
)


def test_off_and_back_leaves_everything_as_found(layout):
    before = tree(layout)
    store.write_generation(layout, OFF)
    store.switch(layout, OFF)
    after = tree(layout)
    gone = {os.path.basename(path) for path in set(before) - set(after)}
    assert {"status.load", "status.conf", "000-default.conf", "mpm_prefork.load", "mpm_prefork.conf"} <= gone
    assert after[os.path.join(layout.mods_enabled, "mpm_event.load")] == "../mods-available/mpm_event.load"
    assert os.path.exists(os.path.join(layout.markers, "module/disabled_by_admin/status"))
    assert not os.path.exists(os.path.join(layout.markers, "module/enabled_by_maint/status"))
    assert store.pointed(layout) == 1 and store.differences(layout, OFF) == []
    store.switch(layout, generation.NOTHING)
    assert tree(layout) == before
    assert store.differences(layout, generation.NOTHING) == []


def test_exactly_one_mpm_is_loaded_after_every_change(layout, monkeypatch):
    """Also between the two renames that the switch takes."""
    rename, seen = os.rename, []

    def watched(source, destination):
        rename(source, destination)
        loads = [text for entry, text in switches.mpm_links(layout.mods_enabled).items() if entry.endswith(".load")]
        seen.append(len(set(loads)))

    monkeypatch.setattr(os, "rename", watched)
    switches.select_mpm(layout, OFF)
    switches.put_back_mpm(layout, generation.NOTHING)
    assert seen and set(seen) == {1}


class Killed(BaseException):
    pass


def kill_at(monkeypatch, number):
    """Let the process die before its n-th change."""
    left = [number]

    def wrapped(function):
        def call(*arguments, **keywords):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return function(*arguments, **keywords)

        return call

    for name in ("rename", "unlink", "symlink", "mkdir"):
        monkeypatch.setattr(os, name, wrapped(getattr(os, name)))
    return left


@pytest.mark.parametrize("number", range(40))
def test_a_run_killed_anywhere_is_finished_by_the_next(layout, monkeypatch, number):
    before = tree(layout)
    store.write_generation(layout, OFF)
    for state in (OFF, generation.NOTHING):
        with monkeypatch.context() as patch:
            kill_at(patch, number)
            with contextlib.suppress(Killed):
                store.switch(layout, state)
        store.switch(layout, state)
        assert store.differences(layout, state) == []
        store.prune(layout, 5, {1})
    assert tree(layout) == before


def test_what_somebody_switched_on_again_is_switched_off_again(layout):
    store.write_generation(layout, OFF)
    store.switch(layout, OFF)
    os.symlink("../sites-available/000-default.conf", os.path.join(layout.sites_enabled, "000-default.conf"))
    assert store.differences(layout, OFF) == ["switch off"]
    store.switch(layout, OFF)
    assert store.differences(layout, OFF) == []


def test_a_real_file_is_moved_and_comes_back_whole(layout):
    path = os.path.join(layout.sites_enabled, "own.conf")
    with open(path, "w") as handle:
        handle.write("mine\n")
    state = replace(OFF, disable=frozenset({("sites", "own")}), mpm="")
    switches.switch_off(layout, state)
    assert not os.path.exists(path)
    switches.put_back(layout, generation.NOTHING)
    with open(path) as handle:
        assert handle.read() == "mine\n"


def test_modules_are_loaded_as_the_distribution_says_with_what_they_depend_on(layout):
    assert modules.load_lines(layout, ["headers", "proxy_http", "wsgi_module /opt/w.so"]) == [
        ("headers_module", ["LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so"]),
        ("proxy_module", ["LoadModule proxy_module /m/mod_proxy.so"]),
        ("proxy_http_module", ["LoadModule proxy_http_module /m/mod_proxy_http.so"]),
        ("wsgi_module", ["LoadModule wsgi_module /opt/w.so"]),
    ]


def enable(layout, name):
    os.symlink("../mods-available/%s.load" % name, os.path.join(layout.mods_enabled, name + ".load"))


def test_remoteip_is_taken_over_only_while_headers_comes_too_late(layout):
    wanted = ["headers", "remoteip"]
    assert modules.out_of_order(layout, wanted, set()) == set()
    enable(layout, "remoteip")
    assert modules.out_of_order(layout, wanted, set()) == {("modules", "remoteip")}
    switches.switch_off(layout, replace(OFF, disable=frozenset({("modules", "remoteip")})))
    assert modules.out_of_order(layout, wanted, set()) == {("modules", "remoteip")}, "the next run must want the same"
    enable(layout, "headers")
    assert modules.out_of_order(layout, wanted, set()) == set()


def test_what_needs_prefork_is_refused_by_name(layout):
    with open(os.path.join(layout.mods_available, "php8.4.load"), "w") as handle:
        handle.write("# Conflicts: php5\n# Depends: mpm_prefork\nLoadModule php_module /m/libphp8.4.so\n")
    enable(layout, "php8.4")
    with pytest.raises(RequestError, match=r"php8\.4 needs the prefork MPM"):
        modules.refuse_needing_prefork(layout, OFF)
    modules.refuse_needing_prefork(layout, replace(OFF, disable=frozenset({("modules", "php8.4")})))


def test_generations_are_kept_as_asked(layout):
    for number in range(1, 9):
        store.write_generation(layout, replace(OFF, number=number))
        if number != 7:
            store.mark_proven(layout, replace(OFF, number=number))
    os.mkdir(os.path.join(layout.generations, ".new-9"))
    store.prune(layout, 3, {8, 1})
    assert store.numbers(layout) == [1, 5, 6, 8]
    assert sorted(os.listdir(layout.generations)) == ["1", "5", "6", "8"]


def test_a_generation_is_written_whole_or_not_at_all(layout, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.write_generation(layout, OFF)
    assert os.listdir(layout.generations) == []
