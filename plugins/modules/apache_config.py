#!/usr/bin/python
# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: apache_config
short_description: Apply a whole Apache configuration in one step, proven or rolled back
version_added: "0.1.0"
description:
  - Writes Apache's configuration as numbered generations and makes one of them current by one atomic rename. Nothing of the
    distribution is edited.
  - Before anything is live, the very switch is made on a copy in namespaces of its own; Apache tests the configuration after each step
    of it and is then really started there, on the same ports of a private network. That catches what a configuration test does not
    see, such as a key that does not match its certificate.
  - A listed set of Apache's warnings counts as failure, because Apache says "Syntax OK" and then runs with other numbers (AH00507 to
    AH00520, AH00501, AH00506, AH00497, AH01574).
  - Then the switch is made, Apache is reloaded, or restarted where only that works, at most once, and asked over loopback which
    generation it runs and with which values; RV(reasons) says why it was restarted. If anything is not as it should be, the former
    generation is made current again, Apache is made to serve it, and the module fails with Apache's own message.
  - When nothing differs and the running server runs the current generation, nothing is touched. A run that was killed at any instant
    leaves a server that serves and starts, and the next run finishes its work.
options:
  owners:
    description:
      - "Who wants what: a dictionary of owner (usually a role) to its part of the configuration. The keys of a part are C(fragments),
        C(programs), C(modules), C(disable) and C(drop_ins), each optional."
      - Owners that are not named keep what the current generation has; an owner with an empty dictionary is removed.
      - "C(fragments): name to text. Each becomes the file C(<owner>-<name>.conf) of the generation; the files are included in the order
        of their names, at server level, after all of the distribution's C(conf-enabled) and before its sites."
      - "C(programs): name to text of a script that the fragments start, such as a filter for a log. Each becomes the file
        C(${EVENKEEL_GENERATION}/<owner>-<name>), beside the fragments and not included."
      - "C(modules): names of modules that the fragments need, in the order in which they must be loaded (C(headers)), or
        C(<identifier> <path>) for a module outside of the distribution. Those that the distribution does not load are loaded by the
        generation. V(mpm_event) makes event the MPM."
      - "C(disable): the keys C(modules), C(sites) and C(confs), each a list of names of the distribution to switch off. They are put
        back exactly as found when no owner asks for it any more."
      - "C(drop_ins): name to text. Each becomes C(evenkeel-<owner>-<name>.conf) in the drop-in directory of the service's unit; a
        change restarts Apache."
      - Nothing in here may be secret; it is shown in the diff and kept in the generations.
    type: dict
    default: {}
  probes:
    description: Requests that the running server must answer as stated; each is repeated until O(timeout) is over.
    type: list
    elements: dict
    default: []
    suboptions:
      url:
        description: What to get, from the host itself. With https the certificate is not checked.
        type: str
        required: true
      host:
        description: The Host header, and the name asked for in TLS. Default is the one in O(probes[].url).
        type: str
      status:
        description: Status codes that are right.
        type: list
        elements: int
        default: [200]
      contains:
        description: Text that must be in the body.
        type: str
  expect:
    description: Values that the configuration must state and the running server must have.
    type: dict
    default: {}
    suboptions:
      MaxRequestWorkers:
        description: Workers that may run, as the running server's scoreboard shows.
        type: int
      ServerLimit:
        description: Processes that may run. Apache does not tell it; it is the value of the generation that is proven to run.
        type: int
      ThreadsPerChild:
        description: Workers of each process, as the running server's scoreboard shows.
        type: int
  status_address:
    description: Where the running server says its generation and status. It must be an address of the loopback, with a port that is free.
    type: str
    default: 127.0.0.1:8090
  state:
    description:
      - V(applied) applies O(owners).
      - V(previous) makes an earlier generation current, through the same test, rehearsal and proof.
      - V(removed) takes everything of ours away and puts the distribution's Apache back as it was found; it stays started or stopped as
        it is.
    type: str
    choices: [applied, previous, removed]
    default: applied
  generation:
    description: With O(state=previous), the generation to go to. Default is the last one before the current that was proven.
    type: int
  keep:
    description: Number of proven generations to keep.
    type: int
    default: 5
  service_state:
    description: With V(stopped) the configuration is written, tested and rehearsed, and Apache is stopped if it runs.
    type: str
    choices: [started, stopped]
    default: started
  timeout:
    description: Seconds that the rehearsed start and the proof may each take.
    type: int
    default: 30
  layout:
    description: Where the distribution keeps Apache. The defaults are Debian's; an empty string means that there is no such thing.
    type: dict
    default: {}
    suboptions:
      server_root:
        description: Apache's directory; the rehearsal works on a copy of it.
        type: str
        default: /etc/apache2
      directory:
        description: Our own directory, below O(layout.server_root).
        type: str
        default: /etc/apache2/evenkeel
      conf_available:
        description: Where our one configuration file is put; empty where it goes to O(layout.conf_enabled) itself.
        type: str
        default: /etc/apache2/conf-available
      conf_enabled:
        description: Directory of which Apache includes every C(*.conf).
        type: str
        default: /etc/apache2/conf-enabled
      mods_available:
        description: Directory of the C(.load) files.
        type: str
        default: /etc/apache2/mods-available
      mods_enabled:
        description: Directory of the links that load modules.
        type: str
        default: /etc/apache2/mods-enabled
      sites_enabled:
        description: Directory of the links to virtual hosts.
        type: str
        default: /etc/apache2/sites-enabled
      markers:
        description: Where Debian remembers who switched what.
        type: str
        default: /var/lib/apache2
      binary:
        description: Apache's program.
        type: str
        default: /usr/sbin/apache2
      service:
        description: Name of the unit, without C(.service).
        type: str
        default: apache2
      modules_dir:
        description: Directory of the C(.so) files.
        type: str
        default: /usr/lib/apache2/modules
      envvars:
        description: Shell file with Apache's environment.
        type: str
        default: /etc/apache2/envvars
      error_log:
        description: The distribution's error log.
        type: str
        default: /var/log/apache2/error.log
      run_dir:
        description: Directory of the pid file and the sockets, if O(layout.envvars) does not say it.
        type: str
        default: /run/apache2
      pid_file:
        description: Apache's pid file, which tells the main process when systemd cannot.
        type: str
        default: /run/apache2/apache2.pid
      unit_dir:
        description: Directory of the administrator's units.
        type: str
        default: /etc/systemd/system
      lock:
        description: Lock file that makes two runs take turns.
        type: str
        default: /run/evenkeel-apache_config.lock
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    details:
      - The would-be generation is tested and rehearsed too, if Apache is installed. A failure that something missing explains (a user, a
        directory that an earlier task would have made) is only warned about.
    support: full
  diff_mode:
    description: Will return details on what has changed when in diff mode.
    support: full
