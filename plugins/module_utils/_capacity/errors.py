# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error of the capacity core, and the words around it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CapacityError(ValueError):
    """An input or a plan is refused; the message names the variable, the value, the reason and what to write instead."""


def refuse(where: str, value: object, why: str, instead: str) -> CapacityError:
    """Build the refusal of one value.

    :param where: path of the variable as the user writes it, for example ``mod_wsgi_daemon_applications[0].threads``
    """
    shown = str(value) if isinstance(value, (int, float)) else repr(value)
    if len(shown) > 80:
        shown = shown[:77] + "..."
    return CapacityError(f"{where} is {shown}: {why}. {instead}")


def nearest(word: str, known: Iterable[str]) -> str:
    """Say which known word was probably meant, else list them all."""
    words = sorted(known)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    return f"Did you mean {close[0]}?" if close else f"Known are {', '.join(words)}."
