# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run of apache_config: from what is asked to a server that is proven to do it, or to the server as it was."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config import (
    files,
    generation,
    modules,
    namespace,
    rehearsal,
    report,
    store,
)
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.errors import ApacheConfigError, RequestError, TestFailed
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.golive import Switch

LOCK_TIMEOUT = 300


@dataclass(frozen=True)
class Request:
    """What the caller asks for; the fields are the module's parameters."""

    owners: dict = field(default_factory=dict)
    probes: tuple = ()
    expect: dict = field(default_factory=dict)
    status_address: str = "127.0.0.1:8090"
    state: str = "applied"
    generation: int | None = None
    keep: int = 5
    service_state: str = "started"
    timeout: int = 30
    check_mode: bool = False


def execute(request, layout):
    """Do it; returns the module's result, raises ApacheConfigError."""
    generation.checked_address(request.status_address)
    if not os.path.exists(layout.binary):
        return without_apache(request, layout)
    with locked(layout):
        try:
            return Job(request, layout).run()
        except OSError as exc:
            if exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
                where = exc.filename or layout.directory
                raise ApacheConfigError("cannot write %s: %s; nothing was changed" % (where, os.strerror(exc.errno))) from exc
            raise


def without_apache(request, layout):
    """A bare host: check mode says what it can, anything else is refused."""
    if request.state == "removed":
        return {"changed": False, "generation": None, "action": "none", "running": {}, "warnings": [], "diff": [], "reasons": []}
    if not request.check_mode:
        raise RequestError("Apache is not installed: there is no %s" % layout.binary)
    owners = generation.merged({}, generation.checked_owners(request.owners))
    wanted = generation.target(1, owners, request.status_address, lambda names: modules.load_lines(layout, names))
    return {
        "changed": True,
        "generation": 1,
        "action": "start" if request.service_state == "started" else "none",
        "running": {},
        "reasons": [],
        "warnings": ["not tested: Apache is not installed"],
        "diff": report.diff(generation.NOTHING, wanted, layout),
    }


@contextmanager
def locked(layout):
    """One run at a time on a host; the kernel lets go of the lock when a run dies."""
    handle = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + LOCK_TIMEOUT
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    text = "another run of apache_config holds %s for more than %d s"
                    raise ApacheConfigError(text % (layout.lock, LOCK_TIMEOUT)) from None
                time.sleep(0.1)
        yield
    finally:
        os.close(handle)


