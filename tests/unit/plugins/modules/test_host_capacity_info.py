# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.evenkeel.wsgi.plugins.modules import host_capacity_info


class Module:
    """What the helper needs of an AnsibleModule."""

    def __init__(self, program, out=""):
        self.program, self.out, self.commands = program, out, []

    def get_bin_path(self, name):
        return self.program

    def run_command(self, command, environ_update, check_rc):
        self.commands.append(command)
        return 0, self.out, ""


def test_nothing_is_asked_where_there_is_no_dpkg():
    module = Module(None)
    assert host_capacity_info.installed(module) == {}
    assert module.commands == []


def test_only_installed_packages_count():
    module = Module("/usr/bin/dpkg-query", "apache2\tinstalled\t2.4.71-1\nphp\tconfig-files\t8.4\n")
    assert host_capacity_info.installed(module) == {"apache2": "2.4.71-1"}
