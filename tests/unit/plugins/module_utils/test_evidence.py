# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control is ok only when the host showed it; what cannot be seen is never ok."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _evidence as core

ROOT = pathlib.Path(__file__).parents[4]
NONE = core.Answer(0, {})


def answer(status=200, server="Apache"):
    return core.Answer(status, {"server": server})


@pytest.mark.parametrize(
    ("control", "state"),
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
        (core.metrics_on_one_address({9100: ["10.0.9.11"], 9117: ["10.0.9.11"]}), "ok"),
        (core.metrics_on_one_address({9100: ["10.0.9.11"], 9117: []}), "unmet"),
        (core.metrics_on_one_address({9100: ["10.0.9.11"], 9117: ["*"]}), "unmet"),
        (core.metrics_on_one_address({}), "unmet"),
        (core.metrics_are_fresh({"evenkeel_http.prom": 14.0}), "ok"),
        (core.metrics_are_fresh({"evenkeel_http.prom": 14.0, "evenkeel_changes.prom": 121.0}), "unmet"),
        (core.metrics_are_fresh({"evenkeel_http.prom": None}), "unmet"),
        (core.metrics_are_fresh({}), "unmet"),
        (core.configuration_is_ansibles('evenkeel_administrator{user="root"} 1\n'), "ok"),
        (core.configuration_is_ansibles('evenkeel_changed_file{file="/etc/x"} 1\n'), "unmet"),
        (core.configuration_is_ansibles(None), "unverifiable"),
        (core.alarms_are_heard(False), "unmet"),
        (core.alarms_are_heard(True), "unverifiable"),
        (core.time_is_in_sync("yes"), "ok"),
        (core.time_is_in_sync("no"), "unmet"),
        (core.time_is_in_sync(""), "unverifiable"),
    ],
)
def test_the_state_follows_from_what_was_seen(control, state):
    assert control.state == state, control
    assert control.saw
    assert control.wants


EXCEPTION = {"control": "trace_is_refused", "reason": "a debugging week", "owner": "ops", "expires": "2027-01-31"}


def test_an_exception_marks_an_unmet_control_and_says_who_answers_for_it():
    (control,) = core.excepted([core.trace_is_refused(NONE)], [EXCEPTION], "2027-01-31")
    assert control.state == "excepted"
    assert "a debugging week (ops, until 2027-01-31)" in control.saw


def test_an_exception_does_not_make_less_of_a_control_that_holds():
    assert core.excepted([core.trace_is_refused(answer(405))], [EXCEPTION], "2027-01-01")[0].state == "ok"


@pytest.mark.parametrize(
    ("change", "today", "says"),
    [
        ({}, "2027-02-01", "ended on 2027-01-31"),
        ({"control": "no_such"}, "2027-01-01", "there is no such control; there are trace_is_refused"),
        ({"expires": "soon"}, "2027-01-01", "a date such as"),
    ],
)
def test_an_exception_that_does_not_hold_is_refused(change, today, says):
    with pytest.raises(core.EvidenceError, match=says):
        core.excepted([core.trace_is_refused(NONE)], [{**EXCEPTION, **change}], today)


def test_every_control_can_be_excepted_by_the_role_and_nothing_else():
    options = yaml.safe_load((ROOT / "roles/security_baseline/meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    judged = re.findall(r'judged\(\s*"(\w+)"', (ROOT / "plugins/module_utils/_evidence.py").read_text())
    assert options["security_baseline_exceptions"]["options"]["control"]["choices"] == list(dict.fromkeys(judged))
