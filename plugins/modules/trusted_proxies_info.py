#!/usr/bin/python
# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: trusted_proxies_info
short_description: Who still comes from proxies that are to be trusted no longer
version_added: "0.1.0"
description:
  - Reads the access log that role C(security_baseline) writes, and the open connections of the host.
  - A proxy that is taken out of the lists while it still sends requests would be logged, limited and refused as if it were the client.
extends_documentation_fragment:
  - evenkeel.wsgi.looks_only
options:
  networks:
    description: Networks that are to be trusted no longer.
    type: list
    elements: str
    required: true
  kept:
    description: Networks that stay trusted. An address in one of them counts as not leaving.
    type: list
    elements: str
    default: []
  minutes:
    description: How far to look back in the log.
    type: int
    default: 15
  log:
    description: The access log. Files that it was turned over to have a number behind the name.
    type: path
    default: /var/log/apache2/evenkeel/access.json
author:
  - evenkeel.wsgi authors (@evenkeel)
"""

EXAMPLES = r"""
- name: Ask whether the old subnet is quiet
  evenkeel.wsgi.trusted_proxies_info:
    networks: [10.0.1.0/24]
  register: proxies
  # => proxies.requests: [{"address": "10.0.1.7", "requests": 412, "last": "2026-11-22T05:56:02.334+0000"}]
"""

RETURN = r"""
requests:
  description: Who sent requests, the busiest first. For a proxy further out, the one that the balancer wrote into the chain.
  type: list
  elements: dict
  returned: always
  contains:
    address:
      description: The proxy's address.
      type: str
    requests:
      description: How many requests.
      type: int
    last:
      description: When the last one came, as the log has it.
      type: str
connections:
  description: Addresses with an open connection to a port on which the host listens.
  type: list
  elements: str
  returned: always
log_read:
  description: Whether there was a log to read.
  type: bool
  returned: always
"""

import datetime
import glob
import ipaddress
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies import traffic

#: The end of each file of the log that is read, in bytes: at 400 bytes a line, the last 160,000 requests.
MOST = 64 * 1024 * 1024


def log_lines(log, since):
    """(lines, whether there was a file) of the files that were written to since then."""
    lines, found = [], False
    for path in [log, *glob.glob(glob.escape(log) + ".*")]:
        try:
            if os.path.getmtime(path) < since.timestamp():
                found = True
                continue
            with open(path, "rb") as handle:
                handle.seek(max(0, os.path.getsize(path) - MOST))
                lines += handle.read().splitlines()
                found = True
        except OSError:
            continue
    return lines, found


def table(path):
    """Text of a table of connections; empty where the kernel has none."""
    try:
        with open(path, encoding="ascii") as handle:
            return handle.read()
    except OSError:
        return ""


def main():
    module = AnsibleModule(
        argument_spec={
            "networks": {"type": "list", "elements": "str", "required": True},
            "kept": {"type": "list", "elements": "str", "default": []},
            "minutes": {"type": "int", "default": 15},
            "log": {"type": "path", "default": "/var/log/apache2/evenkeel/access.json"},
        },
        supports_check_mode=True,
    )
    try:
        removed, kept = ([ipaddress.ip_network(text) for text in module.params[name]] for name in ("networks", "kept"))
    except ValueError as exc:
        module.fail_json(msg="networks, kept: %s" % exc)
    since = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=module.params["minutes"])
    lines, found = log_lines(module.params["log"], since)
    module.exit_json(
        changed=False,
        requests=[seen.as_dict() for seen in traffic.requests_from(lines, removed, kept, since)],
        connections=traffic.connected_from([table("/proc/net/tcp"), table("/proc/net/tcp6")], removed, kept),
        log_read=found,
    )


if __name__ == "__main__":
    main()
