# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the register, docs/controls.md: every line of the article's baseline with the controls that answer it.

What is said of a control comes from the control itself (plugins/module_utils/_evidence), its state in the example fleet from
examples/evidence.json, which Molecule's scenario `default` compares with what it sees.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
importlib.import_module("conftest")  # it makes this checkout importable as the collection
from ansible_collections.evenkeel.wsgi.plugins.module_utils._evidence import lines, topics  # noqa: E402

HEAD = """\
# The register of controls

Every line of the baseline in the article "Security Defaults That Save You Before You Need Them", and what answers it. A control is a
function in [_evidence](../plugins/module_utils/_evidence/) that judges what the running host shows; this page is written from those
functions by `script/docs`, so no control stands here without a check. What the states mean: [monitoring.md](monitoring.md#evidence).

The last column is the example fleet ([examples/inventory](../examples/inventory), which `script/demo` brings up): what is `unmet` there needs an
input that the example does not have. Molecule's scenario `default` compares it with what it sees on its hosts.
"""
COLUMNS = ("Control", "Protects against", "Proven by", "Cost", "Becomes `ok` with", "Example fleet")


def row(*cells: str) -> str:
    """One row of a table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def register() -> str:
    """The whole page."""
    states = json.loads((ROOT / "examples/evidence.json").read_text())
    out, heading = [HEAD], ""
    for key, (above, line) in lines.LINES.items():
        if above != heading:
            heading = above
            out.append(f"## {heading}\n")
        out.append(f"### {line}\n")
        answers = [control for control in topics.CONTROLS.values() if control.line == key]
        if not answers:
            out.append("No control yet.\n")
            continue
        out += [row(*COLUMNS), row(*["---"] * len(COLUMNS))]
        out += [row(f"`{one.id}`", one.against, one.proof, one.cost, one.wants, " or ".join(states[one.id])) for one in answers]
        out.append("")
    return "\n".join(out)


print(register(), end="")
