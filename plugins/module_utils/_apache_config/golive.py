# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Going live: the switch, one reload or restart, the proof, and the way back."""

from __future__ import annotations

import http.client
import re
import time

from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config import configtest, files, generation, proof, service, store
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.errors import ApacheConfigError, ProofFailed, TestFailed

STARTING = 5.0  # seconds for which a server that has just been started may have incomplete processes

# What a service says when nothing is wrong.
ORDINARY = re.compile(r"AH00094|AH00489|AH0049[0-4]|^(Starting|Started|Stopping|Stopped|Reloading|Reloaded) |Deactivated successfully|Consumed ")


class Switch:
    """From the state that runs to the one that is wanted."""

    def __init__(self, layout, request, wanted, proven, pending):
        self.layout, self.request, self.wanted, self.proven, self.pending = layout, request, wanted, proven, pending
        self.action, self.reasons = "none", []
        self.unit, self.runs = {}, None
        self.off_first = False
        self.acted = False

    # --- before ---

    def observe(self):
        """What the unit does and which generation it runs."""
        self.unit = service.show(self.layout)
        self.runs = None
        if service.is_active(self.unit):
            for address in {self.wanted.status_address, (self.proven or generation.NOTHING).status_address} - {""}:
                self.runs = self.runs or proof.running_generation(address)

    @property
    def active(self):
        return service.is_active(self.unit)

    def nothing_to_do(self):
        """The running values when the server does what is wanted already; None when something is left to do."""
        if self.request.service_state == "stopped" and self.request.state != "removed":
            return {} if not self.active else None
        if self.wanted.number is None:
            return {}
        if not self.active or self.runs != self.wanted.number or self.unit["NeedDaemonReload"]:
            return None
        found = {}

        def starting():
            found["values"] = self.values()
            return "starting" if found["values"] and is_starting(found["values"]) else None

        proof.wait_until(starting, time.monotonic() + STARTING)
        values = found["values"]
        return None if values is None or self.contradictions(values) else shown(values)

    def values(self):
        """The running values, None while there are none."""
        try:
            values = proof.running_values(self.wanted.status_address, number(self.wanted.settings.get("MaxRequestWorkers")))
        except (OSError, http.client.HTTPException, ProofFailed):
            return None
        # sticky since the last start, and a change of it always restarts; a reload that would change it says AH00501
        values["ServerLimit"] = number(self.wanted.settings.get("ServerLimit"))
        values["generation"] = self.wanted.number
        pids = values.pop("pids")
        values["own"] = not pids or any(service.parent(pid) == self.unit["MainPID"] for pid in pids)
        return values

    def contradictions(self, values):
        """Why these running values are not what is wanted."""
        wrong = proof.contradictions(self.request.expect, values)
        if not values["own"]:
            wrong.append("the processes that answer are not those of %s" % self.layout.service)
        elif is_starting(values):
            wrong.append("its processes are starting")
        return wrong

    def prepare(self, wanted, tried, missing):
        """Choose the action; refuse what cannot work."""
        self.wanted, self.off_first = wanted, tried.get("off_first", False)
        planned = {name: number(wanted.settings.get(name)) for name in proof.EXPECTED}
        wrong = proof.contradictions(self.request.expect, planned) if wanted.settings else []
        if wrong:
            raise TestFailed("the configuration contradicts expect: %s" % "; ".join(wrong))
        self.action, self.reasons = self.choose(wanted, tried, missing)
        if self.action in ("start", "restart", "reload") and wanted.settings:
            taken = service.taken_ports([configtest.address(place) for place in wanted.settings["Listen"]], self.unit["MainPID"])
            if taken:
                raise ApacheConfigError("Apache could not listen: %s" % "; ".join(taken))

    def choose(self, wanted, tried, missing):
        """(action, why)"""
        if self.request.service_state == "stopped" and self.request.state != "removed":
            return ("stop", ["service_state is stopped"]) if self.active else ("none", [])
        if not self.active:
            return ("none", []) if wanted.number is None else ("start", ["%s is not running" % self.layout.service])
        reasons = self.old_reasons()
        if any("drop-in" in step for step in missing) or self.unit["NeedDaemonReload"]:
            reasons.append("drop-ins of the unit change")
        if any("MPM" in step for step in missing):
            reasons.append("the MPM changes")
        runs = store.load(self.layout, self.runs)
        before = runs.settings if self.runs is not None and runs is not None else {}
        if self.runs is None and self.proven is not None and self.proven.number is None and not self.pending:
            reasons.append("what runs now was not started by us, so its limits are not known")
        elif not before or not wanted.settings:
            reasons.append("the values that run now are not known")
        else:
            reasons += configtest.why_restart(before, wanted.settings)
        values = self.values() if self.runs == wanted.number and not missing else None
        if values:
            reasons += self.contradictions(values)
        if reasons:
            return "restart", reasons
        if not missing and self.runs == wanted.number:
            return "none", []
        return "reload", ["the running server has generation %s" % self.runs]

    def old_reasons(self):
        """A restart that a killed run still owes."""
        owed = self.pending and self.pending.get("restart") and self.pending.get("main")
        same = owed and self.pending["main"] == service.main_process(self.unit["MainPID"])
        return ["a run that was interrupted owes a restart"] if same else []

    # --- live ---

    def go_live(self):
        """Switch, act, prove; on failure go back and raise what happened. Returns the running values."""
        if self.wanted.number is not None and self.wanted.number not in store.numbers(self.layout):
            store.write_generation(self.layout, self.wanted)
        started_from = self.proven.number if self.proven is not None else None
        try:
            store.write_pending(
                self.layout,
                {"from": started_from, "to": self.wanted.number, "restart": self.action == "restart", "main": service.main_process(self.unit["MainPID"])},
            )
        except OSError:
            store.prune(self.layout, self.request.keep, {started_from})  # a full disk must not get fuller with each attempt
            raise
        words = service.Words(self.layout, self.wanted.settings)
        try:
            store.switch(self.layout, self.wanted, self.off_first)
            self.perform(self.action)
            running = self.prove(words)
        except Exception as exc:  # whatever it is, the server must be put right
            raise self.back(exc, words) from exc
        if running:
            store.mark_proven(self.layout, self.wanted)
        files.remove(self.layout.pending)
        return running

    def perform(self, action):
        if service.show(self.layout)["NeedDaemonReload"] or action in ("start", "restart"):
            service.daemon_reload()
        if action == "none":
            return
        self.acted = True
        if action == "start":
            service.run(["systemctl", "reset-failed", self.layout.service])
        code, text = service.act(self.layout, action)
        if code:
            raise ProofFailed("systemctl %s %s failed: %s" % (action, self.layout.service, text.strip()))

    def prove(self, words):
        """The running values, once everything holds; ProofFailed if it does not within the time-out."""
        if self.action == "stop" or (self.request.service_state == "stopped" and not self.active):
            return {}
        if self.wanted.number is None and not self.active:
            return {}
        deadline = time.monotonic() + self.request.timeout

        def give_up():
            if not service.is_active(service.show(self.layout)):
                raise ProofFailed("Apache ended")

        found = {}

        def complaint():
            if self.wanted.number is None:
                pid = service.show(self.layout)["MainPID"]
                own = service.socket_inodes(pid) if pid else set()
                return None if any(inode in own for _host, _port, inode in service.listening()) else "Apache does not listen"
            if not self.wanted.status_address:  # the record is lost, and with it where to ask
                return None
            number = proof.running_generation(self.wanted.status_address)
            if number != self.wanted.number:
                return "http://%s answers with generation %s, not %s" % (self.wanted.status_address, number, self.wanted.number)
            self.unit = service.show(self.layout)
            values = self.values()
            if values is None:
                return "http://%s has no status page" % self.wanted.status_address
            found.update(shown(values))
            wrong = self.contradictions(values)
            return "the running server contradicts the plan: %s" % "; ".join(wrong) if wrong else None

        left = proof.wait_until(complaint, deadline, give_up)
        if left is None:
            fatal = configtest.fatal_warnings(configtest.messages(words.log()))
            left = "Apache runs other values than it was given: %s" % "; ".join(fatal) if fatal else None
        for probe in self.request.probes if left is None else ():
            left = left or proof.wait_until(lambda probe=probe: proof.failing_probe(probe, max(1.0, deadline - time.monotonic())), deadline, give_up, 0.2)
        if left:
            raise ProofFailed(left)
        return found

    # --- back ---

    def back(self, failure, words):
        """Return to what was proven before; the error to raise, with what Apache said and how the return went."""
        details = {
            "journal": configtest.messages(words.journal())[-20:],
            "error_log": configtest.messages(words.log())[-20:],
            "failed_generation": self.wanted.number,
            "generation": self.proven.number if self.proven else None,
        }
        said = [line for line in details["journal"] + details["error_log"] if not ORDINARY.search(line)]
        message = "generation %s failed: %s" % (self.wanted.number, getattr(failure, "message", failure))
        if said:
            message += "\nApache says: %s" % "\n".join(said[-8:])
        try:
            message += "\n" + self.undo()
            details["rolled_back"] = True
        except Exception as exc:
            details["rolled_back"] = False
            message += "\nThe way back failed too: %s" % getattr(exc, "message", exc)
        return ProofFailed(message, **details)

    def undo(self):
        """Switch back, make Apache run again if it ran or should, prove it. Returns what was done in words."""
        failed, was_active = self.wanted, self.active
        self.wanted = self.proven if self.proven is not None else generation.NOTHING
        missing = store.differences(self.layout, self.wanted)
        store.switch(self.layout, self.wanted)
        self.observe()
        should_run = was_active or (self.request.service_state == "started" and self.wanted.number is not None)
        if not should_run:
            self.action = "stop" if self.active else "none"
        elif not self.active:
            self.action = "start"
        elif self.runs is not None and self.runs == self.wanted.number and not self.acted:
            self.action = "none"  # otherwise a reload that is still under way may bring the failed one later
        else:
            unknown = not failed.settings or not self.wanted.settings
            switched = any("drop-in" in name or "MPM" in name for name in missing)
            restart = unknown or switched or configtest.why_restart(failed.settings, self.wanted.settings)
            self.action = "restart" if restart else "reload"
        if self.action in ("start", "restart"):
            service.run(["systemctl", "reset-failed", self.layout.service])
        self.perform(self.action)
        self.unit = service.show(self.layout)
        if should_run:
            before = self.request
            self.request = PlainRequest(before.timeout)
            try:
                self.prove(service.Words(self.layout))
            finally:
                self.request = before
        files.remove(self.layout.pending)
        store.prune(self.layout, self.request.keep, {self.wanted.number, failed.number})
        what = "generation %s" % self.wanted.number if self.wanted.number is not None else "the configuration found"
        return "Switched back to %s (%s)%s." % (what, self.action, ", which serves" if should_run else "")


def is_starting(values):
    return bool(values["processes"]) and values["ThreadsPerChild"] is None


def shown(values):
    return {name: value for name, value in values.items() if name != "own"}


def number(text):
    return int(text) if text and str(text).isdigit() else None


class PlainRequest:
    """What is proven after a return: that the former generation answers."""

    probes, expect, service_state, state = (), {}, "started", "applied"

    def __init__(self, timeout):
        self.timeout = timeout