requirements:
  - systemd
  - root
author:
  - evenkeel.wsgi authors (@evenkeel)
"""

EXAMPLES = r"""
- name: Apply the configuration of two roles at once, and prove it
  evenkeel.wsgi.apache_config:
    owners:
      apache_event:
        modules: [mpm_event]
        fragments:
          mpm: |
            ServerLimit 4
            ThreadLimit 25
            ThreadsPerChild 25
            MaxRequestWorkers 100
      shop:
        modules: [wsgi]
        disable:
          sites: [000-default]
        fragments:
          site: "{{ lookup('ansible.builtin.template', 'shop.conf.j2') }}"
    expect:
      MaxRequestWorkers: 100
      ThreadsPerChild: 25
    probes:
      - url: http://127.0.0.1/healthz
        host: shop.example.org
        contains: ok

- name: Take one application off, leave the rest
  evenkeel.wsgi.apache_config:
    owners:
      shop: {}

- name: Return to the generation before
  evenkeel.wsgi.apache_config:
    state: previous

- name: Leave Apache as the distribution had it
  evenkeel.wsgi.apache_config:
    state: removed
"""

RETURN = r"""
generation:
  description: The current generation; null when there is none.
  returned: always
  type: int
  sample: 7
action:
  description: What was done to the service (in check mode, what would be), V(none), V(reload), V(restart), V(start) or V(stop).
  returned: success
  type: str
  sample: reload
reasons:
  description: Why O(ignore:action) was needed.
  returned: success
  type: list
  elements: str
  sample: [ServerLimit changes]
running:
  description: What the running server was seen to run; empty when Apache does not run.
  returned: success
  type: dict
  sample: {generation: 7, MPM: event, MaxRequestWorkers: 100, ServerLimit: 4, ThreadsPerChild: 25, processes: 2}
diff:
  description: Each file that differs, the switches of the distribution and the drop-ins.
  returned: in diff mode
  type: list
  elements: dict
apache:
  description: What Apache said about the configuration that it refused.
  returned: when the test or the rehearsal fails
  type: list
  elements: str
offender:
  description: The place that Apache blames, as C(path), C(line), C(text) and, if it is one of ours, C(owner) and C(fragment).
  returned: when Apache names one
  type: dict
  sample: {path: /etc/apache2/evenkeel/generations/8/shop-site.conf, line: 3, text: WSGIDaemonProces shop, owner: shop, fragment: site}
failed_generation:
  description: The generation that was live and did not do what it should.
  returned: when the proof fails
  type: int
rolled_back:
  description: Whether the former generation serves again.
  returned: when the proof fails
  type: bool
journal:
  description: What the service said meanwhile.
  returned: when the proof fails
  type: list
  elements: str
error_log:
  description: What Apache's error log said meanwhile.
  returned: when the proof fails
  type: list
  elements: str
"""

from dataclasses import fields

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.errors import ApacheConfigError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.job import Request, execute
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.layout import Layout


def layout_spec():
    return {item.name: {"type": "str", "default": item.default} for item in fields(Layout)}


def main():
    module = AnsibleModule(
        argument_spec={
            "owners": {"type": "dict", "default": {}},
            "probes": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "url": {"type": "str", "required": True},
                    "host": {"type": "str"},
                    "status": {"type": "list", "elements": "int", "default": [200]},
                    "contains": {"type": "str"},
                },
            },
            "expect": {
                "type": "dict",
                "default": {},
                "options": {name: {"type": "int"} for name in ("MaxRequestWorkers", "ServerLimit", "ThreadsPerChild")},
            },
            "status_address": {"type": "str", "default": "127.0.0.1:8090"},
            "state": {"type": "str", "choices": ["applied", "previous", "removed"], "default": "applied"},
            "generation": {"type": "int"},
            "keep": {"type": "int", "default": 5},
            "service_state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
            "timeout": {"type": "int", "default": 30},
            "layout": {"type": "dict", "default": {}, "options": layout_spec()},
        },
        supports_check_mode=True,
    )
    params = module.params
    names = ("owners", "expect", "status_address", "state", "generation", "keep", "service_state", "timeout")
    request = Request(check_mode=module.check_mode, probes=tuple(params["probes"]), **{name: params[name] for name in names})
    try:
        result = execute(request, Layout(**(params["layout"] or {})))
    except ApacheConfigError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    for text in result.pop("warnings"):
        module.warn(text)
    if not module._diff:
        result.pop("diff")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
