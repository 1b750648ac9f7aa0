# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have Apache serve the certificates that lie in its files, and tell Prometheus when they end. Role: evenkeel.wsgi.security_baseline

Apache reads certificates only when it is reloaded, and a reload ends every request that an application has answered for more than 3 s.
So this waits for a moment without any. When none comes, Apache is restarted instead, which lets its requests finish; meanwhile the first
packets of new connections are dropped, so that clients try again instead of being refused.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

from evenkeel_textfile import family, replace

# It ends by itself, also when this program is killed: the ports are forgotten.
HOLD = """\
table inet evenkeel_hold {
    set now { type inet_service; timeout 150s; elements = { 80, 443 } }
    chain input {
        type filter hook input priority -10;
        iifname != "lo" tcp dport @now tcp flags & (syn | ack) == syn drop
    }
}
"""
RELEASE = ["nft", "delete", "table", "inet", "evenkeel_hold"]


def run(*command, given=None):
    """Output of a command that must succeed."""
    return subprocess.run(command, input=given, capture_output=True, text=True, check=True).stdout


def ends(path):
    """When a certificate ends, in seconds since 1970; None when it cannot be read."""
    try:
        return ssl.cert_time_to_seconds(run("openssl", "x509", "-noout", "-enddate", "-in", path).strip().partition("=")[2])
    except (subprocess.CalledProcessError, ValueError):
        return None


def in_file(path):
    """The first certificate of a file, the server's own, in DER; None when there is none."""
    try:
        with open(path, encoding="ascii", errors="replace") as stream:
            found = re.search("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", stream.read(), re.S)
        return ssl.PEM_cert_to_DER_cert(found.group()) if found else None
    except (OSError, ValueError):
        return None


def served(name):
    """The certificate that Apache shows for a name, in DER; None when it shows none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", 443), 10) as plain, context.wrap_socket(plain, server_hostname=name) as link:
            return link.getpeercert(binary_form=True)
    except OSError:
        return None


def belongs(path, key):
    """Whether a key is the certificate's. Apache ends when it is reloaded with another one."""
    try:
        return run("openssl", "x509", "-noout", "-pubkey", "-in", path) == run("openssl", "pkey", "-pubout", "-in", key)
    except subprocess.CalledProcessError:
        return False


def answering(status_url):
    """How many requests Apache is answering, without the one that asks; None when it cannot be asked."""
    try:
        with urllib.request.urlopen(status_url, timeout=5) as answer:
            board = re.search(r"^Scoreboard: (.*)$", answer.read().decode("ascii", "replace"), re.M)
        return board.group(1).count("W") - 1 if board else None
    except (OSError, urllib.error.URLError):
        return None


def quiet(status_url, patience):
    """Wait until Apache answers nothing. Returns whether there was such a moment within so many seconds."""
    until = time.monotonic() + patience
    while answering(status_url) != 0:
        if time.monotonic() >= until:
            return False
        time.sleep(0.2)
    return True


def renew(service, status_url, patience):
    """Have Apache read its certificates again. Returns how."""
    run("apachectl", "-t")
    if quiet(status_url, patience):
        run("systemctl", "reload", service)
        return "reloaded in a moment without requests"
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        run("nft", "-f", "-", given=HOLD)
    try:
        run("systemctl", "restart", service)
    finally:
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            run(*RELEASE)
    return "restarted after its requests; there was no moment without one in %d s" % patience


def due(certificates):
    """Those of which Apache serves another one than the file's."""
    shown = [(one, in_file(one["path"]), served(one["name"])) for one in certificates]
    return [one for one, wanted, now in shown if wanted and now and wanted != now]


def exposition(certificates):
    """What Prometheus reads."""
    late = [one["path"] for one in due(certificates)]
    known = [({"path": one["path"]}, ends(one["path"]), int(one["path"] not in late)) for one in certificates]
    lines = family(
        "evenkeel_certificate_not_after_timestamp_seconds",
        "gauge",
        "When the certificate in the file ends.",
        [("", labels, end) for labels, end, _live in known if end is not None],
    )
    lines += family(
        "evenkeel_certificate_readable", "gauge", "Whether the file holds a certificate.", [("", labels, int(end is not None)) for labels, end, _live in known]
    )
    lines += family(
        "evenkeel_certificate_served", "gauge", "Whether Apache serves the certificate in the file.", [("", labels, live) for labels, _end, live in known]
    )
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--certificates", required=True, help="JSON: [{name: a host name, path: PEM, key: PEM}]")
    parser.add_argument("--output", help="text file for node_exporter")
    parser.add_argument("--status-url", required=True)
    parser.add_argument("--service", required=True)
    parser.add_argument("--patience", type=int, required=True, help="seconds to wait for a moment without requests")
    arguments = parser.parse_args()
    certificates = json.loads(arguments.certificates)
    if arguments.output:
        replace(arguments.output, exposition(certificates))
    late = due(certificates)
    # Whoever renews writes one file after the other.
    until = time.monotonic() + 60
    while not all(belongs(one["path"], one["key"]) for one in late):
        if time.monotonic() >= until:
            sys.exit(
                "no key for the new certificate: %s. Apache keeps the one it has"
                % ", ".join(one["path"] for one in late if not belongs(one["path"], one["key"]))
            )
        time.sleep(1)
    if late:
        print(
            "new: %s; Apache was %s" % (", ".join(one["path"] for one in late), renew(arguments.service, arguments.status_url, arguments.patience)), flush=True
        )
        if due(late):
            sys.exit("Apache does not serve the new certificates: look at journalctl -u %s" % arguments.service)
        if arguments.output:
            replace(arguments.output, exposition(certificates))


if __name__ == "__main__":
    main()
