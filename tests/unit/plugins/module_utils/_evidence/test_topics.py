# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every control is looked at, and a host that shows nothing has none that is ok."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence import lines, model, topics
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.host import Answer, Host


class Nothing(Host):
    """A host on which nothing is installed and nothing answers."""

    def __init__(self):
        super().__init__(lambda *_arguments, **_options: (127, "", ""))

    def ask(self, method, path):
        return Answer(0, {})

    def read(self, path):
        return None

    def age(self, path):
        return None


@pytest.mark.parametrize("name", topics.TOPICS)
def test_a_topic_looks_at_each_of_its_controls_and_a_bare_host_is_never_ok(name):
    topic = topics.TOPICS[name]
    defaults = {option: spec.get("default") for option, spec in topic.OPTIONS.items()}
    findings = topic.look(Nothing(), defaults)
    assert [finding.id for finding in findings] == [control.id for control in topics.CONTROLS.values() if control.topic == name]
    assert {finding.state for finding in findings} <= {model.UNMET, model.UNVERIFIABLE}


@pytest.mark.parametrize("control", topics.CONTROLS.values(), ids=lambda control: control.id)
def test_a_control_says_what_the_register_needs(control):
    assert control.line in lines.LINES
    assert all((control.against, control.proof, control.cost, control.wants, control.judge.__doc__))
