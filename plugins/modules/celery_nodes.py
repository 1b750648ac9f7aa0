#!/usr/bin/python
# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a host's Celery nodes the wanted ones."""

from __future__ import annotations

DOCUMENTATION = r"""
module: celery_nodes
short_description: Make a host's Celery nodes the wanted ones
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Keeps C(celery.service), the one service that an operator handles, and below it one systemd unit C(celery@NODE.service)
    for each named Celery worker.
  - Restarts only nodes whose unit, environment files, code or revision changed, and starts those that do not run. A changed C(Description),
    C(MemoryMax) or C(TimeoutStopSec) restarts nothing, a running unit takes it over. systemd
    lets a node finish its running tasks first, for at most its C(TimeoutStopSec), and the module waits for that.
  - Nodes that are no longer wanted are stopped in the same way before their units are removed.
  - Before anything is touched O(applications) are loaded as their user would load them, and refused when they would lose tasks or run them twice.
  - Never touches a unit that it did not write. Its own begin with the line C(# Managed by evenkeel.wsgi.celery_nodes).
  - The role P(evenkeel.wsgi.celery_multi#role) makes the units from data. Use the module itself for units of your own.
extends_documentation_fragment:
  - evenkeel.wsgi.celery_application
options:
  applications:
    description:
      - The applications that are asked about themselves when something changes, and only then. One that accepts pickle, sends to a queue that nobody takes
        from, or lets its broker hand out running tasks is refused.
    default: []
  units:
    description:
      - The text of each unit file by its name, C(celery.service) and one C(celery@NODE.service) for each of O(nodes).
      - An empty dictionary together with empty O(nodes) stops and removes everything.
    type: dict
    required: true
  nodes:
    description: The nodes.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The node's name, as in C(celery@NAME.service).
        type: str
        required: true
      revision:
        description: Any text. The node is restarted when it changes.
        type: str
        default: ""
      code:
        description:
          - The directory that the node's code is loaded from, normally its C(WorkingDirectory).
          - Symbolic links in it are followed when the module runs, so that the node is restarted after C(current) was
            pointed to another release.
        type: path
      takes_up:
        description:
          - Paths among O(programs) that the running unit reads again by itself. A change restarts nothing, the module waits until
            O(nodes[].state) says that it was taken up.
        type: list
        elements: path
        default: []
      state:
        description:
          - "A JSON file in which the unit says how it is: C(loaded) maps each path of O(nodes[].takes_up) to the SHA-256 of the content that it has
            taken up, C(settled) is true when all that it runs is up, C(failing) lists what does not stay up."
        type: path
  environment:
    description:
      - "The files that the units name with C(EnvironmentFile=), as C({path: text})."
      - They belong to root with mode 0600; systemd reads them as root.
      - The texts are never shown. They are hidden whole, because Ansible does not find a text of several lines in a list that it logs.
    type: dict
    default: {}
  programs:
    description:
      - "Files that the units run or that their processes import, as C({path: text})."
      - They belong to root with mode 0644. All nodes are restarted when one changes.
    type: dict
    default: {}
  settle:
    description:
      - How many seconds a node that was started has to stay up before it counts as running. With C(Type=notify) systemd itself waits
        until the node says that it is ready.
      - A node with pool processes counts at once, because Celery makes them only after it loaded the application.
    type: int
    default: 20
  unit_directory:
    description: Where the unit files are.
    type: path
    default: /etc/systemd/system
  record:
    description:
      - Where the module keeps what it started each node with. It is this file that makes an interrupted run harmless.
    type: path
    default: /var/lib/evenkeel/celery_nodes.json
attributes:
  check_mode:
    support: full
    description: Also works on a host that has neither the application nor its user yet.
  diff_mode:
    support: full
    description: Shows unit files. Of environment files it shows only that they change.
  platform:
    support: full
    platforms: linux
    description: Needs systemd.
seealso:
  - module: evenkeel.wsgi.application_release
"""

