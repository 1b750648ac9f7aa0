# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking the running server what it runs: its generation, its real limits, and the caller's probes."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import time
from urllib.parse import urlsplit

from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config import generation
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.errors import ProofFailed

AGENT = "evenkeel.wsgi.apache_config"
EXPECTED = ("MaxRequestWorkers", "ServerLimit", "ThreadsPerChild")


class TLSConnection(http.client.HTTPSConnection):
    """HTTPS to an address under another name; certificates are not checked: the probe asks this host, not the world."""

    def __init__(self, host, port, name, timeout):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        super().__init__(host, port, timeout=timeout, context=context)
        self.name, self.ssl_context = name, context

    def connect(self):
        plain = socket.create_connection((self.host, self.port), self.timeout)
        self.sock = self.ssl_context.wrap_socket(plain, server_hostname=self.name)


def get(url, host=None, timeout=10.0):
    """(status, body) of a GET; OSError or HTTPException when there is no answer."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        connection = TLSConnection(parts.hostname, parts.port or 443, (host or parts.hostname).split(":")[0], timeout)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout)
    path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    try:
        connection.request("GET", path, headers={"Host": host or parts.netloc, "User-Agent": AGENT, "Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read(1000000).decode("utf-8", "replace")
    finally:
        connection.close()


def running_generation(address, timeout=2.0):
    """Number of the generation that the server at the status address runs; None when it does not say."""
    try:
        _status, body = get("http://%s/generation" % address, "localhost", timeout)
    except (OSError, http.client.HTTPException):
        return None
    match = re.match(generation.answer(r"(\d+)") + r"\s*$", body)
    return int(match.group(1)) if match else None


def running_values(address, configured=None, timeout=5.0):
    """What mod_status says of the running server; ``configured`` is the MaxRequestWorkers of the generation that it runs.

    ``ThreadsPerChild`` is the number of workers per process that is not stopping, None while that is not a whole number (processes are
    starting). ``MaxRequestWorkers`` is the length of the scoreboard that mod_status prints: the workers that may run. Only while the
    last of its processes is in use it can be longer, because a reload may have put new processes behind the old ones (seen on 2.4.71:
    120 after a reload from 120 to 60); then the configured value stands, which the scoreboard must be able to hold.
    """
    status, body = get("http://%s/server-status?auto" % address, "localhost", timeout)
    if status != 200:
        raise ProofFailed("the status page answers %d" % status)
    fields = dict(line.split(": ", 1) for line in body.splitlines() if ": " in line)
    scoreboard = fields.get("Scoreboard", "")
    values = {"MPM": fields.get("ServerMPM"), "MaxRequestWorkers": len(scoreboard), "ThreadsPerChild": None}
    if "Processes" in fields:
        processes = int(fields["Processes"]) - int(fields.get("Stopping", 0))
        workers = int(fields["BusyWorkers"]) + int(fields["IdleWorkers"])
        values["processes"] = processes
        if processes > 0 and workers % processes == 0:
            threads = values["ThreadsPerChild"] = workers // processes
            last_in_use = scoreboard[-threads:].strip(".") if threads else ""
            if configured is not None and configured < len(scoreboard) and last_in_use:
                values["MaxRequestWorkers"] = configured
    return values


def contradictions(expect, values):
    """["MaxRequestWorkers is 100, expected 150", …]"""
    return ["%s is %s, expected %s" % (name, values.get(name), expect[name]) for name in EXPECTED
            if expect.get(name) is not None and values.get(name) != expect[name]]


def wait_until(what, deadline, give_up=None, pause=0.05):
    """Call what() until it returns None (done) or the deadline passes; returns its last complaint. give_up() may raise earlier."""
    while True:
        complaint = what()
        if complaint is None or time.monotonic() > deadline:
            return complaint
        if give_up:
            give_up()
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)


def failing_probe(probe, timeout):
    """Why a probe does not hold, None if it does."""
    name = "%s%s" % (probe["url"], " (Host: %s)" % probe["host"] if probe.get("host") else "")
    try:
        status, body = get(probe["url"], probe.get("host"), timeout)
    except (OSError, http.client.HTTPException) as exc:
        return "probe %s: %s" % (name, exc or type(exc).__name__)
    wanted = probe.get("status") or [200]
    if status not in wanted:
        return "probe %s answers %d, wanted %s" % (name, status, " or ".join(map(str, wanted)))
    if probe.get("contains") and probe["contains"] not in body:
        return "probe %s answers %d, but %r is not in the body" % (name, status, probe["contains"])
    return None
