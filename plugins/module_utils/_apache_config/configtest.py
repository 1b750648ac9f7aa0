# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Apache says about a configuration: warnings that count as failures, the offending line, the evaluated settings. Pure."""

from __future__ import annotations

import re

# Apache says these with "Syntax OK" and exit code 0, and then runs with other values than it was given. Seen on 2.4.68 and 2.4.71;
# the even numbers are the short forms that a graceful reload writes to the error log.
FATAL_WARNINGS = {
    "AH00497": "ServerLimit is above the hard limit",
    "AH00498": "ServerLimit is above the hard limit",
    "AH00501": "ServerLimit cannot be changed by a reload",
    "AH00502": "ThreadLimit is above the hard limit",
    "AH00503": "ThreadLimit is above the hard limit",
    "AH00506": "ThreadLimit cannot be changed by a reload",
    "AH00507": "ThreadsPerChild exceeds ThreadLimit",
    "AH00508": "ThreadsPerChild exceeds ThreadLimit",
    "AH00509": "ThreadsPerChild must be positive",
    "AH00510": "ThreadsPerChild must be positive",
    "AH00511": "MaxRequestWorkers is below ThreadsPerChild",
    "AH00512": "MaxRequestWorkers is below ThreadsPerChild",
    "AH00513": "MaxRequestWorkers is not a multiple of ThreadsPerChild",
    "AH00514": "MaxRequestWorkers is not a multiple of ThreadsPerChild",
    "AH00515": "MaxRequestWorkers exceeds ServerLimit x ThreadsPerChild",
    "AH00516": "MaxRequestWorkers exceeds ServerLimit x ThreadsPerChild",
    "AH00517": "StartServers must be positive",
    "AH00518": "StartServers must be positive",
    "AH00519": "MinSpareThreads must be positive",
    "AH00520": "MinSpareThreads must be positive",
    "AH01574": "a module is loaded twice and the first one silently wins",
}
IGNORED = re.compile(r"AH00557|AH00558|Syntax OK|^\s*$")  # no ServerName is ordinary
PROBE = "info_module"  # loaded by the test itself, for -D DUMP_CONFIG
PREFIX = re.compile(r"^(\[[^\]]*\] )+")

# Changes of these are ignored, or refused, by a graceful reload.
RESTART_SETTINGS = ("ServerLimit", "ThreadLimit", "ListenBacklog")
SETTINGS = (*RESTART_SETTINGS, "ThreadsPerChild", "MaxRequestWorkers", "ErrorLog", "PidFile")


def messages(text):
    """Lines worth showing, each once, without time stamps."""
    seen = []
    for line in text.splitlines():
        line = PREFIX.sub("", line.strip())
        own = "AH01574" in line and PROBE in line
        if line and not own and not IGNORED.search(line) and line not in seen:
            seen.append(line)
    return seen


def fatal_warnings(lines):
    return [line for line in lines if any(code in line for code in FATAL_WARNINGS)]


def offender(text):
    """(path, line number) that Apache names, or (None, None)."""
    match = re.search(r"(?:on line|at line) (\d+) of (\S+?):?(?:\s|$)", text)
    return (match.group(2), int(match.group(1))) if match else (None, None)


def evaluate(dump):
    """What a dump (-D DUMP_CONFIG -D DUMP_MODULES) says: {directive: argument, "Listen": [...], "modules": [...]}.

    Only the main server's directives count; the last of a kind wins, as it does in Apache.
    """
    config, _sep, modules = dump.partition("Loaded Modules:")
    settings, depth = {"Listen": []}, 0
    for line in config.splitlines():
        line = line.strip()
        if line.startswith("#") or not line:
            continue
        if line.startswith("</"):
            depth -= 1
        elif line.startswith("<"):
            depth += 1
        elif depth == 0:
            name, _space, argument = line.partition(" ")
            known = {key.lower(): key for key in SETTINGS}.get(name.lower())
            if known:
                settings[known] = argument.strip().strip('"')
            elif name.lower() == "listen":
                settings["Listen"].append(argument.split()[0].strip('"'))
    names = [line.split()[0] for line in modules.splitlines() if line.strip().endswith((" (shared)", " (static)"))]
    settings["modules"] = sorted(name for name in names if name != PROBE)
    return settings


def address(listen):
    """(address, port) of a Listen argument; the address is empty for all addresses."""
    host, _colon, port = listen.rpartition(":")
    return ("" if host in ("*", "0.0.0.0", "[::]") else host.strip("[]")), int(port)


def why_restart(old, new):
    """Why only a restart gets from one evaluated configuration to the other; an empty list means that a reload does."""
    reasons = ["%s changes" % name for name in RESTART_SETTINGS if old.get(name) != new.get(name)]
    added, gone = (sorted(set(one["modules"]) - set(other["modules"])) for one, other in ((new, old), (old, new)))
    if added or gone:
        reasons.append("the set of modules changes: %s" % " ".join(["+" + name for name in added] + ["-" + name for name in gone]))
    before, after = ({address(listen) for listen in settings["Listen"]} for settings in (old, new))
    ports = {port for _host, port in before}
    # a reload opens new sockets before it closes old ones, so it would collide with itself and end the server
    moved = sorted("%s:%d" % place for place in after - before if place[1] in ports)
    if moved:
        reasons.append("Listen %s takes a port over from another address" % ", ".join(moved))
    return reasons
