# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to load a module, and what a distribution already loads (Debian's mods-available and mods-enabled)."""

from __future__ import annotations

import os
import re

from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config import generation
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.errors import RequestError


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return handle.read()
    except OSError:
        return ""


def depends(text):
    """Names after ``# Depends:`` in a .load file."""
    match = re.search(r"^# Depends:\s*(.*)$", text, re.M)
    return match.group(1).split() if match else []


def load_lines(layout, wanted):
    """[(identifier, directive lines)] for these modules and those they depend on, in order.

    A module is a name ("headers") or "<identifier> <path>" for one that no distribution knows. A distribution's own .load file says
    best how its module is loaded (identifier, LoadFile, path); without one the usual naming is assumed.
    """
    lines, seen = [], set()

    def add(name):
        if name in seen:
            return
        seen.add(name)
        if " " in name:
            identifier, path = name.split(None, 1)
            lines.append((identifier, ["LoadModule %s %s" % (identifier, path)]))
            return
        text = read(os.path.join(layout.mods_available, name + ".load")) if layout.mods_available else ""
        for needed in depends(text):
            if needed not in generation.MPM_MODULES:
                add(needed)
        found = [line.strip() for line in text.splitlines() if re.match(r"\s*Load(Module|File)\s", line)]
        identifiers = [line.split()[1] for line in found if line.startswith("LoadModule")]
        if identifiers:
            lines.append((identifiers[-1], found))
        else:
            lines.append((name + "_module", ["LoadModule %s_module %s/mod_%s.so" % (name, layout.modules_dir, name)]))

    for name in wanted:
        add(name)
    return lines


def enabled(layout):
    """Names of the modules that the distribution loads, in its load order."""
    try:
        return sorted(name[: -len(".load")] for name in os.listdir(layout.mods_enabled) if name.endswith(".load"))
    except OSError:
        return []


def out_of_order(layout, wanted, disable):
    """Modules that the distribution loads too early: to be disabled there and loaded by us. {("modules", name)}

    It loads in alphabetical order, so a module comes too early only when the one that must precede it is not among its own.
    """
    loaded = [name for name in enabled(layout) if ("modules", name) not in disable]
    early = set()
    for late, before in generation.LOAD_BEFORE.items():
        is_ours = os.path.lexists(os.path.join(layout.found, "mods-enabled", late + ".load"))  # taken over by an earlier generation
        if late in wanted and (late in loaded or is_ours) and any(name in wanted and name not in loaded for name in before):
            early.add(("modules", late))
    return early


def refuse_needing_prefork(layout, state):
    """RequestError when something enabled works with prefork only and the state wants a threaded MPM."""
    if state.mpm not in ("event", "worker"):
        return
    for name in enabled(layout):
        text = read(os.path.join(layout.mods_enabled, name + ".load"))
        if ("modules", name) not in state.disable and (name.startswith("php") or "mpm_prefork" in depends(text)):
            raise RequestError(
                "module %s needs the prefork MPM and cannot run under %s: disable it on purpose (disable.modules: [%s]) or "
                "serve it from another Apache" % (name, state.mpm, name)
            )
