# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the parameters of application_deploy to the application as its deploys see it. No Ansible in here."""

from __future__ import annotations

import grp
import os
import pwd
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils import _build
from ansible_collections.evenkeel.wsgi.plugins.module_utils._deploy import daemons, probes, sequence
from ansible_collections.evenkeel.wsgi.plugins.module_utils._deploy.slots import Hooks, Load, Slots, environment_file
from ansible_collections.evenkeel.wsgi.plugins.module_utils._release import ReleaseError

Params = t.Mapping[str, t.Any]
ARGUMENTS = {
    **_build.ARGUMENTS,
    "state": {"type": "str", "choices": ["deployed", "previous"], "default": "deployed"},
    "release": {"type": "str"},
    "user": {"type": "str", "required": True},
    "group": {"type": "str", "required": True},
    "script": {"type": "str", "required": True},
    "entry": {"type": "str", "required": True},
    "environment": {"type": "dict", "default": {}},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "slots": {"type": "list", "elements": "str", "default": ["blue", "green"]},
    "groups": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "processes": {"type": "int", "default": 1},
            "threads": {"type": "int", "required": True},
            "drain": {"type": "int", "default": 35},
        },
    },
    "probe": {
        "type": "dict",
        "required": True,
        "options": {
            "address": {"type": "str", "required": True},
            "host": {"type": "str", "required": True},
            "path": {"type": "str", "default": "/"},
            "strict": {"type": "bool", "default": False},
        },
    },
    "hooks": {
        "type": "dict",
        "default": {},
        "options": {
            "before": {"type": "list", "elements": "list", "default": []},
            "after": {"type": "list", "elements": "list", "default": []},
        },
    },
    "writable": {"type": "list", "elements": "str", "default": []},
    "python_version": {"type": "str"},
    "service": {"type": "str", "default": "apache2.service"},
    "force": {"type": "bool", "default": False},
}


def number(kind: str, name: str, lookup: t.Callable[[str], int], check_mode: bool) -> int:
    """Return the id of a user or group; in check mode it may be yet to come."""
    try:
        return lookup(name)
    except KeyError:
        if check_mode:
            return -1
        raise ReleaseError(f"{kind}={name} does not exist on this host: make it first") from None


def target(params: Params, check_mode: bool) -> sequence.Target:
    """Return the application as its deploys see it."""
    directory = params["directory"].rstrip("/")
    gid = number("group", params["group"], lambda name: grp.getgrnam(name).gr_gid, check_mode)
    uid = number("user", params["user"], lambda name: pwd.getpwnam(name).pw_uid, check_mode)
    hooks = {stage: tuple(tuple(str(word) for word in command) for command in params["hooks"].get(stage) or ()) for stage in ("before", "after")}
    groups = sequence.groups(params["groups"])
    return sequence.Target(
        slots=Slots(directory, params["slots"], gid),
        daemons=daemons.Daemons(tuple(group.name for group in groups), uid, daemons.main_pid(params["service"])),
        probe=probes.Probe(**params["probe"]),
        groups=groups,
        user=params["user"],
        script=params["script"],
        drain=max(group["drain"] for group in params["groups"]),
        hooks=Hooks(**hooks),
        writable=tuple(params["writable"]),
        python=params["python_version"],
        moves_current=has_source(params) or (params["state"] == "previous" and os.path.islink(os.path.join(directory, "current"))),
        forced=params["force"],
    )


def has_source(params: Params) -> bool:
    """Whether releases are built here; else somebody else puts them into `current`."""
    return bool(params["archive"] or params["packages"])


def wanted_load(params: Params, path: str) -> Load:
    """Return what the options want to serve."""
    environment = environment_file({**params["environment"], **params["secrets"]})
    return Load(os.path.realpath(path), environment, params["entry"].encode())
