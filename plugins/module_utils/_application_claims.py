# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What two applications of one host could take from each other: names, users, folders, addresses and URLs.

Apache accepts most of these and then serves one of the two, silently. Pure: no Ansible import.
"""

from __future__ import annotations

import itertools
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils._application_errors import VARIABLE, ApplicationError

Application = t.Mapping[str, t.Any]


def _groups(application: Application) -> list[str]:
    """Names of the daemon groups of an application."""
    return [application["name"], *(f"{application['name']}-{route.get('name')}" for route in application["slow_routes"])]


def _unique(applications: t.Sequence[Application]) -> None:
    """Nothing that names a thing of its own may name two."""
    claims: dict[tuple[str, str], int] = {}
    for index, application in enumerate(applications):
        address = f"{application['server_name'].lower()}{application['mount_point']}"
        own = [("name", application["name"]), ("directory", application["directory"]), ("address", address)]
        own += [("user", application["user"]), ("group", application["group"])]
        own += [("daemon group", name) for name in dict.fromkeys(_groups(application))]
        for kind, value in own:
            first = claims.setdefault((kind, value), index)
            if first != index:
                raise ApplicationError(f"{VARIABLE}[{index}]: {kind} {value!r} already belongs to {VARIABLE}[{first}]. Give each application its own")


def _apart(applications: t.Sequence[Application]) -> None:
    """No application's folder is inside another's: the outer one's user or a cleanup would reach it."""
    for (outer, one), (inner, other) in itertools.permutations(enumerate(applications), 2):
        if other["directory"].startswith(one["directory"] + "/"):
            raise ApplicationError(
                f"{VARIABLE}[{inner}].directory: {other['directory']!r} lies inside that of {VARIABLE}[{outer}]. Write a folder beside it: /srv/{other['name']}"
            )


def _matches(pattern: str, name: str) -> bool:
    """Whether a ServerAlias answers to a name, or to all that another one answers to."""
    return pattern == name or (pattern.startswith("*.") and name.endswith(pattern[1:]))


def _reachable(applications: t.Sequence[Application]) -> None:
    """A name leads to one virtual host: of two that answer to it Apache always takes the first, and the other is never reached."""
    names: dict[str, list[tuple[str, int]]] = {}
    for index, application in enumerate(applications):
        host = application["server_name"].lower()
        names.setdefault(host, []).extend((name.lower(), index) for name in [application["server_name"], *application["server_aliases"]])
    for (_host, ours), (_other, theirs) in itertools.permutations(names.items(), 2):
        for (name, index), (wanted, other) in itertools.product(ours, theirs):
            if _matches(name, wanted):
                raise ApplicationError(
                    f"{VARIABLE}[{index}]: the name {name!r} also answers for {wanted!r} of {VARIABLE}[{other}], and Apache would ask only one of "
                    "them. Give both the same server_name and different mount points, or take the alias out"
                )


def _same_certificate(applications: t.Sequence[Application]) -> None:
    """One virtual host has one certificate, whoever of its applications names it."""
    found: dict[str, tuple[tuple[str, str], int]] = {}
    for index, application in enumerate(applications):
        pair = (application["certificate"], application["certificate_key"])
        first, where = found.setdefault(application["server_name"].lower(), (pair, index))
        if first != pair:
            raise ApplicationError(
                f"{VARIABLE}[{index}].certificate: {pair[0] or 'none'} and {first[0] or 'none'} of {VARIABLE}[{where}], but both are "
                f"{application['server_name']}. Write the same certificate and certificate_key for both"
            )


def _inside(url: str, outer: str) -> bool:
    return (url.rstrip("/") + "/").startswith(outer.rstrip("/") + "/")


def _urls(applications: t.Sequence[Application]) -> None:
    """Files that Apache serves must not hide an application or other files."""
    owners: dict[str, list[tuple[str, int, str]]] = {}
    for index, application in enumerate(applications):
        urls = [(url, index, kind) for kind in ("static", "media") for url in application[kind]]
        owners.setdefault(application["server_name"].lower(), []).extend(urls)
    for host, urls in owners.items():
        for url, index, kind in urls:
            for number, application in enumerate(applications):
                if application["server_name"].lower() == host and _inside(application["mount_point"], url):
                    raise ApplicationError(
                        f"{VARIABLE}[{index}].{kind}: files at {url!r} hide {VARIABLE}[{number}], which is mounted at {application['mount_point']!r}. "
                        "Write a URL below it: " + application["mount_point"].rstrip("/") + "/static/"
                    )
        for (url, index, kind), (inner, number, inner_kind) in itertools.permutations(urls, 2):
            if _inside(inner, url):
                raise ApplicationError(
                    f"{VARIABLE}[{number}].{inner_kind}: {inner!r} is inside {url!r} of {VARIABLE}[{index}].{kind}, so one would hide the other. "
                    "Write URLs of which none contains another"
                )


def check_claims(applications: t.Sequence[Application]) -> None:
    """Refuse applications that could take something from each other.

    :param applications: settled ones, see `_applications.settle`.
    :raises ApplicationError: for the first pair found.
    """
    for check in (_unique, _apart, _reachable, _same_certificate, _urls):
        check(applications)
