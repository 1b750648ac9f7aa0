# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one list of controls: every topic, in the order in which evidence and register show them.

A topic is one file beside this one. It holds OPTIONS (what the topic is told, as an argument spec), its controls, and
``look(host, wanted)``, which returns one finding for each of them.
"""

from __future__ import annotations

import types

from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence import (
    access,
    alarms,
    apache,
    backup,
    changes,
    data,
    drills,
    logs,
    metrics,
    model,
    network,
    surface,
    transport,
)

TOPICS: dict[str, types.ModuleType] = {
    "apache": apache,
    "metrics": metrics,
    "alarms": alarms,
    "backup": backup,
    "drills": drills,
    "logs": logs,
    "access": access,
    "changes": changes,
    "data": data,
    "network": network,
    "transport": transport,
    "surface": surface,
}
CONTROLS: dict[str, model.Control] = {
    control.id: control for topic in TOPICS.values() for control in vars(topic).values() if isinstance(control, model.Control)
}
