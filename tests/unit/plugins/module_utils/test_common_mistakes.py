# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes that people really made with mod_wsgi (mailing list, issues, articles) and that Apache accepts without a word.

Each row is one mistake as a user could write it here, and what the refusal says. Mistakes that cannot be written at all are in
tests/unit/roles/test_mod_wsgi_templates.py.
"""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._applications import ApplicationError, settle
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity import inputs
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError

HOST = {"vcpus": 2, "memory_mib": 4096}
SHOP: dict[str, t.Any] = {"name": "shop", "server_name": "shop.example.org", "wsgi_script": "shop/wsgi.py"}
BLOG: dict[str, t.Any] = {"name": "blog", "server_name": "blog.example.org", "wsgi_script": "blog/wsgi.py"}
TLS = {"certificate": "/etc/ssl/one.crt", "certificate_key": "/etc/ssl/private/one.key"}

ONE: dict[str, tuple[dict[str, t.Any], str]] = {
    "the virtualenv is attached with python-path": (
        {"options": {"python-path": "/srv/venv/lib/python3/site-packages"}},
        "name what is missing in requirements",
    ),
    "python-path names the wsgi file": ({"options": {"python-path": "/srv/shop/wsgi.py"}}, "options.python-path"),
    "python-home is the interpreter": ({"options": {"python-home": "/usr/bin/python3"}}, "It is the release's own virtualenv"),
    "PYTHONPATH in the environment, where no running interpreter reads it": ({"environment": {"PYTHONPATH": "/srv/lib"}}, "has started already"),
    "PYTHONHOME in the environment": ({"environment": {"PYTHONHOME": "/srv/venv"}}, "has started already"),
    "python of another minor version than the module": ({"python": "/usr/bin/python3.9"}, "one Apache holds only one"),
    "a relative <Directory>": ({"directory": "shop"}, "an absolute path"),
    "a directory that the sandbox hides": ({"directory": "/home/alice/shop"}, "does not share"),
    "a directory that everybody shares": ({"directory": "/srv"}, "others use too"),
    "the application runs as root": ({"user": "root"}, "has rights of its own"),
    "the application runs as Apache's user": ({"user": "www-data"}, "has rights of its own"),
    "the application's group is Apache's": ({"group": "www-data"}, "has rights of its own"),
    "another user by the back door": ({"options": {"user": "www-data"}}, "Write user of the application"),
    "the socket belongs to somebody else: every request 503": ({"options": {"socket-user": "alice"}}, "503"),
    "all processes restart at the same instant": ({"options": {"restart-interval": 3600}}, "recycle_interval_s"),
    "all processes reach one number of requests together": ({"options": {"maximum-requests": 100000}}, "recycle_requests"),
    "a memory cap that every process starts above": ({"memory_mib": 200, "memory_limit_mib": 220}, "Write 400"),
    "the release is published as static files": ({"static": {"/static/": "."}}, "below it"),
    "the package with the settings is published": ({"static": {"/static/": "shop"}}, "application's code"),
    "the virtualenv is published": ({"static": {"/static/": "venv/lib"}}, "application's code"),
    "static files at / hide the application": ({"static": {"/static/": "static"}, "mount_point": "/static"}, "hide"),
    "media inside static": ({"static": {"/files/": "static"}, "media": {"/files/media/": "media"}}, "one would hide the other"),
    "uploads into the code": ({"media": {"/media/": "releases"}}, "must not write to its own"),
    "the application writes its own environment": ({"writable": ["slots"]}, "must not write to its own"),
    "a script inside the virtualenv": ({"wsgi_script": "venv/bin/app.wsgi"}, "lies in the virtualenv"),
    "a mount point with a / at its end": ({"mount_point": "/shop/"}, "without a / at its end"),
    "a URL as server name": ({"server_name": "http://shop.example.org"}, "without scheme"),
    "a port in the server name": ({"server_name": "shop.example.org:80"}, "port"),
    "a certificate without its key": ({"certificate": "/etc/ssl/one.crt"}, "certificate_key: missing"),
    "a key that the application can read": ({**TLS, "certificate_key": "/srv/shop/one.key"}, "could read"),
    "the same variable twice": ({"environment": {"KEY": "1"}, "secrets": {"KEY": "2"}}, "in environment and in secrets"),
    "a list as environment variable": ({"environment": {"HOSTS": ["a", "b"]}}, "is a text"),
    "a slow route that ends its directive": ({"slow_routes": [{"name": "x", "path": '/a">\nInclude /etc/passwd'}]}, "slow_routes[0].path"),
}
TWO: dict[str, tuple[dict[str, t.Any], dict[str, t.Any], str]] = {
    "two groups of one name": ({"slow_routes": [{"name": "api", "path": "/api"}]}, {"name": "shop-api"}, "daemon group 'shop-api'"),
    "two applications in one daemon group's user": ({"user": "web"}, {"user": "web"}, "user 'web'"),
    "two applications read each other's secrets by their group": ({"group": "web"}, {"group": "web"}, "group 'web'"),
    "one application inside the other's folder": ({}, {"directory": "/srv/shop/blog"}, "lies inside"),
    "two virtual hosts of one name, the second never asked": ({}, {"server_aliases": ["SHOP.example.org"]}, "ask only one of them"),
    "a wildcard that takes the other's name": ({"server_aliases": ["*.example.org"]}, {}, "also answers for 'blog.example.org'"),
    "two applications at one address": ({}, {"server_name": "Shop.Example.Org"}, "address 'shop.example.org/'"),
    "static files that hide the neighbour": ({"static": {"/blog": "static"}}, {"server_name": "shop.example.org", "mount_point": "/blog"}, "hide"),
    "two certificates for one name": (TLS, {"server_name": "shop.example.org", "mount_point": "/blog"}, "the same certificate"),
}
# What the plan refuses: the numbers.
NUMBERS: dict[str, tuple[dict[str, t.Any], str]] = {
    "two slow routes of one name": ({"slow_routes": [{"name": "a", "path": "/a"}, {"name": "a", "path": "/b"}]}, "two daemon groups have this name"),
    "processes among the options, so that nobody counts them": ({"options": {"processes": 1}}, "it has a key of its own"),
    "a name and an option glued together": ({"name": "shopthreads=5"}, "a name starts with a letter"),
    "a misspelt option": ({"thread": 5}, "is not an option"),
}


@pytest.mark.parametrize("mistake", ONE)
def test_one_application(mistake: str) -> None:
    change, told = ONE[mistake]
    with pytest.raises(ApplicationError, match="mod_wsgi_daemon_applications") as refusal:
        settle([{**SHOP, **change}], version="3.13")
    assert told in str(refusal.value)


@pytest.mark.parametrize("mistake", TWO)
def test_two_applications(mistake: str) -> None:
    one, other, told = TWO[mistake]
    with pytest.raises(ApplicationError, match="mod_wsgi_daemon_applications") as refusal:
        settle([{**SHOP, **one}, {**BLOG, **other}])
    assert told in str(refusal.value)


@pytest.mark.parametrize("mistake", NUMBERS)
def test_numbers(mistake: str) -> None:
    change, told = NUMBERS[mistake]
    with pytest.raises(CapacityError, match="mod_wsgi_daemon_applications") as refusal:
        inputs.request(HOST, [{**SHOP, **change}])
    assert told in str(refusal.value)


def test_what_people_do_right_is_accepted() -> None:
    """The forms that mod_wsgi's author recommends, and neighbours that only look like mistakes."""
    applications = [
        {**SHOP, **TLS, "static": {"/static/": "shop/static"}, "media": {"/media/": "media"}, "python": "/usr/bin/python3.13"},
        {**SHOP, **TLS, "name": "admin", "mount_point": "/admin", "static": {"/admin/static/": "static"}},
        {**BLOG, "server_aliases": ["www.blog.example.org", "*.blog.example.org"], "options": {"header-buffer-size": 65536}},
        {**BLOG, "name": "static-site", "server_name": "static.example.org", "static": {"/static": "static"}, "writable": ["data"]},
    ]
    assert [application["name"] for application in settle(applications, version="3.13")] == ["shop", "admin", "blog", "static-site"]


def test_no_message_shows_a_secret() -> None:
    with pytest.raises(ApplicationError) as refusal:
        settle([{**SHOP, "secrets": {"KEY": "hunter2\0"}}])
    assert "hunter2" not in str(refusal.value)
