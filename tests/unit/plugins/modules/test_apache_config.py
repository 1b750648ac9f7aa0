# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module only translates: parameters to a request, results and errors back."""

from __future__ import annotations

import dataclasses

import pytest
import yaml
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.errors import ProofFailed
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.layout import Layout
from ansible_collections.evenkeel.wsgi.plugins.modules import apache_config

RESULT = {
    "changed": True, "generation": 2, "action": "reload", "running": {}, "warnings": ["look here"], "diff": [{"before": ""}], "reasons": []}


class Ended(Exception):
    pass


class Module:
    """An AnsibleModule that remembers how it ended."""

    _diff = False
    check_mode = True

    def __init__(self, argument_spec, supports_check_mode):
        self.params = {name: spec.get("default") for name, spec in argument_spec.items()}
        self.params["layout"] = {"service": "httpd"}
        self.warned = []
        Module.last = self

    def warn(self, text):
        self.warned.append(text)

    def exit_json(self, **result):
        self.result = result
        raise Ended

    def fail_json(self, **result):
        self.exit_json(failed=True, **result)


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr(apache_config, "AnsibleModule", Module)

    def with_outcome(outcome):
        def execute(request, layout):
            Module.last.asked = request, layout
            if isinstance(outcome, Exception):
                raise outcome
            return dict(outcome)

        monkeypatch.setattr(apache_config, "execute", execute)
        with pytest.raises(Ended):
            apache_config.main()
        return Module.last

    return with_outcome


def test_parameters_become_a_request(run):
    request, layout = run(RESULT).asked
    assert request.check_mode is True and request.state == "applied" and request.keep == 5
    assert layout == dataclasses.replace(Layout(), service="httpd")


def test_warnings_are_said_and_the_diff_is_for_diff_mode_only(run, monkeypatch):
    module = run(RESULT)
    assert module.warned == ["look here"]
    assert module.result == {"changed": True, "generation": 2, "action": "reload", "running": {}, "reasons": []}
    monkeypatch.setattr(Module, "_diff", True)
    assert run(RESULT).result["diff"] == [{"before": ""}]


def test_errors_bring_their_details(run):
    module = run(ProofFailed("generation 2 failed", rolled_back=True, journal=["x"]))
    assert module.result == {"failed": True, "msg": "generation 2 failed", "rolled_back": True, "journal": ["x"]}


def test_the_layout_is_documented_as_it_is():
    documented = yaml.safe_load(apache_config.DOCUMENTATION)["options"]["layout"]["suboptions"]
    assert {name: option["default"] for name, option in documented.items()} == dataclasses.asdict(Layout())
