# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which networks mod_remoteip may trust, and why others may not be: no Ansible, no name lookups, no clock, no I/O.

``trust.decide`` is the entry point: hops in, the two lists of mod_remoteip out, or every reason against them at once.
"""