class Job:
    """What is known while a run goes on."""

    def __init__(self, request, layout):
        self.request, self.layout = request, layout
        self.warnings = []
        self.pointed = store.pointed(layout)
        self.pending = store.read_pending(layout)
        current = store.load(layout, self.pointed)
        if current is None:
            text = "the record of generation %s, the current one, cannot be read: what its owners asked for is lost, name them all"
            self.warnings.append(text % self.pointed)
            current = store.as_it_lies(layout, self.pointed)
        self.current = current
        self.proven = self.current
        if self.pending:
            before = store.load(layout, self.pending.get("from"))
            self.proven = before if before is not None else self.current

    def run(self):
        wanted = self.wanted()
        modules.refuse_needing_prefork(self.layout, wanted)
        missing = store.differences(self.layout, wanted)
        switch = Switch(self.layout, self.request, wanted, self.proven, self.pending)
        switch.observe()
        if not missing and not self.pending:
            idle = switch.nothing_to_do()
            if idle is not None:
                return self.result(self.tidy(wanted, idle), wanted, "none", idle, [])
        tried = self.test(wanted, switch.active)
        if tried.get("settings"):
            wanted = replace(wanted, settings=tried["settings"])
        switch.prepare(wanted, tried, missing)
        difference = report.diff(self.current or generation.NOTHING, wanted, self.layout)
        if self.request.check_mode:
            return self.result(bool(missing) or switch.action != "none", wanted, switch.action, {}, difference, switch.reasons)
        running = switch.go_live()
        needed = {wanted.number, (self.proven or generation.NOTHING).number}
        store.prune(self.layout, self.request.keep, needed)
        if wanted.number is None:
            files.remove_tree(self.layout.directory)
        return self.result(bool(missing) or switch.action != "none", wanted, switch.action, running, difference, switch.reasons)

    def tidy(self, wanted, idle):
        """Nothing is left to do but to finish what a killed run had proven; returns whether something of ours was removed."""
        leftover = wanted.number is None and os.path.isdir(self.layout.directory)
        if self.request.check_mode:
            return leftover
        if idle:
            store.mark_proven(self.layout, wanted)
        store.prune(self.layout, self.request.keep, {self.pointed})
        if leftover:
            files.remove_tree(self.layout.directory)
        return leftover

    def result(self, changed, wanted, action, running, difference, reasons=()):
        return {
            "changed": changed,
            "generation": wanted.number,
            "action": action,
            "running": running,
            "warnings": self.warnings,
            "diff": difference,
            "reasons": list(reasons),
        }

    # --- what is wanted ---

    def wanted(self):
        """The state that the request asks for."""
        if self.request.state == "removed":
            return generation.NOTHING
        if self.request.state == "previous":
            return self.former()
        base = self.current or generation.NOTHING
        owners = generation.merged(base.owners, generation.checked_owners(self.request.owners))
        mods = generation.wanted_modules(owners)
        disable = {(kind, name) for parts in owners.values() for kind in generation.KINDS for name in parts["disable"][kind]}
        early = modules.out_of_order(self.layout, mods, disable)
        wanted = generation.target(base.number, owners, self.request.status_address, self.load_lines, early)
        if base.number is not None and generation.same(base, wanted):
            return replace(wanted, settings=base.settings)
        number = max([*store.numbers(self.layout), base.number or 0, self.pointed or 0]) + 1
        return generation.target(number, owners, self.request.status_address, self.load_lines, early)

    def load_lines(self, names):
        return modules.load_lines(self.layout, names)

    def former(self):
        """An earlier generation, as it lies on disk."""
        known = store.numbers(self.layout)
        earlier = [number for number in known if number < (self.pointed or 0) and store.is_proven(self.layout, number)]
        number = self.request.generation if self.request.generation is not None else max(earlier, default=None)
        if number is None or number not in known:
            raise RequestError(
                "there is no %s; there are: %s" % ("earlier generation" if number is None else "generation %s" % number, ", ".join(map(str, known)) or "none")
            )
        found = store.load(self.layout, number)
        if found is None:
            raise RequestError("generation %s cannot be read; there are: %s" % (number, ", ".join(map(str, known))))
        return found

    # --- whether it works ---

    def test(self, wanted, active):
        """Test and rehearse the wanted state; a failure in check mode may be the fault of what check mode left out."""
        start = wanted.number is not None or active
        try:
            tried = rehearsal.try_state(self.layout, wanted, start, self.request.timeout)
            if tried["gaps"]:
                other = rehearsal.try_state(self.layout, wanted, start, self.request.timeout, off_first=True)
                tried = dict(other, off_first=True) if not other["gaps"] else tried
        except namespace.Impossible as exc:
            self.warnings.append("not tested before it went live: this host allows no namespaces (%s)" % exc)
            return {}
        except TestFailed as exc:
            if self.request.check_mode and report.may_be_missing(exc.message):
                self.warnings.append("not tested: something is missing, perhaps a task makes it that check mode left out: %s" % exc.message)
                return {}
            owner, fragment = generation.owner_of((exc.details.get("offender") or {}).get("path", ""), wanted)
            if owner:
                exc.details["offender"].update(owner=owner, fragment=fragment)
            raise
        for gap in tried["gaps"]:
            text = "after the step '%s' Apache could not have been started until the next step: %s"
            self.warnings.append(text % (gap["step"], "; ".join(gap["messages"])))
        if not tried["before_ok"]:
            self.warnings.append("the configuration found could not be started any more: %s" % "; ".join(tried["before_messages"]))
        if tried["why_not_started"]:
            self.warnings.append("tested but not rehearsed: %s" % tried["why_not_started"])
        self.warnings += tried["warnings"]
        return tried
