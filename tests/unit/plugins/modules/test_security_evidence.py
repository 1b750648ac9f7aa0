# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the module reads a host; the whole on a running host: Molecule's scenarios `default` and `alarms`."""

from __future__ import annotations

import os

from ansible_collections.evenkeel.wsgi.plugins.modules import security_evidence as module


class Module:
    """What the helper needs of an AnsibleModule."""

    def run_command(self, _command):
        return 0, "LISTEN 0 4096 10.0.9.11:9100 0.0.0.0:*\nLISTEN 0 4096 *:9117 *:*\nLISTEN 0 511 [::]:80 [::]:*\n", ""


def test_addresses_are_told_apart_by_port():
    assert module.listeners(Module(), [9100, 9117, 9999]) == {9100: ["10.0.9.11"], 9117: ["*"], 9999: []}


def test_the_newest_file_of_the_set_is_read_without_a_line_that_is_cut(tmp_path):
    log = tmp_path / "access.json"
    assert module.newest_lines(str(log)) == []
    log.write_text("old\n")
    os.utime(log, (1, 1))
    (tmp_path / "access.json.1").write_text("x" * module.TAIL + "\nnew\nunfinished")
    (tmp_path / "access.json.gz").write_text("no\n")
    assert module.newest_lines(str(log)) == ["new"]


def test_what_is_not_there_is_none(tmp_path):
    assert module.read(str(tmp_path / "no")) is None
    assert module.age(str(tmp_path / "no")) is None
    assert module.own_mounts("no") is None
