# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking an application about itself: `_celery_program` in its own Python, as its user, in its environment, in a sandbox of systemd's."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import shutil
import tempfile
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils import _celery_findings as findings
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _celery_program as program
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.constants import RABBITMQ_CONSUMER

LOADING = 120
"""Seconds that an application may take to load and to answer."""
ARGUMENTS: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "app": {"type": "str", "required": True},
    "user": {"type": "str", "required": True},
    "group": {"type": "str", "required": True},
    "directory": {"type": "path", "required": True},
    "python": {"type": "path", "required": True},
    "environment": {"type": "list", "elements": "path", "default": []},
    "nodes": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "queues": {"type": "list", "elements": "str", "required": True},
            "children": {"type": "int", "required": True},
            "held": {"type": "int", "required": True},
        },
    },
    "owned": {"type": "list", "elements": "str", "required": True},
    "pickle": {"type": "bool", "default": False},
}
"""Argument spec of one application, for the modules that use the documentation fragment celery_application."""


class AskError(Exception):
    """An application that cannot be asked, or that must not be started; the text says why."""


def wanted(application: t.Mapping[str, t.Any], host: str) -> findings.Wanted:
    """Return what an application is judged by; host is what Celery puts behind the @ of a node's name."""
    nodes = {f"{node['name']}@{host}": findings.Node(tuple(node["queues"]), node["children"], node["held"]) for node in application["nodes"]}
    return findings.Wanted(nodes, frozenset(application["owned"]), application["pickle"])


def command(application: t.Mapping[str, t.Any], files: t.Iterable[str], request: t.Mapping[str, t.Any]) -> list[str]:
    """Return the command that asks; systemd reads the environment from files as it does for the nodes."""
    properties = {
        "User": application["user"], "Group": application["group"], "WorkingDirectory": application["directory"], "RuntimeMaxSec": LOADING,
        "NoNewPrivileges": "yes", "CapabilityBoundingSet": "", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes",
    }  # fmt: skip
    words = [f"--property={name}={value}" for name, value in properties.items()] + [f"--property=EnvironmentFile={path}" for path in files]
    return ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", *words, application["python"], "-", json.dumps(request)]


def ask(module: t.Any, application: t.Mapping[str, t.Any], files: t.Iterable[str], nodes: t.Sequence[str] = (), timeout: float = 5) -> dict[str, t.Any]:
    """Return what an application says of itself, and what its running nodes say; nodes: their names on the wire, none: it is only loaded."""
    queues = [queue for node in application["nodes"] for queue in node["queues"]]
    request = {"app": application["app"], "queues": queues, "nodes": list(nodes), "timeout": timeout}
    spec = importlib.util.find_spec(program.__name__)
    # A module that was imported has a spec and a loader, inside Ansible's zip too; their types only allow for others.
    source = spec.loader.get_source(program.__name__)  # type: ignore[union-attr]
    code, out, err = module.run_command(command(application, files, request), data=source)
    said = findings.heard(out, program.MARK)
    if code or said is None:
        last = "\n".join((err or out).strip().splitlines()[-8:])
        raise AskError(
            f"application {application['name']}: {application['app']} cannot be loaded from {application['directory']} as {application['user']} (exit code "
            f"{code}). Correct it, or its environment, and run again. It said last:\n{last}"
        )
    if said["broker"]["kind"] == "amqp" and said["broker"]["host"] in findings.LOCAL and shutil.which("rabbitmqctl"):
        said["broker"]["consumer_timeout_ms"] = consumer_timeout(module)
    return t.cast("dict[str, t.Any]", said)


def consumer_timeout(module: t.Any) -> int | None:
    """Ask this host's RabbitMQ how long it waits, in ms; None when it does not say."""
    code, out, _err = module.run_command(["rabbitmqctl", "--quiet", "eval", "application:get_env(rabbit, consumer_timeout, default)."])
    if code:
        return None
    number = re.search(r"\d+", out)
    return int(number.group()) if number else RABBITMQ_CONSUMER * 1000 if "default" in out else None


def settings(module: t.Any, application: t.Mapping[str, t.Any], environment: t.Mapping[str, str]) -> dict[str, t.Any]:
    """Return what an application says of itself with an environment that is not on the host yet; environment: path -> content."""
    with contextlib.ExitStack() as stack:
        folder = tempfile.mkdtemp(prefix="evenkeel-ask-", dir="/run")
        stack.callback(shutil.rmtree, folder)
        files = []
        for number, path in enumerate(application["environment"]):
            files.append(os.path.join(folder, str(number)))
            with open(os.open(files[-1], os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as stream:
                stream.write(environment[path])
        return ask(module, application, files)


def refuse(module: t.Any, applications: t.Iterable[t.Mapping[str, t.Any]], environment: t.Mapping[str, str]) -> None:
    """Refuse applications that would lose tasks or run them twice, all at once; nothing on the host is touched."""
    breaches = []
    for application in applications:
        try:
            said = settings(module, application, environment)
        except AskError as exc:
            breaches.append(str(exc))
            continue
        found = findings.judge(said, wanted(application, "here"), refusing=True)
        breaches += [f"application {application['name']}: {breach}" for breach in found]
    if breaches:
        raise AskError("\n".join(breaches))
