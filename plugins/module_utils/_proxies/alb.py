# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an Application Load Balancer must be set to, so that what it says about clients can be believed."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass

PORT = "routing.http.xff_client_port.enabled"
MODE = "routing.http.xff_header_processing.mode"
INVALID = "routing.http.drop_invalid_header_fields.enabled"
IDLE = "idle_timeout.timeout_seconds"
CLIENT_KEEP_ALIVE = "client_keep_alive.seconds"

#: What AWS does when an attribute was never set.
DEFAULTS = {PORT: "false", MODE: "append", INVALID: "false", IDLE: "60", CLIENT_KEEP_ALIVE: "3600"}

WHY = {
    PORT: "an address is an address; Apache takes a port off as well, but not where mod_security is",
    MODE: "with preserve the client writes the whole header, with remove nobody does",
    INVALID: "headers that no standard allows are read differently by different programs",
    IDLE: "the capacity plan keeps Apache's KeepAliveTimeout above remoteip_alb_idle_timeout",
}


@dataclass(frozen=True)
class Drift:
    """An attribute that is not as it should be, and why it should."""

    attribute: str
    found: str
    wanted: str
    why: str

    def as_dict(self) -> dict[str, str]:
        """Return {attribute, found, wanted, why}."""
        return asdict(self)


def effective(attributes: t.Mapping[str, str]) -> dict[str, str]:
    """Return the attributes that matter here, with AWS's defaults for those that are absent."""
    return {name: attributes.get(name, default) for name, default in DEFAULTS.items()}


def drift(attributes: t.Mapping[str, str], idle_timeout: int) -> list[Drift]:
    """Return what differs from what is needed. The client's keep-alive is between client and balancer only: nothing follows from it."""
    wanted = {PORT: "false", MODE: "append", INVALID: "true", IDLE: str(idle_timeout)}
    found = effective(attributes)
    return [Drift(name, found[name], value, WHY[name]) for name, value in wanted.items() if found[name] != value]
