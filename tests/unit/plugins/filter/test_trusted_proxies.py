# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter trusted_proxies: what it takes from Jinja and what it says when it refuses."""

from __future__ import annotations

import datetime

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.wsgi.plugins.filter.trusted_proxies import FilterModule

trusted_proxies = FilterModule().filters()["trusted_proxies"]
ALB = {"name": "alb", "networks": ["10.0.1.0/24"]}
WIDE = {"name": "cdn", "kind": "public", "provider": "CDN", "networks": "8.0.0.0/9"}
EXCEPTION = {"rule": "too-wide", "network": "8.0.0.0/9", "reason": "r", "owner": "o", "expires": "9999-12-31"}


def test_lists_of_text_and_text_with_several_networks():
    lists = trusted_proxies([ALB, {"name": "b", "networks": "10.0.2.0/24\n10.0.3.0/24"}])
    assert (lists["internal"], lists["trusted"]) == (["10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"], [])
    assert {"::/0", "128.0.0.0/1", "10.0.0.0/24"} < set(lists["others"])


def test_every_reason_is_in_the_error():
    with pytest.raises(AnsibleFilterError, match=r"(?s)10\.0\.1\.1/24: .*host-bits.*office\.example: .*hostname"):
        trusted_proxies([{"name": "alb", "networks": "10.0.1.1/24"}], client_networks="office.example")


@pytest.mark.parametrize("expires", ["9999-12-31", datetime.date.max])
def test_exception_dates_are_text_or_what_yaml_makes_of_them(expires):
    assert trusted_proxies([WIDE], exceptions=[{**EXCEPTION, "expires": expires}])["trusted"] == ["8.0.0.0/9"]


@pytest.mark.parametrize(
    ("hops", "arguments", "message"),
    [
        ("10.0.1.0/24", {}, "hops is a list"),
        (None, {}, "hops is a list"),
        (["10.0.1.0/24"], {}, "a hop is a dictionary with name, networks, kind, provider"),
        ([{"name": "alb", "networks": [], "netwroks": []}], {}, "this one has netwroks"),
        ([{"name": "alb"}], {}, "this one has no networks"),
        ([{"name": "alb", "networks": [10]}], {}, "networks of hop alb: 10 is not text"),
        ([{"name": "alb", "networks": None}], {}, "networks of hop alb is a list"),
        ([ALB], {"exceptions": [{**EXCEPTION, "expires": "soon"}]}, "a date like 2027-01-31"),
        ([ALB], {"exceptions": [{"rule": "too-wide"}]}, "no network, no reason, no owner, no expires"),
        ([ALB], {"header": None}, "not the name of a request header"),
        ([], {}, "no-proxies"),
    ],
)
def test_malformed_input_is_named(hops, arguments, message):
    with pytest.raises(AnsibleFilterError, match=message):
        trusted_proxies(hops, **arguments)
