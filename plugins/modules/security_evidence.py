#!/usr/bin/python
# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: security_evidence
short_description: See on the running host which controls of the security baseline hold
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Asks the running host, never a configuration file of its own, and changes nothing.
  - "Each control is V(ok) (seen), V(unmet) (needs input, or failed), V(excepted) (unmet, and somebody answers for it until a date) or
    V(unverifiable) (cannot be seen on this host)."
options:
  health_path:
    description: Path that Apache answers without an application; empty when there is none.
    type: str
    default: ""
  access_log:
    description: Apache's access log; empty when there is none. The newest of its set is read.
    type: str
    default: ""
  service:
    description: Apache's unit.
    type: str
    default: apache2.service
  ports:
    description: Ports of the exporters.
    type: list
    elements: int
    default: []
  metrics:
    description: Text files of metrics that a timer writes.
    type: list
    elements: path
    default: []
  changes:
    description: The one among O(metrics) that names changes outside Ansible.
    type: path
  receiver:
    description: Whether alarms have an incident channel.
    type: bool
    default: false
  exceptions:
    description: Controls that are unmet on purpose.
    type: list
    elements: dict
    default: []
    suboptions:
      control:
        description: The control's id.
        type: str
        required: true
      reason:
        description: Why it is unmet.
        type: str
        required: true
      owner:
        description: Who answers for it.
        type: str
        required: true
      expires:
        description: The last day on which the exception holds, as C(YYYY-MM-DD).
        type: str
        required: true
attributes:
  check_mode:
    support: full
    description: It never changes anything.
  diff_mode:
    support: none
    description: There is nothing to show.
  platform:
    support: full
    platforms: linux
    description: Needs systemd and /proc.
"""

EXAMPLES = r"""
- name: See what holds
  evenkeel.wsgi.security_evidence:
    health_path: /-/healthz
    access_log: /var/log/apache2/evenkeel/access.json
    ports: [9100, 9117]
  register: seen

- name: Nothing is unmet
  ansible.builtin.assert:
    that: seen.controls | selectattr('state', 'equalto', 'unmet') | length == 0
"""

RETURN = r"""
controls:
  description: Every control.
  type: list
  elements: dict
  returned: success
  contains:
    id:
      description: The control's name for good.
      type: str
    state:
      description: V(ok), V(unmet), V(excepted) or V(unverifiable).
      type: str
    saw:
      description: What the host showed.
      type: str
    wants:
      description: What makes it V(ok).
      type: str
  sample: [{id: trace_is_refused, saw: "TRACE: 405", state: ok, wants: 405 to TRACE}]
"""

import datetime
import glob
import http.client
import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _evidence as core

LINES = 100  # of the access log
TAIL = 65536  # bytes in which they are looked for


def ask(method: str, path: str) -> core.Answer:
    """Ask Apache on the loopback."""
    connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=10)
    try:
        connection.request(method, path, headers={"User-Agent": "evenkeel-evidence"})
        response = connection.getresponse()
        return core.Answer(response.status, {name.lower(): value for name, value in response.getheaders()})
    except (OSError, http.client.HTTPException):
        return core.Answer(0, {})
    finally:
        connection.close()


def read(path: str) -> str | None:
    """Text of a file; None when there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return None


def newest_lines(log: str) -> list[str]:
    """The last whole lines of the newest file of a log's set."""
    files = [path for path in glob.glob(glob.escape(log) + "*") if path == log or path[len(log) + 1 :].isdigit()]
    if not files:
        return []
    with open(max(files, key=os.path.getmtime), "rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - TAIL))
        text = stream.read().decode("utf-8", "replace")
    lines = text.split("\n")[1 if size > TAIL else 0 : -1]
    return lines[-LINES:]


def own_mounts(pid: str) -> bool | None:
    """Whether a process has a mount namespace of its own; None when that cannot be seen."""
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt") != os.readlink("/proc/1/ns/mnt")
    except OSError:
        return None


def listeners(module: AnsibleModule, ports: list[int]) -> dict[int, list[str]]:
    """{port: addresses on which something listens}."""
    _code, out, _err = module.run_command(["ss", "-Hltn"])
    sockets = [line.split()[3].rpartition(":") for line in out.splitlines() if len(line.split()) > 3]
    return {port: [address for address, _colon, number in sockets if number == str(port)] for port in ports}


def age(path: str) -> float | None:
    """Seconds since a file was written; None when it is not there."""
    try:
        return time.time() - os.stat(path).st_mtime
    except OSError:
        return None


def look(module: AnsibleModule) -> list[core.Control]:
    """Look at everything."""
    wanted = module.params
    _code, pid, _err = module.run_command(["systemctl", "show", "--property=MainPID", "--value", wanted["service"]])
    _code, clock, _err = module.run_command(["timedatectl", "show", "--property=NTPSynchronized", "--value"])
    main = pid.strip() if pid.strip() not in ("", "0") else ""
    health = ask("GET", wanted["health_path"] or "/")
    return [
        core.no_version_in_answers(health),
        core.trace_is_refused(ask("TRACE", "/")),
        core.health_without_the_application(wanted["health_path"], health),
        core.access_log_is_json(bool(wanted["access_log"]), newest_lines(wanted["access_log"]) if wanted["access_log"] else []),
        core.apache_is_sandboxed(read(f"/proc/{main}/status") if main else None, own_mounts(main) if main else None),
        core.metrics_on_one_address(listeners(module, wanted["ports"])),
        core.metrics_are_fresh({os.path.basename(path): age(path) for path in wanted["metrics"]}),
        core.configuration_is_ansibles(read(wanted["changes"]) if wanted["changes"] else None),
        core.alarms_are_heard(wanted["receiver"]),
        core.time_is_in_sync(clock.strip()),
    ]


def main() -> None:
    """Run the module."""
    text = {"type": "str", "required": True}
    module = AnsibleModule(
        argument_spec={
            "health_path": {"type": "str", "default": ""},
            "access_log": {"type": "str", "default": ""},
            "service": {"type": "str", "default": "apache2.service"},
            "ports": {"type": "list", "elements": "int", "default": []},
            "metrics": {"type": "list", "elements": "path", "default": []},
            "changes": {"type": "path"},
            "receiver": {"type": "bool", "default": False},
            "exceptions": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"control": text, "reason": text, "owner": text, "expires": text},
            },
        },
        supports_check_mode=True,
    )
    try:
        controls = core.excepted(look(module), module.params["exceptions"], datetime.date.today().isoformat())
    except core.EvidenceError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, controls=[control.as_dict() for control in controls])


if __name__ == "__main__":
    main()
