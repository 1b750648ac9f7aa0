# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the caller is shown: differences as text, and failures that check mode may not blame on the configuration."""

from __future__ import annotations

import os
import re

from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config import generation

# In check mode the tasks before this one have made nothing: users, directories, packages, virtual environments may be missing.
MISSING = re.compile(
    r"No such file or directory|does not exist|bad user name|bad group name|Cannot load|Could not open|is not a directory"
    r"|No matches for the wildcard|Unable to (?:open|access)|directory .* (?:missing|not found)",
    re.I,
)


def may_be_missing(message):
    return bool(MISSING.search(message))


def parts(state, layout):
    """{name shown: text} of everything a state consists of."""
    shown = {os.path.join(layout.generations, "N", name): text or "" for name, text in generation.numberless(state).items() if text}
    shown.update({os.path.join(layout.drop_in_dir, name): text for name, text in state.drop_ins.items()})
    switches = ["%s %s off" % (kind[:-1], name) for kind, name in sorted(state.disable)] + (["MPM %s" % state.mpm] if state.mpm else [])
    if switches:
        shown["switches"] = "\n".join(switches) + "\n"
    return shown


def diff(before, after, layout):
    """Ansible's diff: one entry for each file that differs; N stands for the number of the generation."""
    old, new = parts(before, layout), parts(after, layout)
    return [
        {"before_header": name, "after_header": name, "before": old.get(name, ""), "after": new.get(name, "")}
        for name in sorted(set(old) | set(new))
        if old.get(name) != new.get(name)
    ]
