# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong, as types. Nothing in this package imports Ansible."""

from __future__ import annotations


class ApacheConfigError(Exception):
    """A refusal or a failure. ``details`` are returned to the caller as they are (JSON types only)."""

    def __init__(self, message, **details):
        super().__init__(message)
        self.message = message
        self.details = details


class RequestError(ApacheConfigError):
    """The caller asked for something that makes no sense; nothing was touched."""


class TestFailed(ApacheConfigError):
    """The new configuration did not pass its test or rehearsal; nothing was touched."""


class ProofFailed(ApacheConfigError):
    """The new configuration is live but does not do what it should; it will be switched back."""
