# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.wsgi.plugins.modules import host_capacity_info


class Module:
    """What the helper needs of an AnsibleModule."""

    def __init__(self, program, out=""):
        self.program, self.out, self.commands = program, out, []

    def get_bin_path(self, name):
        return self.program

    def run_command(self, command, environ_update):
        self.commands.append(command)
        return 1, self.out, "dpkg-query: no packages found matching nosuch"


def test_nothing_is_asked_where_there_is_no_dpkg():
    module = Module(None)
    assert host_capacity_info.installed(module, ["apache2"]) == {}
    assert module.commands == []


@pytest.mark.parametrize("names", [["apache2"], ["apache2", "nosuch"]])
def test_an_unknown_name_does_not_hide_the_known_ones(names):
    module = Module("/usr/bin/dpkg-query", "apache2\tinstalled\t2.4.71-1\n")
    assert host_capacity_info.installed(module, names) == {"apache2": "2.4.71-1"}
    assert module.commands[0][-len(names) :] == names
