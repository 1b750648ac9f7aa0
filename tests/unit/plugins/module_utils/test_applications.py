# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be deployed, and what is refused with a reason."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._applications import ApplicationError, settle
from hypothesis import given
from hypothesis import strategies as st

SHOP: dict[str, t.Any] = {"name": "shop", "server_name": "shop.example.org", "wsgi_script": "shop/wsgi.py"}


def test_defaults_follow_the_name() -> None:
    (shop,) = settle([SHOP])
    assert (shop["user"], shop["group"], shop["directory"], shop["mount_point"]) == ("shop", "shop", "/srv/shop", "/")


def test_group_follows_the_user() -> None:
    (shop,) = settle([{**SHOP, "user": "merchant"}])
    assert shop["group"] == "merchant"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "Shop"}, "[0].name: 'Shop'"),
        ({"name": None}, "[0].name: missing"),
        ({"server_name": "shop.example.org\n  Include /etc/passwd"}, "[0].server_name"),
        ({"server_name": "https://shop.example.org"}, "one host name without scheme"),
        ({"server_aliases": ["ok.example.org", "a b"]}, "[0].server_aliases[1]"),
        ({"directory": "srv/shop"}, "an absolute path"),
        ({"directory": "/srv/../etc"}, "[0].directory"),
        ({"wsgi_script": "/etc/passwd"}, "relative to the release"),
        ({"wsgi_script": "../wsgi.py"}, "[0].wsgi_script"),
        ({"mount_point": "/shop/"}, "without a / at its end"),
        ({"mount_point": '/a" process-group=b'}, "[0].mount_point"),
        ({"static": {"/static/": "../../etc"}}, "[0].static['/static/']"),
        ({"environment": {"A B": "1"}}, "[0].environment"),
        ({"user": "root"}, "has rights of its own"),
        ({"group": "www-data"}, "has rights of its own"),
    ],
)
def test_refusals_name_the_variable_and_say_what_to_write(change: dict[str, t.Any], told: str) -> None:
    with pytest.raises(ApplicationError) as refusal:
        settle([{**SHOP, **change}])
    assert told in str(refusal.value)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({}, "name 'shop'"),
        ({"name": "other", "directory": "/srv/shop"}, "directory '/srv/shop'"),
        ({"name": "other"}, "address 'shop.example.org/'"),
    ],
)
def test_two_applications_cannot_claim_the_same(change: dict[str, t.Any], kind: str) -> None:
    with pytest.raises(ApplicationError) as refusal:
        settle([SHOP, {**SHOP, **change}])
    assert f"[1]: {kind} already belongs to" in str(refusal.value)


def test_two_applications_share_a_host_under_different_paths() -> None:
    assert len(settle([SHOP, {**SHOP, "name": "admin", "mount_point": "/admin"}])) == 2


@given(st.text(max_size=1000), st.sampled_from(["name", "server_name", "directory", "wsgi_script", "mount_point", "health_path", "user"]))
def test_no_accepted_text_can_leave_its_place_in_the_configuration(text: str, key: str) -> None:
    try:
        (shop,) = settle([{**SHOP, key: text}])
    except ApplicationError:
        return
    assert not set(str(shop[key])) & set(" \t\r\n\0\"'\\<>${}%#")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"deploy": "canary"}, "one of bluegreen, single"),
        ({"archive": "shop.tar.gz", "git": {"repo": "https://git.example.org/shop.git", "version": "v1"}}, "both archive and git"),
        ({"git": {"repo": "https://git.example.org/shop.git"}}, "version: v1.2"),
        ({"git": {"repo": "--upload-pack=touch /tmp/x", "version": "v1"}}, "git"),
        ({"git": {"repo": "https://git.example.org/shop.git", "version": "-f"}}, "git"),
        ({"packages": ["--index-url=http://elsewhere.example.org", "shop"]}, "shop==1.2"),
        ({"packages": ["shop\nother"]}, "shop==1.2"),
        ({"hooks": {"before": ["python manage.py migrate"]}}, "each command a list of its arguments"),
        ({"hooks": {"before": [[]]}}, "each command a list of its arguments"),
        ({"hooks": {"later": [["true"]]}}, "there are before and after"),
        ({"wsgi_script": "shop.wsgi:"}, "a module with its callable"),
        ({"wsgi_script": "shop.wsgi:application; import os"}, "a module with its callable"),
    ],
)
def test_how_a_release_is_made_and_switched(more, told):
    with pytest.raises(ApplicationError, match=told):
        settle([{"name": "shop", "server_name": "shop.example.org", "wsgi_script": "shop/wsgi.py", **more}])


def test_hooks_become_texts_and_a_callable_is_a_script():
    given = {"name": "shop", "server_name": "shop.example.org", "wsgi_script": "shop.wsgi:application", "hooks": {"after": [["sleep", 1]]}}
    (settled,) = settle([given])
    assert settled["hooks"] == {"before": [], "after": [["sleep", "1"]]}
    assert settled["deploy"] == "bluegreen"