EXAMPLES = r"""
- name: One node for the queue Q1
  evenkeel.wsgi.celery_nodes:
    units:
      celery.service: "{{ lookup('ansible.builtin.template', 'celery.service.j2') }}"
      celery@default.service: "{{ lookup('ansible.builtin.template', 'celery@default.service.j2') }}"
    nodes:
      - name: default
        code: /srv/shop/current
    environment:
      /etc/evenkeel/celery/shop.secrets: "SECRET_KEY={{ shop_secret_key | quote }}\n"
# nodes: {"default": {"active": true, "main_pid": 4711, "restarted": true}}

- name: No nodes at all any more
  evenkeel.wsgi.celery_nodes:
    units: {}
    nodes: []
"""

RETURN = r"""
nodes:
  description: The nodes as systemd sees them at the end, or before anything happened in check mode.
  type: dict
  returned: always
  contains:
    active:
      description: Whether the node runs.
      type: bool
    main_pid:
      description: The process id of its main process, 0 when it does not run.
      type: int
    restarted:
      description: Whether this run started or restarted it, or would have in check mode.
      type: bool
  sample: {"default": {"active": true, "main_pid": 4711, "restarted": false}}
removed:
  description: Nodes that were stopped and removed.
  type: list
  elements: str
  returned: always
  sample: []
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _celery_ask, _celery_wait, _systemd
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _celery_nodes as core
from ansible_collections.evenkeel.wsgi.plugins.module_utils._files import file_differs, read_or_none, sync_directory, write_atomically


class Host(_systemd.Host):
    """The host as this module sees and changes it."""

    def __init__(self, module: AnsibleModule) -> None:
        super().__init__(module, module.params["record"], core.Record, core.NodesError)
        self.unit_directory = module.params["unit_directory"]

    def states(self, units: t.Iterable[str]) -> dict[str, core.State]:
        """Ask systemd for all units at once."""
        names = sorted(units)
        return {name: core.State.parse(block) for name, block in zip(names, self.show(core.PROPERTIES, names))}

    def units(self, wanted: t.Container[str]) -> dict[str, str]:
        """Read our unit files; refuse a wanted one that somebody else wrote."""
        found = {}
        for name in sorted(os.listdir(self.unit_directory)):
            path = os.path.join(self.unit_directory, name)
            if not (name in wanted or (name.startswith("celery") and name.endswith(".service"))) or not os.path.isfile(path):
                continue
            text = (read_or_none(path) or b"").decode(errors="replace")
            if text.startswith(core.FIRST_LINE + "\n"):
                found[name] = text
            elif name in wanted:
                raise core.NodesError(
                    f"{path} was not written by this module: let it finish its tasks with `systemctl disable --now {name}`, "
                    "move the file away, then run `systemctl daemon-reload`"
                )
        return found


ENVIRONMENT_MODE = 0o600
PROGRAM_MODE = 0o644


class File(t.NamedTuple):
    """A file beside the units."""

    content: str
    mode: int


def apply(host: Host, actions: core.Actions, units: dict[str, str], files: dict[str, File]) -> None:
    """Do what has to be done before nodes are started, so that a kill at any point leaves work that the next run sees."""
    host.keep_record(
        core.Record(
            {node: value for node, value in host.record.nodes.items() if node not in actions.forget},
            tuple({*host.record.files, *files}),
        )
    )
    if actions.stop:
        host.systemctl("stop", *actions.stop)
        host.module.run_command(["systemctl", "reset-failed", *actions.stop])  # or it stays listed as failed; says no if it is not
    if core.SERVICE in actions.remove:
        host.systemctl("disable", core.SERVICE)
    for name in actions.remove:
        os.unlink(os.path.join(host.unit_directory, name))
    for path in host.record.files:
        if path not in files and os.path.exists(path):
            os.unlink(path)
    for path, file in files.items():
        if file_differs(path, file.content.encode(), file.mode):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write_atomically(path, file.content.encode(), file.mode)
    for name in actions.write:
        write_atomically(os.path.join(host.unit_directory, name), units[name].encode(), 0o644)
    sync_directory(host.unit_directory)


def cap(host: Host, written: dict[str, str]) -> None:
    """Give running units their new MemoryMax: systemd reads it again, but applies it to what already runs only when told."""
    for name, text in written.items():
        value = core.memory_max(text)
        if value:
            host.systemctl("set-property", "--runtime", name, f"MemoryMax={value}")


def run_nodes(host: Host, actions: core.Actions, digests: dict[str, str], nodes: list[dict[str, t.Any]], params: dict[str, t.Any]) -> None:
    """Start and restart; put down what each node was started with once it stays up."""
    if actions.enable:
        host.systemctl("enable", core.SERVICE)
    if actions.start_service:
        host.systemctl("start", core.SERVICE)
    # One call each: systemd stops and starts all of them at the same time. Whether a node came up is settle's to say, in its own words.
    for verb, names in (("restart", actions.restart), ("start", actions.start)):
        if names:
            host.module.run_command(["systemctl", verb, *map(core.unit, names)])
    reporting = [node for node in nodes if node["state"]]
    _celery_wait.settle(host, {*actions.restart, *actions.start}.difference(node["name"] for node in reporting), params["settle"])
    for node in reporting:
        _celery_wait.taken_up(host, node, params["programs"])
    host.keep_record(core.Record(digests, host.record.files))


def reconcile(module: AnsibleModule) -> dict[str, t.Any]:
    """Do what the module is for and return its results."""
    units, nodes, contents, programs = (module.params[name] for name in ("units", "nodes", "environment", "programs"))
    wanted_files = {path: File(text, ENVIRONMENT_MODE) for path, text in contents.items()} | {path: File(text, PROGRAM_MODE) for path, text in programs.items()}
    names = [node["name"] for node in nodes]
    core.check(units, names)
    host = Host(module)
    for node in nodes:
        if not module.check_mode and node["code"] and not os.path.isdir(node["code"]):
            raise core.NodesError(
                f"node {node['name']}: its code {node['code']} does not exist on this host: release the application first "
                "(role mod_wsgi_daemon, or the module application_release)"
            )
    have = host.units(units)
    restarting = [path for path in programs if not any(path in node["takes_up"] for node in nodes)]
    digests = {
        node["name"]: core.digest(
            units[core.unit(node["name"])],
            contents,
            [node["revision"], *(programs[path] for path in restarting)],
            os.path.realpath(node["code"]) if node["code"] else "",
        )
        for node in nodes
    }
    states = host.states({*units, *have})
    rewritten = [path for path, file in wanted_files.items() if read_or_none(path) != file.content.encode()]
    actions = core.plan(wanted=units, have=have, digests=digests, rewritten=rewritten, programs=restarting, record=host.record, states=states)
    files = [path for path, file in wanted_files.items() if file_differs(path, file.content.encode(), file.mode)]
    obsolete = [path for path in host.record.files if path not in wanted_files and os.path.exists(path)]
    stale = any(state.stale for state in states.values())
    changed = actions.any or bool(files or obsolete) or stale
    if changed and not module.check_mode:
        _celery_ask.refuse(module, module.params["applications"], contents)
        apply(host, actions, units, wanted_files)
        if actions.write or actions.remove or stale:
            host.systemctl("daemon-reload")
        cap(host, {name: units[name] for name in actions.write})
        run_nodes(host, actions, digests, nodes, module.params)
        host.keep_record(core.Record(digests, tuple(wanted_files)))
        states = host.states(units)
    touched = {*actions.restart, *actions.start}
    return {
        "changed": changed,
        "nodes": {
            name: {
                "active": states[core.unit(name)].active,
                "main_pid": states[core.unit(name)].main_pid,
                "restarted": name in touched,
            }
            for name in names
        },
        "removed": [core.node_of(name) for name in actions.remove if core.node_of(name)],
        "diff": core.differences(host.unit_directory, have, units, [*files, *obsolete]),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "dict", "required": True},
            "nodes": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "revision": {"type": "str", "default": ""},
                    "code": {"type": "path"},
                    "takes_up": {"type": "list", "elements": "path", "default": []},
                    "state": {"type": "path"},
                },
            },
            "applications": {"type": "list", "elements": "dict", "default": [], "options": _celery_ask.ARGUMENTS},
            "environment": {"type": "dict", "default": {}, "no_log": True},
            "programs": {"type": "dict", "default": {}},
            "settle": {"type": "int", "default": 20},
            "unit_directory": {"type": "path", "default": "/etc/systemd/system"},
            "record": {"type": "path", "default": "/var/lib/evenkeel/celery_nodes.json"},
        },
        supports_check_mode=True,
    )
    try:
        result = reconcile(module)
    except (core.NodesError, _celery_ask.AskError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
