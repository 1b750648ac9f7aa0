# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as shut in, hardened, patched and told."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence import surface as core
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.host import Answer


@pytest.mark.parametrize(("status", "state"), [(200, "ok"), (503, "ok"), (404, "unmet"), (0, "unmet")])
def test_ready_or_not_is_an_answer(status, state):
    assert core.readiness_is_told("/-/readyz", Answer(status, {})).state == state
    assert core.readiness_is_told("", Answer(status, {})).state == "unmet"


@pytest.mark.parametrize(
    ("exposed", "state"),
    [({"apache2.service": 2.7, "celery@a.service": 3.0}, "ok"), ({"apache2.service": 2.7, "celery@a.service": 3.1}, "unmet"), ({}, "unverifiable")],
)
def test_the_most_exposed_service_counts(exposed, state):
    assert core.services_are_shut_in(exposed).state == state


def test_what_the_kernel_refused_is_named_and_what_it_does_not_know_is_passed_over():
    wanted = {"kernel.sysrq": "0", "net.core.bpf_jit_harden": "2"}
    refused = core.kernel_is_hardened(wanted, {"kernel.sysrq": "176", "net.core.bpf_jit_harden": ""}, False)
    assert (refused.state, refused.saw) == ("unmet", "kernel.sysrq is 176, not 0")
    assert core.kernel_is_hardened(wanted, {"kernel.sysrq": "176"}, True).state == "unverifiable"
    assert core.kernel_is_hardened(wanted, {"kernel.sysrq": "0", "net.core.bpf_jit_harden": "2"}, True).state == "ok"
    assert core.kernel_is_hardened({}, {}, False).state == "unmet"


@pytest.mark.parametrize(
    ("versions", "state"), [({"Installed": "1", "Candidate": "1"}, "ok"), ({"Installed": "1", "Candidate": "2"}, "unmet"), ({}, "unverifiable")]
)
def test_the_newest_version_is_patched(versions, state):
    assert core.apache_is_patched(versions).state == state
