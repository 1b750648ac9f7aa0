# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The generations on disk, and the steps by which one takes the place of another."""

from __future__ import annotations

import errno
import json
import os
import re

from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config import files, generation, switches
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.errors import ApacheConfigError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.layout import OWN_CONF

PROVEN = "proven"  # an empty file in a generation


def numbers(layout):
    """Numbers of the complete generations on disk, ascending."""
    entries = os.listdir(layout.generations) if os.path.isdir(layout.generations) else []
    return sorted(int(entry) for entry in entries if entry.isdigit())


def pointed(layout):
    """Number of the generation that a parse of the configuration gets; None when ours is not included."""
    if not os.path.exists(layout.conf_link):
        return None
    match = re.search(r"^Define EVENKEEL_GENERATION .*/(\d+)$", files.read_text(layout.pointer) or "", re.M)
    return int(match.group(1)) if match else None


def load(layout, number):
    """The state that a generation on disk describes; NOTHING for None; None when it cannot be read."""
    if number is None:
        return generation.NOTHING
    folder = layout.generation(number)
    text = files.read_text(os.path.join(folder, generation.RECORD))
    if text is None:
        return None
    try:
        names = [name for name in os.listdir(folder) if name not in (generation.RECORD, PROVEN) and not name.startswith(".")]
        found = {name: files.read_text(os.path.join(folder, name)) for name in names}
        return generation.from_record(json.loads(text), found)
    except (ValueError, KeyError, TypeError):
        return None


def as_it_lies(layout, number):
    """The live state as one to return to, where the record is lost."""
    if not os.path.isdir(layout.generation(number)):
        return None
    mpm = "event" if switches.mpm_is(layout, "event") and switches.mpm_found(layout) else ""
    own = files.read_text(os.path.join(layout.generation(number), generation.OWN_FILE)) or ""
    listen = re.search(r"^Listen (\S+)$", own, re.M)
    return generation.Target(
        number, disable=frozenset(switches.held(layout)), mpm=mpm, drop_ins=live_drop_ins(layout), status_address=listen.group(1) if listen else ""
    )


def write_generation(layout, state):
    """Write a generation completely, or nothing of it: it gets its number by a rename."""
    files.make_dir(layout.generations, 0o755)
    aside = os.path.join(layout.generations, ".new-%s" % state.number)
    files.remove_tree(aside)
    try:
        os.mkdir(aside, 0o755)
        for name, text in state.files.items():
            files.write_new(os.path.join(aside, name), text)
        files.write_new(os.path.join(aside, generation.RECORD), generation.record(state), 0o600)
        files.sync_dir(aside)
        os.rename(aside, layout.generation(state.number))
    except OSError:
        files.remove_tree(aside)
        raise
    files.sync_dir(layout.generations)


def mark_proven(layout, state):
    if state.number is not None and not is_proven(layout, state.number):
        files.replace(os.path.join(layout.generation(state.number), PROVEN), "", 0o644)


def is_proven(layout, number):
    """Whether a server once ran this generation and did what it should."""
    return os.path.exists(os.path.join(layout.generation(number), PROVEN))


def prune(layout, keep, needed):
    """Keep the last ``keep`` proven generations and those that are needed; remove the others and what a killed run left behind."""
    known = numbers(layout)
    kept = [number for number in known if is_proven(layout, number)][-keep:] if keep > 0 else []
    for number in known:
        if number not in needed and number not in kept:
            files.remove_tree(layout.generation(number))
    own = [folder for folder, _folders, _names in os.walk(layout.directory)]
    for folder in [*own, layout.conf_available, layout.conf_enabled, layout.mods_enabled, layout.sites_enabled, layout.drop_in_dir]:
        files.sweep(folder)


# --- a switch that is not proven yet ---------------------------------------------------------------------------------------------


def read_pending(layout):
    """{"from": number|null, "to": number|null, "restart": bool, "main": [pid, start]} of a switch that was not proven; else None."""
    try:
        return json.loads(files.read_text(layout.pending) or "null")
    except ValueError:
        return None


def write_pending(layout, pending):
    files.make_dir(layout.directory)
    files.replace(layout.pending, json.dumps(pending) + "\n", 0o600)


