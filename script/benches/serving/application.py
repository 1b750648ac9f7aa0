# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A WSGI application that waits (/sleep/MILLISECONDS) or computes (/burn/ROUNDS) and says how much CPU that took."""

import time


def burn(rounds):
    """Pure Python under the interpreter lock; returns the seconds of CPU it took."""
    started, total = time.thread_time(), 0
    for number in range(rounds):
        total += number * number % 7
    return time.thread_time() - started


def application(environ, start_response):
    """Answer with the seconds of CPU that the request took."""
    _root, kind, amount = environ["PATH_INFO"].split("/")
    took = 0.0
    if kind == "sleep":
        time.sleep(int(amount) / 1000)
    else:
        took = burn(int(amount))
    body = b"%.6f" % took
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


if __name__ == "__main__":
    import sys

    print("%.6f" % burn(int(sys.argv[1])))
