# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of host_metrics.py share. Role: evenkeel.wsgi.security_baseline"""

from __future__ import annotations

import json
import os
import tempfile


def family(name, kind, meaning, samples):
    """Lines of one metric. samples: [(suffix of the name, {label: value}, number)]."""
    lines = ["# HELP %s %s" % (name, meaning), "# TYPE %s %s" % (name, kind)]
    for suffix, labels, number in samples:
        # JSON escapes in a string what Prometheus wants escaped.
        inside = ",".join("%s=%s" % (label, json.dumps(str(value), ensure_ascii=False)) for label, value in labels.items())
        lines.append("%s%s%s %s" % (name, suffix, "{%s}" % inside if inside else "", number))
    return lines


def replace(path, text):
    """Write a file whole, readable by all; node_exporter reads only names that end in .prom."""
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".%s." % os.path.basename(path))
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        os.fchmod(stream.fileno(), 0o644)
        stream.write(text)
    os.rename(temporary, path)


def remembered(path):
    """What was written down in a file of JSON; nothing when there is none or it cannot be read."""
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return {}
