# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks that a provider publishes, as a hop; and when a copy of them is too old to be trusted."""

from __future__ import annotations

import datetime
import typing as t

#: A copy older than this is worth a warning, in days.
WARN_DAYS = 90

KEYS = {"provider", "date", "networks"}


def provider_hop(name: str, data: t.Any, *, today: datetime.date, refuse_days: int) -> tuple[dict[str, t.Any], str]:
    """Return the hop {name, kind, provider, networks} that the data of a provider's file describes, and a warning or an empty text.

    Raises ValueError when the data is not such a file's, or when it is more than ``refuse_days`` days old.
    """
    if not isinstance(data, t.Mapping) or set(data) != KEYS or not isinstance(data["networks"], list) or not data["networks"]:
        raise ValueError(f"{name}: a provider's file has {', '.join(sorted(KEYS))}; have playbook evenkeel.wsgi.update_providers write it")
    try:
        age = (today - datetime.date.fromisoformat(str(data["date"]))).days
    except ValueError:
        raise ValueError(f"{name}: its date is {data['date']!r}; write one like 2027-01-31") from None
    told = f"the networks of provider {name} are of {data['date']}, {age} days old"
    cure = "Run playbook evenkeel.wsgi.update_providers on a machine with access to the Internet"
    if age > refuse_days:
        raise ValueError(f"{told}; the limit is {refuse_days}, and addresses that the provider gave back may belong to anybody by now. {cure}")
    hop = {"name": name, "kind": "public", "provider": f"{data['provider']}, as of {data['date']}", "networks": [str(network) for network in data["networks"]]}
    return hop, f"{told}. {cure}" if age > WARN_DAYS else ""
