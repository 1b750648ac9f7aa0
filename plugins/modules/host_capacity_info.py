#!/usr/bin/python
# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_capacity_info
short_description: Report what CPU, memory and software a host really has
version_added: "0.1.0"
description:
  - Reports the numbers from which P(evenkeel.wsgi.capacity_plan#filter) computes a plan.
  - CPU and memory are what the host's cgroups (v1 and v2) allow, not only what C(/proc) shows, which in a container is the whole machine.
  - The cgroup that counts is the one in which services run, C(system.slice) beside PID 1, with all of its ancestors.
  - Everything is returned as the one fact RV(ansible_facts.evenkeel_host).
extends_documentation_fragment:
  - evenkeel.wsgi.looks_only
author:
  - evenkeel.wsgi authors (@evenkeel)
"""

EXAMPLES = r"""
- name: Measure the host
  evenkeel.wsgi.host_capacity_info:

- name: Show the memory that a plan may use
  ansible.builtin.debug:
    msg: "{{ ansible_facts.evenkeel_host.memory_mib }} MiB, from {{ ansible_facts.evenkeel_host.memory_source }}"
# msg: 2048 MiB, from cgroup v2 memory.max of /
"""

RETURN = r"""
ansible_facts:
  description: The facts, to be merged into the host's.
  returned: always
  type: dict
  contains:
    evenkeel_host:
      description: The host as the capacity plan sees it.
      returned: always
      type: dict
      contains:
        distribution:
          description: Name of the distribution, as C(ansible_distribution) spells it.
          returned: always
          type: str
          sample: Debian
        release:
          description: VERSION_ID of C(/etc/os-release).
          returned: always
          type: str
          sample: "13"
        hostname:
          description: The host's own name.
          returned: always
          type: str
          sample: web1
        vcpus:
          description: CPUs that services may use.
          returned: always
          type: float
          sample: 2.0
        vcpus_source:
          description: What limits V(vcpus).
          returned: always
          type: str
          sample: cgroup v2 cpu.max of /
        memory_mib:
          description: Memory that services may use, in MiB.
          returned: always
          type: int
          sample: 2048
        memory_source:
          description: What limits V(memory_mib).
          returned: always
          type: str
          sample: MemTotal of /proc/meminfo
        swap_mib:
          description: Swap that services may use, in MiB.
          returned: always
          type: int
          sample: 0
        cgroup:
          description: The cgroup version that carries the limits, V(v1), V(v2) or V(none).
          returned: always
          type: str
          sample: v2
        somaxconn:
          description: net.core.somaxconn, to which the kernel clamps every listen backlog.
          returned: always
          type: int
          sample: 4096
        tcp_max_syn_backlog:
          description: net.ipv4.tcp_max_syn_backlog.
          returned: always
          type: int
          sample: 1024
        sysctl_writable:
          description: Whether kernel settings can be changed on this host; in a container mostly not.
          returned: always
          type: bool
          sample: true
        python:
          description: Version of the system's C(/usr/bin/python3).
          returned: always
          type: str
          sample: "3.13"
        apache:
          description: Version of the installed Apache; null if it is not installed.
          returned: always
          type: str
          sample: 2.4.71
        mod_wsgi:
          description: Version of the installed mod_wsgi package; null if it is not installed.
          returned: always
          type: str
          sample: 5.0.2
        packages:
          description: Names of the installed packages; empty on a host without C(dpkg-query).
          returned: always
          type: list
          elements: str
          sample: [apache2]
        trusted_proxies:
          description: Networks that Apache's current configuration trusts, as role C(remoteip_alb) wrote them.
          returned: always
          type: list
          elements: str
          sample: [10.0.1.0/24]
        container:
          description: Kind of container that the host is, as systemd names it; empty for a machine, virtual or not.
          returned: always
          type: str
          sample: ""
        reviewed:
          description: Fingerprints of the risky inputs that role C(security_baseline) applied last, by topic.
          returned: always
          type: dict
          sample: {network: {security_baseline_network_ingress: 44136fa355b3678a}}
        users:
          description: Home, shell and comment of each account in C(/etc/passwd), by name.
          returned: always
          type: dict
          sample: {shop: {home: /srv/shop, shell: /usr/sbin/nologin, gecos: ""}}
        owners:
          description: Names under which M(evenkeel.wsgi.system_files) has files on the host.
          returned: always
          type: list
          elements: str
          sample: [security_baseline]
"""

import os
import platform

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _host


def installed(module):
    """{name: version} of the installed packages; empty where there is no dpkg."""
    program = module.get_bin_path("dpkg-query")
    if program is None:
        return {}
    _rc, out, _err = module.run_command([program, *_host.QUERY], environ_update={"LC_ALL": "C.UTF-8"}, check_rc=True)
    return _host.installed_packages(out)


def main():
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    host = _host.describe(
        affinity=len(os.sched_getaffinity(0)),
        hostname=platform.node(),
        packages=installed(module),
        python="%s.%s" % platform.python_version_tuple()[:2],
    )
    module.exit_json(changed=False, ansible_facts={"evenkeel_host": host})


if __name__ == "__main__":
    main()
