# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Providers' files: what is a file, and how old it may be. The files of the collection pass the rules of trust."""

from __future__ import annotations

import datetime
import pathlib

import pytest
import yaml
from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies.model import Hop
from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies.providers import provider_hop
from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies.trust import decide

FILES = sorted((pathlib.Path(__file__).parents[4] / "roles/remoteip_alb/files/providers").glob("*.yml"))
DATA = {"provider": "Example CDN", "date": "2026-01-01", "networks": ["203.0.113.0/24"]}
NEW_YEAR = datetime.date(2026, 1, 1)


def after(days: int, data=None, refuse_days: int = 365):
    return provider_hop("cdn", data or DATA, today=NEW_YEAR + datetime.timedelta(days), refuse_days=refuse_days)


def test_a_file_is_a_public_hop():
    assert after(0) == ({"name": "cdn", "kind": "public", "provider": "Example CDN, as of 2026-01-01", "networks": ["203.0.113.0/24"]}, "")


@pytest.mark.parametrize(("days", "warned"), [(90, False), (91, True), (365, True)])
def test_an_old_copy_is_worth_a_warning(days, warned):
    warning = after(days)[1]
    assert bool(warning) is warned
    assert not warned or f"{days} days old" in warning


def test_a_copy_that_is_too_old_is_refused_with_its_age_and_the_cure():
    with pytest.raises(ValueError, match=r"2026-01-01, 31 days old; the limit is 30.*update_providers"):
        after(31, refuse_days=30)


@pytest.mark.parametrize("data", [None, [], {}, {**DATA, "networks": []}, {**DATA, "networks": "203.0.113.0/24"}, {**DATA, "more": 1}, {**DATA, "date": "May"}])
def test_anything_else_is_no_providers_file(data):
    with pytest.raises(ValueError, match="cdn: "):
        provider_hop("cdn", data, today=NEW_YEAR, refuse_days=30)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_the_collection_ships_can_be_trusted(path):
    data = yaml.safe_load(path.read_text())
    hop, _warning = provider_hop(path.stem, data, today=data["date"], refuse_days=1)
    trust = decide([Hop(hop["name"], tuple(hop["networks"]), hop["kind"], hop["provider"])], today=NEW_YEAR)
    assert len(trust.trusted) == len(data["networks"]) > 10
