# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control of Apache is ok only when the host showed it."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence import apache as core
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.host import Answer

NONE = Answer(0, {})


def answer(status=200, server="Apache"):
    return Answer(status, {"server": server})


@pytest.mark.parametrize(
    ("finding", "state"),
    [
        (core.no_version_in_answers(answer()), "ok"),
        (core.no_version_in_answers(answer(server="Apache/2.4.71 (Debian)")), "unmet"),
        (core.no_version_in_answers(NONE), "unmet"),
        (core.trace_is_refused(answer(405)), "ok"),
        (core.trace_is_refused(answer(200)), "unmet"),
        (core.trace_is_refused(NONE), "unmet"),
        (core.health_without_the_application("/-/healthz", answer()), "ok"),
        (core.health_without_the_application("/-/healthz", answer(404)), "unmet"),
        (core.health_without_the_application("", answer()), "unmet"),
        (core.access_log_is_json(True, ['{"status": 200}']), "ok"),
        (core.access_log_is_json(True, ['{"status": 200}', "GET / 200"]), "unmet"),
        (core.access_log_is_json(True, []), "unverifiable"),
        (core.access_log_is_json(False, []), "unmet"),
        (core.apache_is_sandboxed("Name:\tapache2\nNoNewPrivs:\t1\n", True), "ok"),
        (core.apache_is_sandboxed("NoNewPrivs:\t0\n", True), "unmet"),
        (core.apache_is_sandboxed("NoNewPrivs:\t1\n", False), "unmet"),
        (core.apache_is_sandboxed(None, None), "unmet"),
    ],
)
def test_the_state_follows_from_what_was_seen(finding, state):
    assert finding.state == state, finding
    assert finding.saw
