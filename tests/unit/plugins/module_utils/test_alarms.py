# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms: what is refused, and that the shipped list is complete. Whether each fires: promtool, in Molecule's scenario `alarms`."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _alarms as core

ROOT = pathlib.Path(__file__).parents[4]
SHIPPED = yaml.safe_load((ROOT / "roles/security_baseline/files/alarms.yml").read_text())
GOOD = {
    "name": "ApacheDown",
    "severity": "critical",
    "owner": "operations",
    "expr": "apache_up == 0",
    "for": "1m",
    "says": "Apache of {{ $labels.host }} does not answer.",
    "test": {"at": "2m", "firing": {"apache_up": "0x20"}, "quiet": {"apache_up": "1x20"}},
}


def without(key):
    return {name: value for name, value in GOOD.items() if name != key}


def test_an_alarm_becomes_a_rule_with_its_owner_severity_and_runbook():
    (rule,) = core.rules(core.settle([GOOD], "https://wiki.example.org/"))["groups"][0]["rules"]
    assert rule == {
        "alert": "ApacheDown",
        "expr": "apache_up == 0",
        "for": "1m",
        "labels": {"severity": "critical", "owner": "operations"},
        "annotations": {"summary": GOOD["says"], "runbook_url": "https://wiki.example.org/ApacheDown.md"},
    }


def test_an_alarm_without_a_wait_fires_at_once_and_may_bring_its_own_page():
    (rule,) = core.rules(core.settle([{**without("for"), "runbook": "https://a.example/b"}], "https://x"))["groups"][0]["rules"]
    assert "for" not in rule
    assert rule["annotations"]["runbook_url"] == "https://a.example/b"


def test_each_alarm_is_tested_to_fire_and_to_be_quiet():
    tests = core.tests(core.settle([GOOD], "https://x"), "rules.yml")
    assert tests["rule_files"] == ["rules.yml"]
    assert [(case["input_series"][0]["values"], case["promql_expr_test"][0]["exp_samples"][0]["value"]) for case in tests["tests"]] == [
        ("0x20", 1),
        ("1x20", 0),
    ]


@pytest.mark.parametrize("key", core.REQUIRED)
def test_an_alarm_without_one_of_its_parts_is_refused(key):
    with pytest.raises(core.AlarmError, match=f"has no {key}"):
        core.settle([without(key)], "https://x")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": "apache down"}, "letters and digits"),
        ({"severity": "page"}, "critical or warning"),
        ({"for": "soon"}, "a time such as"),
        ({"runbook": "wiki"}, "URL"),
        ({"labels": {}}, "labels is not a key"),
        ({"test": "yes"}, "test: write at, firing, quiet"),
        ({"test": {**GOOD["test"], "at": "2"}}, "test.at"),
        ({"test": {**GOOD["test"], "quiet": {}}}, "test.quiet"),
        ({"test": {**GOOD["test"], "firing": {"apache_up": 32}}}, "YAML reads 0x20 as 32"),
    ],
)
def test_what_prometheus_or_people_could_not_use_is_refused(change, says):
    with pytest.raises(core.AlarmError, match=re.escape(says)):
        core.settle([{**GOOD, **change}], "https://x")


def test_all_faults_of_all_alarms_are_told_at_once():
    with pytest.raises(core.AlarmError) as error:
        core.settle([without("owner"), {**without("test"), "name": "Other"}, GOOD], "https://x")
    assert "ApacheDown: has no owner" in str(error.value)
    assert "Other: has no test" in str(error.value)
    assert "two alarms of this name" in str(error.value)


def test_the_shipped_alarms_are_complete():
    assert len(core.settle(SHIPPED, "https://x")) == len(SHIPPED)


def test_every_shipped_alarm_has_its_runbook_and_every_runbook_its_alarm():
    pages = {path.stem: path.read_text() for path in (ROOT / "docs/runbooks").glob("*.md")}
    assert set(pages) == {alarm["name"] for alarm in SHIPPED}
    for name, text in pages.items():
        assert text.startswith(f"# {name}\n"), name
        assert re.findall(r"^## (\w+)$", text, re.M) == ["Look", "Act"], name
        assert "`" in text.split("## Look")[1] or "](" in text, name


def test_alarms_compare_with_numbers_of_the_plan_that_site_yml_hands_over():
    asked = {setting for alarm in SHIPPED for setting in re.findall(r'evenkeel_plan\{setting="(\w+)"', alarm["expr"])}
    handed = yaml.safe_load((ROOT / "playbooks/site.yml").read_text())[0]["vars"]["security_baseline_plan"]
    assert asked == set(handed)
