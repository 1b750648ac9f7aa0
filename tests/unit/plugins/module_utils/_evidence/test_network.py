# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as closed. The rules on a running kernel: tests/faults/test_network.py."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence import host as hosts
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence import network as core


def kernel(running, meant="rules", code=0):
    """A host whose kernel lists these rules, and makes those of whatever is wanted."""

    def run(command, **_options):
        return (code, meant if command[0] == "unshare" else running, "denied" if code else "")

    return hosts.Host(run)


@pytest.mark.parametrize(
    ("host", "rules", "state"),
    [
        (kernel("rules"), "wanted", "ok"),
        (kernel("others"), "wanted", "unmet"),
        (kernel("rules"), "", "unmet"),
        (kernel("rules", code=1), "wanted", "unverifiable"),
    ],
)
def test_only_the_wanted_rules_are_ok(host, rules, state):
    assert {finding.state for finding in core.look(host, {"rules": rules, "inbound_needs": [], "outbound_needs": []})} == {state}


def test_a_direction_that_waits_for_its_variables_names_them():
    inbound, outbound = core.look(kernel("rules"), {"rules": "wanted", "inbound_needs": [], "outbound_needs": ["egress"]})
    assert (inbound.state, outbound.state, outbound.saw) == ("ok", "unmet", "open; not given: egress")
