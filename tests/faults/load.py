# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests from this machine to a host, one after the other or many at once, with what became of each."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time


def ask(address, path="/", host="localhost", timeout=60.0, **request):
    """(status, body, seconds) of one request; status 0 when there was no answer."""
    began = time.monotonic()
    link = http.client.HTTPConnection(address, 80, timeout=timeout)
    try:
        link.request(request.pop("method", "GET"), path, headers={"Host": host, **request.pop("headers", {})}, **request)
        answer = link.getresponse()
        return answer.status, answer.read(), time.monotonic() - began
    except (OSError, http.client.HTTPException) as exc:
        return 0, repr(exc).encode(), time.monotonic() - began
    finally:
        link.close()


class Together:
    """Many requests at once, in threads."""

    def __init__(self, count, address, path, host, **request):
        self.answers = []
        self.threads = [threading.Thread(target=self._one, args=(address, path, host, request), daemon=True) for _attempt in range(count)]
        for thread in self.threads:
            thread.start()

    def _one(self, address, path, host, request):
        self.answers.append(ask(address, path, host, **request))

    def wait(self):
        """[(status, body, seconds)] when all have ended."""
        for thread in self.threads:
            thread.join()
        return self.answers


class Watch:
    """Asks the same again and again from one thread per path, and remembers how it went."""

    def __init__(self, address, paths, pause=0.01):
        self.address, self.pause, self.stopped = address, pause, threading.Event()
        self.seen = {name: [] for name in paths}
        self.threads = [threading.Thread(target=self._go, args=(name, *where), daemon=True) for name, where in paths.items()]

    def _go(self, name, host, path):
        while not self.stopped.wait(self.pause):
            status, _body, took = ask(self.address, path, host, timeout=20)
            self.seen[name].append((status, took))

    def statuses(self, name):
        return {status for status, _took in self.seen[name]}

    def p99_ms(self, name):
        times = sorted(took for _status, took in self.seen[name])
        return times[int(len(times) * 0.99)] * 1000

    def report(self):
        return ", ".join("%s %d requests p99 %.0f ms" % (name, len(seen), self.p99_ms(name)) for name, seen in self.seen.items())


@contextlib.contextmanager
def watched(address, paths, pause=0.01):
    """Watch while something happens."""
    watch = Watch(address, paths, pause)
    for thread in watch.threads:
        thread.start()
    try:
        yield watch
    finally:
        watch.stopped.set()
        for thread in watch.threads:
            thread.join()
