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


ROW = re.compile(r"<tr><td>(\d+)</td><td>(\d+)</td><td>([^<]*)</td>" + r"<td>[^<]*</td>" * 2 + r"<td>(\d+)</td>" * 3)


def running_values(address, configured=None, timeout=5.0):
    """What mod_status says of the running server; see status_values."""
    status, page = get("http://%s/server-status" % address, "localhost", timeout)
    if status != 200:
        raise ProofFailed("the status page answers %d" % status)
    return status_values(page, configured)


def status_values(page, configured=None):
    """{"MPM", "MaxRequestWorkers", "ThreadsPerChild", "processes", "pids"} of a page of mod_status. Pure.

    ``ThreadsPerChild``: threads of the processes that are not stopping (a long request may keep an old one for a while); None while
    they start. ``MaxRequestWorkers``: the length of the scoreboard, which shows the workers that may run. Only while its last slot is in
    use it can be longer, because a reload may have put new processes behind the old ones (seen on 2.4.71: 120 after a reload from 120
    to 60); then ``configured`` stands, the value of the generation that is proven to run, if the scoreboard can hold it.
    """
    mpm = re.search(r"Server MPM: (\w+)", page)
    scoreboard = "".join((re.search(r"<pre>(.*?)</pre>", page, re.S) or [None, ""])[1].split())
    rows = [(int(slot), int(pid), stopping == "no", int(busy) + int(graceful) + int(idle)) for slot, pid, stopping, busy, graceful, idle in ROW.findall(page)]
    threads = {count for _slot, _pid, stays, count in rows if stays}
    values = {
        "MPM": mpm.group(1) if mpm else None,
        "MaxRequestWorkers": len(scoreboard),
        "processes": len(rows),
        "ThreadsPerChild": threads.pop() if len(threads) == 1 and "S" not in scoreboard else None,
        "pids": [pid for _slot, pid, stays, _count in rows if stays],
    }
    width = values["ThreadsPerChild"]
    if configured and width and configured < len(scoreboard) <= (max(row[0] for row in rows) + 1) * width:
        values["MaxRequestWorkers"] = configured
    return values


def contradictions(expect, values):
    """["MaxRequestWorkers is 100, expected 150", …]"""
    return [
        "%s is %s, expected %s" % (name, values.get(name), expect[name])
        for name in EXPECTED
        if expect.get(name) is not None and values.get(name) != expect[name]
    ]


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
