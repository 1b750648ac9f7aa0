# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `_applications` and `_application_claims` say no with."""

from __future__ import annotations

VARIABLE = "mod_wsgi_daemon_applications"


class ApplicationError(ValueError):
    """An application that must not be deployed; the text names the variable, the value, the reason and what to write instead."""
