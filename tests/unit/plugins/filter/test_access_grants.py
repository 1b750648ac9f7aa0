# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters translate; the grants themselves: module_utils/_access/test_grants.py."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.wsgi.plugins.filter import access_grants as grants
from ansible_collections.evenkeel.wsgi.plugins.filter import access_statement as statement

access_grants = grants.FilterModule().filters()["access_grants"]
access_statement = statement.FilterModule().filters()["access_statement"]


def test_no_grants_are_no_accounts():
    assert access_grants([]) == {"accounts": {}, "break_glass": None, "automation": {}}


@pytest.mark.parametrize("given", ["alice", {"account": "alice"}, ["alice"], [{"account": "alice"}]])
def test_what_is_no_list_of_grants_is_refused(given):
    with pytest.raises(AnsibleFilterError, match="evenkeel.wsgi.access_grants: "):
        access_grants(given)


def test_a_statement_has_a_line_for_each_field():
    assert access_statement({"person": "Alice", "approval": "x"}) == '{\n "person": "Alice"\n}\n'
    with pytest.raises(AnsibleFilterError, match="a grant is a dictionary"):
        access_statement("alice")
