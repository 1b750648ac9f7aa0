# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup provider_hop: the file of a provider's networks, as a hop for the filter trusted_proxies."""

from __future__ import annotations

DOCUMENTATION = r"""
name: provider_hop
short_description: The networks that a provider publishes, as a hop
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Reads C(<directory>/<name>.yml) on the controller. Nothing is fetched; playbook C(evenkeel.wsgi.update_providers) does that.
  - Warns when the file is more than 90 days old.
options:
  _terms:
    description: Names of providers, such as V(cloudflare) and V(cloudfront).
    type: list
    elements: str
    required: true
  directory:
    description: Where the providers' files are.
    type: path
    required: true
  refuse_days:
    description: Fail when a file is older than this, in days.
    type: int
    default: 365
seealso:
  - plugin: evenkeel.wsgi.trusted_proxies
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show from where Cloudflare connects
  ansible.builtin.debug:
    msg: "{{ query('evenkeel.wsgi.provider_hop', 'cloudflare', directory='inventory/providers') }}"
"""

RETURN = r"""
_list:
  description: One hop for each name.
  type: list
  elements: dict
  contains:
    name:
      description: The provider's name.
      type: str
    kind:
      description: Always V(public).
      type: str
    provider:
      description: To whom the networks belong and where they are published.
      type: str
    networks:
      description: The networks.
      type: list
      elements: str
"""

import datetime
import os
import typing as t

import yaml
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies.providers import provider_hop


class LookupModule(LookupBase):
    """Adapt providers.provider_hop to Jinja."""

    def run(self, terms: t.Any, variables: t.Any = None, **kwargs: t.Any) -> list[dict[str, t.Any]]:
        """Return one hop for each name."""
        self.set_options(var_options=variables, direct=kwargs)
        hops = []
        for name in terms:
            path = os.path.join(self.get_option("directory"), f"{name}.yml")
            try:
                with open(path, encoding="utf-8") as handle:
                    data = yaml.safe_load(handle)
                hop, warning = provider_hop(name, data, today=datetime.date.today(), refuse_days=self.get_option("refuse_days"))
            except (OSError, ValueError, yaml.YAMLError) as exc:
                raise AnsibleLookupError(f"evenkeel.wsgi.provider_hop: {path}: {exc}") from None
            if warning:
                self._display.warning(f"evenkeel.wsgi.provider_hop: {warning}")
            hops.append(hop)
        return hops
