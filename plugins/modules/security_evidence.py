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
  - "What a topic is not asked for is not looked at. Every control: C(docs/controls.md)."
extends_documentation_fragment:
  - evenkeel.wsgi.looks_only
options:
  apache:
    description: Look at Apache.
    type: dict
    suboptions:
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
  metrics:
    description: Look at the exporters, what they serve, and the clock.
    type: dict
    suboptions:
      ports:
        description: Ports of the exporters.
        type: list
        elements: int
        default: []
      files:
        description: Text files of metrics that are written all the time.
        type: list
        elements: path
        default: []
      changes:
        description: The one among them that names changes outside Ansible; empty when nothing looks for them.
        type: str
        default: ""
  alarms:
    description: Look at the way from an alarm to people.
    type: dict
    suboptions:
      receiver:
        description: Whether alarms have an incident channel.
        type: bool
        default: false
  backup:
    description: Look at what became of the backups and of the last restore.
    type: dict
    suboptions:
      repository:
        description: Where the host is backed up to; empty when nowhere.
        type: str
        default: ""
      state:
        description: File in which the backup's program keeps what became of its runs.
        type: path
        default: /var/lib/evenkeel-backup/state.json
      max_age_h:
        description: How old the newest backup may be, in hours.
        type: int
        default: 26
      drill_max_age_days:
        description: How old the last successful restore may be, in days.
        type: int
        default: 8
  drills:
    description: Look at the last success of each drill.
    type: dict
    suboptions:
      due:
        description: Drills that are due on this host.
        type: list
        elements: str
        default: []
      directory:
        description: Folder with one file for each success.
        type: path
        default: /var/lib/evenkeel/drills
      max_age_days:
        description: How old a drill's last success may be, in days.
        type: int
        default: 92
  logs:
    description: Look at what is written down of people's and Ansible's actions, and whether it leaves the host.
    type: dict
    suboptions:
      journal_mib:
        description: How much of the disk the journal may take, in MiB; 0 when nobody bounds it.
        type: int
        default: 0
      audit_keys:
        description: Keys that rules of the kernel's audit must have.
        type: list
        elements: str
        default: []
      receiver_port:
        description: Port of the receiver of logs; 0 when there is none.
        type: int
        default: 0
  access:
    description: Look at accounts, sudo and sshd.
    type: dict
    suboptions:
      people:
        description: Accounts with a grant.
        type: list
        elements: str
        default: []
      break_glass:
        description: The account for emergencies; empty when there is none.
        type: str
        default: ""
      automation:
        description: The account that Ansible connects with; empty when nobody answers for it.
        type: str
        default: ""
      metrics:
        description: The text file that the program which keeps the grants writes; empty when it is not there.
        type: str
        default: ""
  changes:
    description: Look whether a risky change would be noticed.
    type: dict
    suboptions:
      record:
        description: File with the fingerprints of what was applied last.
        type: path
        default: /var/lib/evenkeel/reviewed.json
  data:
    description: Look whether data lies encrypted on its disk.
    type: dict
    suboptions:
      volumes:
        description: Where data lies.
        type: list
        elements: dict
        default: []
        suboptions:
          path:
            description: A folder on the volume.
            type: path
            required: true
          encrypted_by_provider:
            description: Whether the provider is said to encrypt it, which the host cannot see.
            type: bool
            default: false
  network:
    description: Look at the packet filter.
    type: dict
    suboptions:
      rules:
        description: The wanted rules; empty when there are none.
        type: str
        default: ""
      inbound_needs:
        description: Variables that are missing to close the way in.
        type: list
        elements: str
        default: []
      outbound_needs:
        description: Variables that are missing to close the way out.
        type: list
        elements: str
        default: []
  transport:
    description: Look at certificates and at what leaves the host without encryption.
    type: dict
    suboptions:
      certificates:
        description: PEM files of certificates that Apache serves.
        type: list
        elements: path
        default: []
      environments:
        description: Files with applications' variables, as patterns of the shell. Of their values only protocol and host are told.
        type: list
        elements: str
        default: []
      addresses:
        description: What is served as plain text, and on which address.
        type: dict
        default: {}
  surface:
    description: Look at the kernel, the services' sandboxes, the readiness endpoint and Apache's package.
    type: dict
    suboptions:
      readiness_path:
        description: Path that says whether the host should get requests; empty when there is none.
        type: str
        default: ""
      kernel:
        description: Wanted settings of the kernel.
        type: dict
        default: {}
      container:
        description: Whether another machine decides about the kernel.
        type: bool
        default: false
      units:
        description: Services that must be shut in, as patterns of systemctl.
        type: list
        elements: str
        default: []
      package:
        description: Apache's package.
        type: str
        default: ""
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
  platform:
    support: full
    platforms: linux
    description: Needs systemd and /proc.
"""

EXAMPLES = r"""
- name: See what holds
  evenkeel.wsgi.security_evidence:
    apache:
      health_path: /-/healthz
      access_log: /var/log/apache2/evenkeel/access.json
    metrics:
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

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence import model
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.host import Host
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence.topics import CONTROLS, TOPICS


def main() -> None:
    """Run the module."""
    text = {"type": "str", "required": True}
    module = AnsibleModule(
        argument_spec={
            **{name: {"type": "dict", "options": topic.OPTIONS} for name, topic in TOPICS.items()},
            "exceptions": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"control": text, "reason": text, "owner": text, "expires": text},
            },
        },
        supports_check_mode=True,
    )
    host = Host(module.run_command)
    findings = [finding for name, topic in TOPICS.items() if module.params[name] is not None for finding in topic.look(host, module.params[name])]
    try:
        findings, warnings = model.excepted(findings, module.params["exceptions"], datetime.date.today().isoformat(), CONTROLS)
    except model.EvidenceError as exc:
        module.fail_json(msg=str(exc))
    for warning in warnings:
        module.warn(warning)
    module.exit_json(changed=False, controls=[finding.as_dict() for finding in findings])


if __name__ == "__main__":
    main()