# --- drop-ins of the unit --------------------------------------------------------------------------------------------------------


def live_drop_ins(layout):
    folder = layout.drop_in_dir
    names = os.listdir(folder) if os.path.isdir(folder) else []
    own = [name for name in names if name.startswith("evenkeel-") and name.endswith(".conf")]
    return {name: files.read_text(os.path.join(folder, name)) for name in own}


def write_drop_ins(layout, state):
    for name, text in state.drop_ins.items():
        if live_drop_ins(layout).get(name) != text:
            files.make_dir(layout.drop_in_dir)
            files.replace(os.path.join(layout.drop_in_dir, name), text, 0o644)


def remove_drop_ins(layout, state):
    for name in live_drop_ins(layout):
        if name not in state.drop_ins:
            files.remove(os.path.join(layout.drop_in_dir, name))
    files.sweep(layout.drop_in_dir)
    try:
        os.rmdir(layout.drop_in_dir)
    except OSError as exc:
        if exc.errno not in (errno.ENOTEMPTY, errno.ENOENT, errno.EEXIST):
            raise


# --- from one state to another ---------------------------------------------------------------------------------------------------


def point(layout, state):
    """Make the state's generation the current one, by one rename (or by removing our include)."""
    if state.number is None:
        files.remove(layout.conf_link)
        if layout.conf_file != layout.conf_link:
            files.remove(layout.conf_file)
        return
    if pointed(layout) != state.number:
        files.replace(layout.pointer, "Define EVENKEEL_GENERATION %s\n" % layout.generation(state.number))
    if files.read_text(layout.conf_file) != layout.conf_text:
        files.replace(layout.conf_file, layout.conf_text, 0o644)
    if layout.conf_file != layout.conf_link and not os.path.exists(layout.conf_link):
        files.link(os.path.join(os.path.relpath(layout.conf_available, layout.conf_enabled), OWN_CONF), layout.conf_link)


def steps(layout, state, drop_ins=True, off_first=False):
    """The switch as [(name, function)]: each step leaves a configuration that Apache can start with.

    What the state needs comes before the pointer, what only its predecessor needed goes after it. Steps with nothing to do are left out.
    """
    before, after = [], []
    if drop_ins:
        before.append(
            (
                live_drop_ins(layout).items() - state.drop_ins.items() or state.drop_ins.keys() - live_drop_ins(layout).keys(),
                "write the drop-ins",
                write_drop_ins,
            )
        )
        after.append((live_drop_ins(layout).keys() - state.drop_ins.keys(), "remove drop-ins", remove_drop_ins))
    before.append((switches.mpm_to_select(layout, state), "select the MPM", switches.select_mpm))
    before.append((switches.to_put_back(layout, state), "switch on what was found", switches.put_back))
    (before if off_first else after).append((switches.to_switch_off(layout, state), "switch off", switches.switch_off))
    after.append((switches.mpm_to_put_back(layout, state), "put back the MPM", switches.put_back_mpm))
    pointer = [(not is_pointed(layout, state), "point to the generation", point)]
    return [(name, function) for needed, name, function in before + pointer + after if needed]


def is_pointed(layout, state):
    if state.number is None:
        return not any(os.path.lexists(path) for path in (layout.conf_link, layout.conf_file))
    return pointed(layout) == state.number and (files.read_text(layout.conf_file) == layout.conf_text and os.path.exists(layout.conf_link))


def switch(layout, state, off_first=False, drop_ins=True, after_step=None):
    """Take the steps; after_step(name) is called after each."""
    if state is None:
        raise ApacheConfigError("the generation to switch to cannot be read")
    for name, function in steps(layout, state, drop_ins, off_first):
        function(layout, state)
        if after_step:
            after_step(name)
    for folder in (layout.conf_enabled, layout.mods_enabled, layout.sites_enabled):
        if folder and os.path.isdir(folder):
            files.sync_dir(folder)


def differences(layout, state):
    """What of the live state is not as the state says (short names, empty when nothing is left to do)."""
    return [name for name, _function in steps(layout, state)]
