# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes in and what comes out: hops and waivers, the two lists, and reasons."""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Reason:
    """Why something is refused: a stable id, the network as it was written, the reason, what to write instead."""

    id: str
    network: str
    reason: str
    instead: str

    def __str__(self) -> str:
        return f"{self.network}: {self.reason} ({self.id}). Write instead: {self.instead}"

    def as_dict(self) -> dict[str, str]:
        """Return {id, network, reason, instead}."""
        return asdict(self)


class ProxyError(ValueError):
    """The refusal of a whole chain of proxies; ``reasons`` holds every Reason for it."""

    def __init__(self, *reasons: Reason) -> None:
        super().__init__("\n".join(str(reason) for reason in reasons))
        self.reasons = reasons


@dataclass(frozen=True)
class Hop:
    """One tier of proxies.

    networks: texts, each with one network or several separated by white space.
    kind: "private" becomes RemoteIPInternalProxy, "public" becomes RemoteIPTrustedProxy.
    provider: to whom public networks belong; required for them.
    """

    name: str
    networks: tuple[str, ...]
    kind: str = "private"
    provider: str = ""


@dataclass(frozen=True)
class Waiver:
    """An exception: lifts ``rule`` for ``network``, both as a Reason states them, up to and including ``expires``."""

    rule: str
    network: str
    reason: str
    owner: str
    expires: datetime.date


@dataclass(frozen=True)
class Trust:
    """The two lists of mod_remoteip, normalised, in the order in which they were declared.

    others: all networks that are in neither; they follow from the two.
    """

    internal: tuple[str, ...]
    trusted: tuple[str, ...]
    others: tuple[str, ...] = field(default=(), compare=False)

    def as_dict(self) -> dict[str, list[str]]:
        """Return {internal, trusted, others}."""
        return {"internal": list(self.internal), "trusted": list(self.trusted), "others": list(self.others)}
