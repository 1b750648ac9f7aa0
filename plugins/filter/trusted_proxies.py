# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter trusted_proxies: hops in, the two lists of mod_remoteip out."""

from __future__ import annotations

DOCUMENTATION = r"""
name: trusted_proxies
short_description: Decide which networks Apache's mod_remoteip trusts
version_added: "0.1.0"
author:
  - evenkeel.wsgi authors (@evenkeel)
description:
  - Turns the proxies between the client and Apache into the two lists of mod_remoteip, normalised.
  - Fails with every reason at once, and with what to write instead, when one of the networks must not be trusted.
  - Private hops become C(RemoteIPInternalProxy), public ones C(RemoteIPTrustedProxy). The latter ignores clients with
    private addresses, so a load balancer in your own network belongs to the former.
  - No name is looked up and nothing is fetched.
notes:
  - "Refused, by id: V(no-proxies) a header without a list, which makes Apache believe everybody; V(everything) a C(/0), or
    networks that join up to one; V(too-wide) and V(too-much) networks beyond the limits; V(host-bits); V(hostname); V(octal);
    V(inet-aton) short, integer and hexadecimal forms; V(v4-mapped); V(not-a-network); V(not-a-peer) multicast, reserved and
    unspecified addresses; V(duplicate); V(overlap); V(internal-and-trusted); V(public-range) and V(private-range) networks that
    do not lie where the hop's kind says; V(no-provider); V(no-networks); V(client-overlap); V(hop), V(header), V(exception)
    and V(exception-expired) malformed input."
  - "V(too-wide): a private network, or several that join up, may be as wide as C(/8) (IPv4) or C(/32) (IPv6), a public one
    C(/10) or C(/24). V(too-much): all public networks together may hold as many addresses as one C(/8) or C(/20). These two can
    be lifted by an exception."
options:
  _input:
    description: The hops, in any order.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the hop is called in comments and errors.
        type: str
        required: true
      networks:
        description: Its networks. A string may hold several, separated by white space or line breaks.
        type: list
        elements: str
        required: true
      kind:
        description: Whether the networks are your own private ones or public ones.
        type: str
        choices: [private, public]
        default: private
      provider:
        description: To whom public networks belong. Required for them.
        type: str
  header:
    description: The request header with the chain of addresses.
    type: str
    default: X-Forwarded-For
  client_networks:
    description: Where clients connect from, if that is known. They must not share addresses with a proxy.
    type: list
    elements: str
    default: []
  exceptions:
    description: Limits that somebody lifted on purpose.
    type: list
    elements: dict
    default: []
    suboptions:
      rule:
        description: The id of the refusal.
        type: str
        choices: [too-wide, too-much]
        required: true
      network:
        description: The network as the refusal states it (V(IPv4) or V(IPv6) for V(too-much)).
        type: str
        required: true
      reason:
        description: Why the limit does not apply.
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
"""

EXAMPLES = r"""
- name: Show what an AWS load balancer in two subnets becomes
  ansible.builtin.debug:
    msg: "{{ [{'name': 'alb', 'networks': '10.0.1.0/24 10.0.2.0/24'}] | evenkeel.wsgi.trusted_proxies }}"
  # => {"internal": ["10.0.1.0/24", "10.0.2.0/24"], "trusted": [], "others": ["0.0.0.0/5", "8.0.0.0/7", …, "::/0"]}

- name: Show a CDN in front of the balancer
  ansible.builtin.debug:
    msg: "{{ hops | evenkeel.wsgi.trusted_proxies(client_networks=['192.168.0.0/16']) }}"
  vars:
    hops:
      - name: alb
        networks: [10.0.1.0/24, fd12:3456:789a:1::/64]
      - name: cdn
        kind: public
        provider: Example CDN, https://cdn.example/ips
        networks: [203.0.113.0/24]
  # => {"internal": ["10.0.1.0/24", "fd12:3456:789a:1::/64"], "trusted": ["203.0.113.0/24"], "others": […]}
"""

