# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The distribution's switches (links in mods-, sites- and conf-enabled): off for a generation, put back exactly as found.

What is switched off is moved, link by link, to ``<directory>/found``; putting it back is the reverse move, which also works by hand:
``mv /etc/apache2/evenkeel/found/sites-enabled/* /etc/apache2/sites-enabled/``. Debian's markers (/var/lib/apache2/site/…) are left as
a2dismod, a2dissite and a2disconf leave them, so that no package upgrade switches anything on again.

Every function only does what is missing, so that a run that was killed anywhere is finished by the next one.
"""

from __future__ import annotations

import os

from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config import files, generation

OBJECTS = {"modules": ("mods", "module", (".load", ".conf")), "sites": ("sites", "site", (".conf",)), "confs": ("conf", "conf", (".conf",))}
MARKS = ("enabled_by_admin", "enabled_by_maint", "disabled_by_admin", "disabled_by_maint")


def enabled_dir(layout, kind):
    return {"modules": layout.mods_enabled, "sites": layout.sites_enabled, "confs": layout.conf_enabled}[kind]


def places(layout, kind, name):
    """[(live path, held path)] of the links that make up one switch."""
    folder, _marker, suffixes = OBJECTS[kind]
    return [(os.path.join(enabled_dir(layout, kind), name + suffix), os.path.join(layout.found, folder + "-enabled", name + suffix)) for suffix in suffixes]


def held(layout):
    """What is switched off at present: {(kind, name)}, without the MPMs."""
    found = set()
    for kind, (folder, _marker, suffixes) in OBJECTS.items():
        links = entries(os.path.join(layout.found, folder + "-enabled"))
        found |= {(kind, os.path.splitext(entry)[0]) for entry in links if entry.endswith(suffixes)}
        found |= {(kind, name) for name in entries(os.path.dirname(kept_marks(layout, kind, "")))}
    return {(kind, name) for kind, name in found if name not in generation.MPM_MODULES}


def entries(folder):
    return [entry for entry in sorted(os.listdir(folder)) if not entry.startswith(".")] if os.path.isdir(folder) else []


def to_switch_off(layout, state):
    return sorted(
        (kind, name) for kind, name in state.disable if enabled_dir(layout, kind) and any(os.path.lexists(live) for live, _held in places(layout, kind, name))
    )


def to_put_back(layout, state):
    return sorted(held(layout) - state.disable)


def switch_off(layout, state):
    for kind, name in to_switch_off(layout, state):
        for live, kept in places(layout, kind, name):
            if os.path.lexists(live):
                files.move(live, kept)
    for kind, name in sorted(held(layout) & state.disable):
        mark(layout, kind, name, "disabled_by_admin")


def put_back(layout, state):
    for kind, name in to_put_back(layout, state):
        for live, kept in places(layout, kind, name):
            if os.path.lexists(kept):
                if os.path.lexists(live):
                    files.remove(kept)  # somebody enabled it again: theirs stays
                else:
                    files.move(kept, live)
        unmark(layout, kind, name)


# --- Debian's markers ------------------------------------------------------------------------------------------------------------


def marker(layout, kind, mark, name):
    return os.path.join(layout.markers, OBJECTS[kind][1], mark, name)


def kept_marks(layout, kind, name):
    """File that says which markers were found, one a line; it exists while we hold the name."""
    return os.path.join(layout.found, "markers", OBJECTS[kind][1], name)


def mark(layout, kind, name, wanted):
    """Make ``wanted`` the only marker of this name, keeping what was found for unmark()."""
    if not layout.markers or not os.path.isdir(layout.markers):
        return
    found = [old for old in MARKS if os.path.exists(marker(layout, kind, old, name))]
    kept = kept_marks(layout, kind, name)
    if not os.path.exists(kept):
        files.make_dir(os.path.dirname(kept))
        files.replace(kept, "".join(old + "\n" for old in found), 0o644)
    set_marks(layout, kind, name, [wanted], found)


def unmark(layout, kind, name):
    """Put the markers back as they were found."""
    kept = kept_marks(layout, kind, name)
    text = files.read_text(kept)
    if text is None:
        return
    found = [old for old in MARKS if os.path.exists(marker(layout, kind, old, name))]
    set_marks(layout, kind, name, text.split(), found)
    files.remove(kept)


def set_marks(layout, kind, name, wanted, found):
    for new in wanted:
        if new not in found:
            path = marker(layout, kind, new, name)
            files.make_dir(os.path.dirname(path))
            files.write_new(path, "", 0o644)
    for old in found:
        if old not in wanted:
            files.remove(marker(layout, kind, old, name))


# --- the MPM ---------------------------------------------------------------------------------------------------------------------
# Exactly one must be loaded at every instant: none and two are both fatal. So the old one's link is replaced by the new one's in one
# rename (mpm_prefork.load -> ../mods-available/mpm_event.load) and only then given its proper name by another.


def mpm_links(folder):
    """{entry: link text} of the MPM links in a directory."""
    paths = {entry: os.path.join(folder, entry) for entry in entries(folder) if os.path.splitext(entry)[0] in generation.MPM_MODULES}
    return {entry: os.readlink(path) for entry, path in paths.items() if os.path.islink(path)}


def mpm_found(layout):
    """The MPM links as they were found; empty while the MPM is the distribution's own choice."""
    links = mpm_links(os.path.join(layout.found, "mods-enabled"))
    return links if any(entry.endswith(".load") for entry in links) else {}


def mpm_is(layout, mpm):
    loads = {entry: text for entry, text in mpm_links(layout.mods_enabled).items() if entry.endswith(".load")}
    return len(loads) == 1 and all(entry == os.path.basename(text) == "mpm_%s.load" % mpm for entry, text in loads.items())


def mpm_to_select(layout, state):
    return bool(state.mpm and layout.mods_enabled and layout.mods_available and not mpm_is(layout, state.mpm))


def mpm_to_put_back(layout, state):
    return bool(not state.mpm and mpm_found(layout))


def select_mpm(layout, state):
    """Make the wanted MPM the one that is loaded, as a2dismod and a2enmod would leave it."""
    if not mpm_to_select(layout, state):
        return
    if not mpm_found(layout):
        keep, links = os.path.join(layout.found, "mods-enabled"), mpm_links(layout.mods_enabled)
        files.make_dir(keep)
        for entry in mpm_links(keep):
            files.remove(os.path.join(keep, entry))  # left by a run that was killed while it put things back
        for entry in sorted(links, key=lambda entry: entry.endswith(".load")):  # .load last: it says that all are kept
            files.link(links[entry], os.path.join(keep, entry))
    for name in generation.MPM_MODULES:
        if name == "mpm_" + state.mpm:
            mark(layout, "modules", name, "enabled_by_admin")
        elif name + ".load" in mpm_found(layout):
            mark(layout, "modules", name, "disabled_by_admin")
    names = ["mpm_%s%s" % (state.mpm, suffix) for suffix in (".conf", ".load")]
    available = os.path.relpath(layout.mods_available, layout.mods_enabled)
    arrange_mpm(layout, {name: os.path.join(available, name) for name in names if os.path.exists(os.path.join(layout.mods_available, name))})


def put_back_mpm(layout, state):
    """The MPM as it was found."""
    if not mpm_to_put_back(layout, state):
        return
    links = mpm_found(layout)
    arrange_mpm(layout, links)
    for name in generation.MPM_MODULES:
        unmark(layout, "modules", name)
    for entry in sorted(links, reverse=True):  # .load first: without it the rest counts for nothing
        files.remove(os.path.join(layout.found, "mods-enabled", entry))


def arrange_mpm(layout, wanted):
    """Make the MPM links exactly ``wanted`` ({entry: link text}), with one MPM loaded at every instant."""
    folder = layout.mods_enabled
    for entry, text in wanted.items():
        if entry.endswith(".conf"):
            files.link(text, os.path.join(folder, entry))  # inert until its module is loaded
    for entry, text in wanted.items():
        if entry.endswith(".load"):
            path = os.path.join(folder, entry)
            others = [other for other in mpm_links(folder) if other.endswith(".load") and other != entry]
            if others and not os.path.lexists(path):
                files.link(text, os.path.join(folder, others[0]))
                os.rename(os.path.join(folder, others[0]), path)
            else:
                files.link(text, path)
    for entry in mpm_links(folder):
        if entry not in wanted:
            files.remove(os.path.join(folder, entry))
