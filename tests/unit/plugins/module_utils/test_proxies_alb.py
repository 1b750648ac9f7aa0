# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a load balancer must be set to."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies import alb

GOOD = {alb.PORT: "false", alb.MODE: "append", alb.INVALID: "true", alb.IDLE: "60"}


def test_absent_attributes_are_what_aws_does():
    assert [drift.attribute for drift in alb.drift({}, 60)] == [alb.INVALID]
    assert alb.effective({})[alb.CLIENT_KEEP_ALIVE] == "3600"


@pytest.mark.parametrize(("name", "value"), [(alb.PORT, "true"), (alb.MODE, "preserve"), (alb.MODE, "remove"), (alb.INVALID, "false"), (alb.IDLE, "61")])
def test_each_attribute_is_compared_and_explained(name, value):
    (drift,) = alb.drift({**GOOD, name: value}, 60)
    assert (drift.attribute, drift.found, drift.wanted) == (name, value, GOOD[name])
    assert drift.why


def test_the_clients_keep_alive_is_nobodys_business():
    assert alb.drift({**GOOD, alb.CLIENT_KEEP_ALIVE: "1"}, 60) == []
