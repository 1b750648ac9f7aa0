# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The deployment side of Celery applications: names, paths and variables that are safe to write into units and files.

Pure: no Ansible import. The numbers of the nodes (children, limits, memory) belong to `_capacity`, which checks them itself.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils._applications import PATTERNS, SYSTEM_USERS, ApplicationError

VARIABLE = "celery_multi_applications"
_PATTERNS = {
    **{key: PATTERNS[key] for key in ("name", "user", "group", "environment", "secrets")},
    "directory": (PATTERNS["directory"][0], "an absolute path without spaces: /srv/shop/current"),
    "virtualenv": (PATTERNS["directory"][0], "an absolute path without spaces: /srv/shop/current/venv"),
    "app": (r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)?", "what `celery -A` takes: shop or shop.celery:app"),
    "queue": (r"[A-Za-z0-9][A-Za-z0-9._:-]*", "a queue's name: Q1"),
}
_WITHOUT_OTHERS = ("memory", "filesystem")
"""Brokers that reach no other process, or no other host."""


def settle(applications: t.Sequence[t.Mapping[str, t.Any]], fleet: t.Mapping[str, t.Mapping[str, str]] | None = None) -> list[dict[str, t.Any]]:
    """Fill in defaults and refuse what must not reach a host.

    :param applications: `celery_multi_applications` as the user wrote it.
    :param fleet: host -> application's name -> the host that runs its beat, for all hosts of the inventory; None: not known.
    :returns: the same applications in the same order, each with user, group, directory, virtualenv, environment and secrets;
        `broker_url` is among the secrets as CELERY_BROKER_URL.
    :raises ApplicationError: for the first text that is not allowed, and for two owners of one thing.
    """
    settled = [_settle(f"{VARIABLE}[{index}]", application) for index, application in enumerate(applications)]
    names: dict[str, int] = {}
    for index, application in enumerate(settled):
        first = names.setdefault(application["name"], index)
        if first != index:
            raise ApplicationError(
                f"{VARIABLE}[{index}].name: {application['name']!r} already belongs to {VARIABLE}[{first}]. Put the nodes of one application into one list"
            )
        if fleet and application["beat"]:
            _check_beat(f"{VARIABLE}[{index}].beat", application, fleet)
    return settled


def _check_beat(where: str, application: t.Mapping[str, t.Any], fleet: t.Mapping[str, t.Mapping[str, str]]) -> None:
    """Refuse two schedulers, which would send each periodic task twice, and one that nobody runs."""
    name, host = application["name"], application["beat"]
    for other, beats in sorted(fleet.items()):
        if beats.get(name, host) not in (host, ""):
            raise ApplicationError(f"{where}: {host!r}, but {beats[name]!r} on host {other}: two would send each task of {name}. Write one host for all")
    if name not in fleet.get(host, {}):
        raise ApplicationError(f"{where}: no host {host!r} of the inventory has the application {name}, so nobody would send its tasks. Write one that has it")


def _check(where: str, value: t.Any, pattern: str) -> None:
    expression, instead = _PATTERNS[pattern]
    if not isinstance(value, str) or not re.fullmatch(expression, value, re.ASCII) or ".." in value.split("/"):
        raise ApplicationError(f"{where}: {value!r} is not allowed here. Write {instead}")


def _settle(where: str, given: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """One application with every default filled in and every text checked."""
    for required in ("name", "app"):
        if not given.get(required):
            raise ApplicationError(f"{where}.{required}: missing. Write {_PATTERNS[required][1]}")
    _check(f"{where}.name", given["name"], "name")
    user = given.get("user") or given["name"]
    directory = given.get("directory") or f"/srv/{given['name']}/current"
    settled: dict[str, t.Any] = {
        "user": user,
        "group": user,
        "directory": directory,
        "virtualenv": f"{directory}/venv",
        "environment": {},
        "secrets": {},
        "beat": "",
        "pickle": False,
        "other_queues": [],
        **{key: value for key, value in given.items() if value is not None},
    }
    for key in ("user", "group", "directory", "virtualenv", "app"):
        _check(f"{where}.{key}", settled[key], key)
    for key in ("user", "group"):
        if settled[key] in SYSTEM_USERS:
            raise ApplicationError(
                f"{where}.{key}: {settled[key]!r} has rights of its own on this system, and a task is whatever somebody put into "
                f"a queue. Leave it out to get a user named {given['name']!r}"
            )
    _check_variables(where, settled)
    if settled.get("broker_url"):
        settled["secrets"] = {**settled["secrets"], "CELERY_BROKER_URL": settled["broker_url"]}
    _check_queues(where, settled.get("nodes") or [])
    for queue in settled["other_queues"]:
        _check(f"{where}.other_queues", queue, "queue")
    return settled


def _check_variables(where: str, application: t.Mapping[str, t.Any]) -> None:
    """Refuse variables that an environment file cannot hold; never shows a value."""
    own = {"CELERY_VISIBILITY_TIMEOUT": "visibility_timeout", "CELERY_CONSUMER_TIMEOUT": "consumer_timeout"}
    if application.get("broker_url"):
        own["CELERY_BROKER_URL"] = "broker_url"
        if not re.fullmatch(r"[a-z0-9+]+://[!-~]+", str(application["broker_url"])):
            raise ApplicationError(f"{where}.broker_url: this is not a URL of printable ASCII. Write redis://127.0.0.1:6379/0")
        kind = str(application["broker_url"]).partition("://")[0]
        if kind.partition("+")[0] in _WITHOUT_OTHERS:
            raise ApplicationError(
                f"{where}.broker_url: {kind}:// is no broker that a web process and a node share: no task would arrive, or none would be redelivered. "
                "Write redis://… or amqp://…"
            )
    for key in ("environment", "secrets"):
        for name, value in application[key].items():
            _check(f"{where}.{key}", name, key)
            if name in own:
                raise ApplicationError(f"{where}.{key}.{name}: the role sets it. Write {where}.{own[name]} instead")
            if not isinstance(value, (str, int, float)) or "\0" in str(value):
                raise ApplicationError(f'{where}.{key}.{name}: not a text or a number. Write it as text: {name}: "…"')
    if "PYTHONPATH" in application["secrets"]:
        raise ApplicationError(f"{where}.secrets.PYTHONPATH: the role adds a directory of its own to it. Write {where}.environment.PYTHONPATH instead")
    both = sorted(application["environment"].keys() & application["secrets"].keys())
    if both:
        raise ApplicationError(f"{where}.environment.{both[0]}: it is also in secrets. Leave it in secrets alone")


def _check_queues(where: str, nodes: t.Sequence[t.Mapping[str, t.Any]]) -> None:
    """Refuse a queue with two owners: it would be isolated from nothing."""
    owners: dict[str, str] = {}
    for index, node in enumerate(nodes):
        for queue in node.get("queues") or []:
            _check(f"{where}.nodes[{index}].queues", queue, "queue")
            if queue in owners:
                raise ApplicationError(
                    f"{where}.nodes[{index}].queues: {queue!r} already belongs to node {owners[queue]!r}. Give each queue one node, "
                    "and that node a higher autoscale.max"
                )
            owners[queue] = str(node.get("name"))
