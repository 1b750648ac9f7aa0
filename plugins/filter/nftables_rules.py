# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter nftables_rules: who may connect where, as a table of nftables."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nftables_rules
short_description: Write who may connect where as a table of nftables
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Refuses everything that is not literally a network, a port, a number or a plain reason, and says all that is wrong at once.
  - A direction is closed only when what keeps it usable is known. Until then nothing of it is in the rules, and the missing variables are
    named.
options:
  _input:
    description: The variables C(security_baseline_network_*), by their names without that prefix.
    type: dict
    required: true
    suboptions:
      management_networks:
        description: Networks that administrators and Ansible connect from.
        type: list
        elements: str
        required: true
      ssh_ports:
        description: Ports that they connect to.
        type: list
        elements: int
        required: true
      web_networks:
        description: Networks that requests come from, or V(any) alone.
        type: list
        elements: str
        required: true
      web_ports:
        description: Ports that they come to.
        type: list
        elements: int
        required: true
      ingress:
        description: Other ways in, each with C(name), C(networks), C(ports), C(protocol) and C(reason).
        type: list
        elements: dict
        required: true
      egress:
        description: All ways out, with the same keys.
        type: list
        elements: dict
        required: true
      source_rate:
        description: New connections that one address may open in a second.
        type: int
        required: true
      source_connections:
        description: Connections that one address may have at once.
        type: int
        required: true
      proxy_rate:
        description: What O(_input.source_rate) is for each address of O(_input.web_networks).
        type: int
        required: true
"""

EXAMPLES = r"""
- name: Show the rules
  ansible.builtin.debug:
    msg: "{{ wanted | evenkeel.wsgi.nftables_rules }}"
  vars:
    wanted:
      management_networks: [10.0.9.0/24]
      ssh_ports: [22]
      web_networks: [any]
      web_ports: [80, 443]
      ingress: []
      egress: []
      source_rate: 50
      source_connections: 100
      proxy_rate: 2000
  # => {"missing": {"inbound": [], "outbound": ["security_baseline_network_egress"]}, "rules": "table inet evenkeel\n..."}
"""

RETURN = r"""
_value:
  description: The rules, and what they lack.
  type: dict
  contains:
    rules:
      description: A script for C(nft -f); empty when no direction can be closed yet.
      type: str
    missing:
      description: Variables that are still needed to close the C(inbound) and the C(outbound) direction.
      type: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _nftables as core


def nftables_rules(given: t.Any) -> dict[str, t.Any]:
    """Adapt the core to Jinja."""
    names = {"management_networks", "ssh_ports", "web_networks", "web_ports", "ingress", "egress", "source_rate", "source_connections", "proxy_rate"}
    if not isinstance(given, t.Mapping) or given.keys() != names:
        raise AnsibleFilterError(f"evenkeel.wsgi.nftables_rules: write a dictionary with {', '.join(sorted(names))}, not {given!r}")
    try:
        wanted = core.settle(given)
    except core.NetworkError as exc:
        raise AnsibleFilterError(f"evenkeel.wsgi.nftables_rules: {exc}") from exc
    return {"rules": core.render(wanted), "missing": core.missing(wanted)}


class FilterModule:
    """Offer the filter to Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filter by its name."""
        return {"nftables_rules": nftables_rules}
