# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test trusted_proxy: may mod_remoteip trust this network?"""

from __future__ import annotations

DOCUMENTATION = r"""
name: trusted_proxy
short_description: Whether Apache's mod_remoteip may trust a network
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - True if the network can be a hop of its own for the filter P(evenkeel.wsgi.trusted_proxies#filter), which says why when it can not.
options:
  _input:
    description: One network, or several separated by white space.
    type: str
    required: true
  provider:
    description: To whom the network belongs. Public networks are only trusted with a provider.
    type: str
    default: ""
seealso:
  - plugin: evenkeel.wsgi.trusted_proxies
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Private networks need no provider, public ones do
  ansible.builtin.assert:
    that:
      - "'10.0.0.0/8' is evenkeel.wsgi.trusted_proxy"
      - "'203.0.113.0/24' is not evenkeel.wsgi.trusted_proxy"
      - "'203.0.113.0/24' is evenkeel.wsgi.trusted_proxy(provider='Example CDN')"
      - "'0.0.0.0/1' is not evenkeel.wsgi.trusted_proxy(provider='the Internet')"
      - "'10.0.0.1/8' is not evenkeel.wsgi.trusted_proxy"
"""

RETURN = r"""
_value:
  description: Whether the network may be trusted.
  type: bool
"""

import datetime
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies.model import Hop, ProxyError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies.trust import decide


def trusted_proxy(network: t.Any, provider: str = "") -> bool:
    """Adapt trust.decide to a yes or no about one hop; what is not text is no network."""
    if not isinstance(network, str):
        return False
    hop = Hop("tested", (network,), "public" if provider else "private", provider)
    try:
        decide([hop], today=datetime.date.today())
    except ProxyError:
        return False
    return True


class TestModule:
    """Offer the test to Ansible."""

    def tests(self) -> dict[str, t.Callable[..., bool]]:
        """Return the test by its name."""
        return {"trusted_proxy": trusted_proxy}
