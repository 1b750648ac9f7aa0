# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's systemd as a module sees it, and the record of what the module left on the host."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils._files import read_or_none, write_atomically


class Host:
    """The host of a module. A record has ``parse(bytes or None)`` and ``dump() -> bytes``; ``error`` is what a failing systemctl raises."""

    def __init__(self, module: t.Any, record_path: str, record: t.Any, error: type[Exception]) -> None:
        self.module = module
        self.error = error
        self.record_path = record_path
        self.record = record.parse(read_or_none(record_path))

    def systemctl(self, *arguments: str) -> str:
        """Run systemctl, which must succeed."""
        code, out, err = self.module.run_command(["systemctl", *arguments])
        if code:
            raise self.error(f"systemctl {' '.join(arguments)} failed with {code}: {(err or out).strip()}")
        return t.cast(str, out)

    def show(self, properties: str, units: t.Sequence[str]) -> list[str]:
        """Return what systemd says of each unit, one block of lines for each, asked at once."""
        return self.systemctl("show", f"--property={properties}", *units).strip("\n").split("\n\n") if units else []

    def keep_record(self, record: t.Any) -> None:
        """Remember what is, or may be, on the host."""
        if record != self.record:
            os.makedirs(os.path.dirname(self.record_path), exist_ok=True)
            write_atomically(self.record_path, record.dump(), 0o600)
            self.record = record
