# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The deployment side of an application: names, paths and addresses that are safe to write into Apache's configuration.

Pure: no Ansible import. The workload side (latency, memory, rate) belongs to `_capacity`.
"""

from __future__ import annotations

import re
import typing as t

VARIABLE = "mod_wsgi_daemon_applications"

# What each text may look like, and the words for the error. Everything here ends up in Apache's configuration, in a file name or
# in a user database, so each is a list of what is allowed, not of what is forbidden.
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
_SEGMENT = r"[A-Za-z0-9._~@+-]+"
PATTERNS: dict[str, tuple[str, str]] = {
    "name": (r"[a-z][a-z0-9_-]{0,30}", "start with a lower-case letter, then letters, digits, - and _, 31 at most: shop"),
    "user": (r"[a-z_][a-z0-9_-]{0,30}", "a system user's name: shop"),
    "group": (r"[a-z_][a-z0-9_-]{0,30}", "a system group's name: shop"),
    "server_name": (_HOST, "one host name without scheme, port or spaces: shop.example.org"),
    "server_aliases": (r"(?:\*\.)?" + _HOST, "host names, with *. in front at most: www.example.org"),
    "directory": (r"(?:/" + _SEGMENT + r")+", "an absolute path without spaces: /srv/shop"),
    "python": (r"(?:/" + _SEGMENT + r")+", "the absolute path of a Python: /usr/bin/python3"),
    "requirements": (_SEGMENT + r"(?:/" + _SEGMENT + r")*", "a path relative to the release: requirements.txt"),
    "wsgi_script": (_SEGMENT + r"(?:/" + _SEGMENT + r")*", "a path relative to the release: shop/wsgi.py"),
    "mount_point": (r"/(?:" + _SEGMENT + r"(?:/" + _SEGMENT + r")*)?", "a URL path without a / at its end: /shop"),
    "health_path": (r"/(?:" + _SEGMENT + r"/?)*", "a URL path: /healthz"),
    "static url": (r"/(?:" + _SEGMENT + r"/?)+", "a URL path: /static/"),
    "static path": (_SEGMENT + r"(?:/" + _SEGMENT + r")*/?", "a path relative to the release: static"),
    "environment": (r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable: DJANGO_SETTINGS_MODULE"),
    "secrets": (r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable: SECRET_KEY"),
}
# Users that already mean something to the system: daemon processes of an application must not share their rights.
SYSTEM_USERS = ("root", "www-data", "apache", "daemon", "nobody", "adm", "sudo")


class ApplicationError(ValueError):
    """An application that must not be deployed; the text names the variable, the value, the reason and what to write instead."""


def _check(where: str, value: t.Any, pattern: str) -> str:
    expression, instead = PATTERNS[pattern]
    if not isinstance(value, str) or not re.fullmatch(expression, value) or ".." in value.split("/"):
        raise ApplicationError(f"{where}: {value!r} is not allowed here. Write {instead}")
    return value


def _settle(index: int, given: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """One application with every default filled in and every text checked."""
    where = f"{VARIABLE}[{index}]"
    for required in ("name", "server_name", "wsgi_script"):
        if not given.get(required):
            raise ApplicationError(f"{where}.{required}: missing. Write {PATTERNS[required][1]}")
    name = _check(f"{where}.name", given["name"], "name")
    user = given.get("user") or name
    settled: dict[str, t.Any] = {
        "user": user,
        "group": user,
        "directory": f"/srv/{name}",
        "archive": "",
        "requirements": "requirements.txt",
        "python": "/usr/bin/python3",
        "mount_point": "/",
        "health_path": "",
        "server_aliases": [],
        "environment": {},
        "secrets": {},
        "static": {},
        **{key: value for key, value in given.items() if value is not None},
    }
    for key in ("user", "group", "server_name", "directory", "python", "requirements", "wsgi_script", "mount_point"):
        _check(f"{where}.{key}", settled[key], key)
    if settled["health_path"]:
        _check(f"{where}.health_path", settled["health_path"], "health_path")
    for key in ("user", "group"):
        if settled[key] in SYSTEM_USERS:
            raise ApplicationError(f"{where}.{key}: {settled[key]!r} has rights of its own on this system. Leave it out to get a user named {name!r}")
    for number, alias in enumerate(settled["server_aliases"]):
        _check(f"{where}.server_aliases[{number}]", alias, "server_aliases")
    for url, path in settled["static"].items():
        _check(f"{where}.static", url, "static url")
        _check(f"{where}.static[{url!r}]", path, "static path")
    for key in ("environment", "secrets"):
        for variable in settled[key]:
            _check(f"{where}.{key}", variable, key)
    return settled


def settle(applications: t.Sequence[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Fill in defaults and refuse what must not reach a host.

    :param applications: `mod_wsgi_daemon_applications` as the user wrote it.
    :returns: the same applications in the same order, each with user, group, directory and all optional keys present.
    :raises ApplicationError: for the first text that is not allowed, and for two applications that claim the same thing.
    """
    settled = [_settle(index, application) for index, application in enumerate(applications)]
    claims: dict[tuple[str, str], int] = {}
    for index, application in enumerate(settled):
        address = f"{application['server_name']}{application['mount_point']}"
        for kind, value in (("name", application["name"]), ("directory", application["directory"]), ("address", address)):
            first = claims.setdefault((kind, value), index)
            if first != index:
                raise ApplicationError(f"{VARIABLE}[{index}]: {kind} {value!r} already belongs to {VARIABLE}[{first}]. Give each application its own")
    return settled
