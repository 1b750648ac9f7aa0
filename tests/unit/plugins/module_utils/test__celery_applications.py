# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be written into a unit, and the words of each refusal."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._applications import ApplicationError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._celery_applications import settle


def app(**more):
    return {"name": "shop", "app": "shop", "nodes": [node()], **more}


def node(**more):
    return {"name": "default", "queues": ["Q1"], "time_limit": 3000, **more}


def test_fills_in_what_is_left_out():
    assert settle([app(broker_url="redis://:pw@h/0", secrets={"SECRET_KEY": "s"})]) == [
        {
            **app(broker_url="redis://:pw@h/0"),
            "user": "shop",
            "group": "shop",
            "directory": "/srv/shop/current",
            "virtualenv": "/srv/shop/current/venv",
            "environment": {},
            "secrets": {"SECRET_KEY": "s", "CELERY_BROKER_URL": "redis://:pw@h/0"},
            "beat": "",
            "pickle": False,
            "other_queues": [],
        }
    ]
    assert settle([app(user="web")])[0]["group"] == "web"
    assert settle([app(directory="/opt/x")])[0]["virtualenv"] == "/opt/x/venv"
    assert settle([]) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (app(name="Shop"), "[0].name: 'Shop'"),
        ({"name": "shop", "nodes": []}, "[0].app: missing"),
        (app(app="shop -b amqp://"), "[0].app: 'shop -b amqp://'"),
        (app(app="shop\nUser=root"), "[0].app"),
        (app(app="%n"), "what `celery -A` takes"),
        (app(user="root"), "queue. Leave it out to get a user named 'shop'"),
        (app(group="sudo"), "[0].group: 'sudo' has rights of its own"),
        (app(user="shop\n"), "[0].user"),
        (app(directory="/srv/my shop"), "[0].directory: '/srv/my shop' is not allowed here"),
        (app(directory="srv"), "an absolute path"),
        (app(directory="/srv/../etc"), "[0].directory"),
        (app(virtualenv="/srv/%i"), "[0].virtualenv: '/srv/%i'"),
        (app(virtualenv='/srv/"v"'), "[0].virtualenv"),
        (app(environment={"A B": 1}), "[0].environment: 'A B'"),
        (app(environment={"A": [1]}), "[0].environment.A: not a text or a number"),
        (app(environment={"A": 1}, secrets={"A": 2}), "[0].environment.A: it is also in secrets"),
        (app(environment={"CELERY_VISIBILITY_TIMEOUT": 1}), "Write celery_multi_applications[0].visibility_timeout instead"),
        (app(broker_url="redis://h/0", secrets={"CELERY_BROKER_URL": "x"}), "Write celery_multi_applications[0].broker_url instead"),
        (app(broker_url="localhost"), "[0].broker_url: this is not a URL"),
        (app(nodes=[node(), node(name="b")]), "nodes[1].queues: 'Q1' already belongs to node 'default'"),
        (app(nodes=[node(queues=["Q1", "Q1"])]), "already belongs to node 'default'"),
        (app(nodes=[node(queues=["Q1,Q2"])]), "nodes[0].queues: 'Q1,Q2'"),
        (app(broker_url="memory://localhost//"), "memory:// is no broker that a web process and a node share"),
        (app(other_queues=["a b"]), "[0].other_queues: 'a b'"),
    ],
)
def test_refusals_name_variable_value_reason_and_remedy(given, said):
    with pytest.raises(ApplicationError) as refused:
        settle([given])
    assert str(refused.value).startswith("celery_multi_applications[0]") and said in str(refused.value)


def test_no_secret_in_a_refusal():
    for given in (app(broker_url="redis://:hunter2 @h"), app(secrets={"A": ["hunter2"]}), app(secrets={"A": "hunter2\0"})):
        with pytest.raises(ApplicationError) as refused:
            settle([given])
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("fleet", "said"),
    [
        ({"a": {"shop": "a"}, "b": {"shop": "b"}}, "'a', but 'b' on host b: two would send"),
        ({"b": {"shop": "a"}}, "no host 'a' of the inventory"),
        ({"a": {}, "b": {"shop": "a"}}, "so nobody would send its tasks"),
    ],
)
def test_two_schedulers_or_none_are_refused(fleet, said):
    with pytest.raises(ApplicationError, match=said):
        settle([app(beat="a")], fleet)


def test_one_scheduler():
    assert settle([app(beat="a")], {"a": {"shop": "a"}, "b": {"shop": "a"}, "c": {"shop": ""}, "d": {}})[0]["beat"] == "a"
    assert settle([app()], {})[0]["beat"] == ""


def test_two_applications_of_one_name():
    with pytest.raises(ApplicationError, match="into one list"):
        settle([app(), app()])
