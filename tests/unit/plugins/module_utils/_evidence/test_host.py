# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host is read; the whole on a running one: Molecule's scenarios `default` and `alarms`."""

from __future__ import annotations

import os

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence import host as core

SOCKETS = "LISTEN 0 4096 10.0.9.11:9100 0.0.0.0:*\nLISTEN 0 4096 *:9117 *:*\nLISTEN 0 511 [::]:80 [::]:*\n"


def host(out="", code=0):
    return core.Host(lambda *_arguments, **_options: (code, out, ""))


def test_addresses_are_told_apart_by_port():
    assert host(SOCKETS).listeners == {9100: ["10.0.9.11"], 9117: ["*"], 80: ["[::]"]}


@pytest.mark.parametrize(("out", "pid"), [("0\n", ""), ("", ""), ("812\n", "812")])
def test_a_unit_that_does_not_run_has_no_process(out, pid):
    assert host(out).main_pid("apache2.service") == pid


def test_a_command_that_fails_or_is_not_there_says_nothing():
    def missing(*_arguments, **_options):
        raise FileNotFoundError

    assert host("half an answer", code=1).run("ss") == core.Host(missing).run("ss") == ""


def test_the_newest_file_of_the_set_is_read_without_a_line_that_is_cut(tmp_path):
    log = tmp_path / "access.json"
    assert host().newest_lines(str(log)) == []
    log.write_text("old\n")
    os.utime(log, (1, 1))
    (tmp_path / "access.json.1").write_text("x" * core.TAIL + "\nnew\nunfinished")
    (tmp_path / "access.json.gz").write_text("no\n")
    assert host().newest_lines(str(log)) == ["new"]


def test_what_is_not_there_is_none(tmp_path):
    assert host().read(str(tmp_path / "no")) is None
    assert host().age(str(tmp_path / "no")) is None
    assert host().own_mounts("no") is None
