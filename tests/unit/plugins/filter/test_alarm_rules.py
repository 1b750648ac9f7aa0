# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter translates; the alarms themselves: module_utils/test_alarms.py."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.wsgi.plugins.filter.alarm_rules import FilterModule

alarm_rules = FilterModule().filters()["alarm_rules"]
ALARM = {
    "name": "ApacheDown",
    "severity": "critical",
    "owner": "operations",
    "expr": "apache_up == 0",
    "says": "Apache does not answer.",
    "test": {"at": "1m", "firing": {"apache_up": "0x10"}, "quiet": {"apache_up": "1x10"}},
}


def test_both_files_come_out():
    files = alarm_rules([ALARM], "https://x", rule_file="mine.yml")
    assert files["rules"]["groups"][0]["rules"][0]["alert"] == "ApacheDown"
    assert files["tests"]["rule_files"] == ["mine.yml"]


@pytest.mark.parametrize("alarms", ["text", {"name": "x"}, ["text"], [{"name": "Lonely"}]])
def test_what_is_no_list_of_alarms_is_refused(alarms):
    with pytest.raises(AnsibleFilterError, match="evenkeel.wsgi.alarm_rules: "):
        alarm_rules(alarms, "https://x")