RETURN = r"""
_value:
  description: The two lists of mod_remoteip in the order of the input, and everybody else.
  type: dict
  contains:
    internal:
      description: Networks for C(RemoteIPInternalProxy).
      type: list
      elements: str
    trusted:
      description: Networks for C(RemoteIPTrustedProxy).
      type: list
      elements: str
    others:
      description:
        - All networks, of both IP versions, that are in neither list. For C(RemoteIPProxyProtocolExceptions), which knows no
          way to say from whom the PROXY protocol is taken.
      type: list
      elements: str
"""

import datetime
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies.model import Hop, ProxyError, Waiver
from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies.trust import decide

HOP_KEYS = {"name": True, "networks": True, "kind": False, "provider": False}
EXCEPTION_KEYS = dict.fromkeys(("rule", "network", "reason", "owner", "expires"), True)


def trusted_proxies(hops: t.Any, header: str = "X-Forwarded-For", client_networks: t.Any = (), exceptions: t.Any = ()) -> dict[str, list[str]]:
    """Adapt trust.decide to Jinja."""
    try:
        trust = decide(
            [hop(item) for item in sequence(hops, "hops")],
            header=header or "",
            client_networks=texts(client_networks, "client_networks"),
            waivers=[waiver(item) for item in sequence(exceptions, "exceptions")],
            today=datetime.date.today(),
        )
    except ProxyError as exc:
        listed = "".join(f"\n- {reason}" for reason in exc.reasons)
        raise AnsibleFilterError(f"evenkeel.wsgi.trusted_proxies: these proxies must not be trusted:{listed}") from None
    except (TypeError, ValueError) as exc:
        raise AnsibleFilterError(f"evenkeel.wsgi.trusted_proxies: {exc}") from None
    return trust.as_dict()


def hop(item: t.Any) -> Hop:
    """Return one hop of the input as the core knows it."""
    checked = mapping(item, "a hop", HOP_KEYS)
    return Hop(
        name=str(checked["name"]),
        networks=tuple(texts(checked["networks"], f"networks of hop {checked['name']}")),
        kind=str(checked.get("kind") or "private"),
        provider=str(checked.get("provider") or ""),
    )


def waiver(item: t.Any) -> Waiver:
    """Return one exception of the input as the core knows it."""
    checked = {key: str(value) for key, value in mapping(item, "an exception", EXCEPTION_KEYS).items()}
    try:
        expires = datetime.date.fromisoformat(checked.pop("expires"))
    except ValueError as exc:
        raise ValueError(f"an exception's expires is a date like 2027-01-31: {exc}") from None
    return Waiver(expires=expires, **checked)


def mapping(item: t.Any, what: str, keys: dict[str, bool]) -> t.Mapping[str, t.Any]:
    """Return ``item`` if it has the required keys (those that map to True) and no unknown ones."""
    if not isinstance(item, t.Mapping):
        raise TypeError(f"{what} is a dictionary with {', '.join(keys)}, not {item!r}")
    wrong = sorted({str(key) for key in item} - set(keys)) + [f"no {key}" for key, needed in keys.items() if needed and key not in item]
    if wrong:
        raise TypeError(f"{what} has {', '.join(keys)}; this one has {', '.join(wrong)}: {dict(item)!r}")
    return item


def sequence(value: t.Any, what: str) -> t.Sequence[t.Any]:
    """Return ``value`` if it is a list."""
    if isinstance(value, (str, bytes)) or not isinstance(value, t.Sequence):
        raise TypeError(f"{what} is a list, not {value!r}")
    return value


def texts(value: t.Any, what: str) -> list[str]:
    """Return a list of strings from one string or a list of them."""
    found = [value] if isinstance(value, str) else list(sequence(value, what))
    for item in found:
        if not isinstance(item, str):
            raise TypeError(f"{what}: {item!r} is not text; put quotes around it")
    return found


class FilterModule:
    """Offer the filter to Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filter by its name."""
        return {"trusted_proxies": trusted_proxies}
