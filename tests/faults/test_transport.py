# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS as Mozilla wants it, and certificates that are renewed, that do not fit their key, or that have ended, under requests of 8 s."""

from __future__ import annotations

import concurrent.futures
import hashlib
import http.client
import json
import os
import ssl
import subprocess
import time
import uuid

import pytest
import yaml

from tests.certificates import make

from .conftest import IMAGE, PREFIX, RUN, Host

NAME = "shop.example.org"
CERTIFICATE, KEY = "/etc/ssl/shop.crt", "/etc/ssl/private/shop.key"
SITE = """\
WSGIRestrictEmbedded On
WSGIDaemonProcess shop threads=20 display-name=%{GROUP} shutdown-timeout=30 graceful-timeout=30
Listen 443
<VirtualHost *:80>
    ServerName shop.example.org
    Redirect 301 / https://shop.example.org/
</VirtualHost>
<VirtualHost *:443>
    ServerName shop.example.org
    SSLEngine On
    SSLCertificateFile /etc/ssl/shop.crt
    SSLCertificateKeyFile /etc/ssl/private/shop.key
    WSGIScriptAlias / /srv/shop/app.py process-group=shop application-group=%{GLOBAL}
    <Directory /srv/shop>
        Require all granted
    </Directory>
</VirtualHost>
"""
APPLICATION = """\
import time
def application(environ, start_response):
    time.sleep(float(environ["PATH_INFO"].strip("/") or 0))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]
"""
SHOP = {"shop": {"modules": ["wsgi", "ssl", "alias"], "fragments": {"site": SITE}, "disable": {"modules": ["ssl"]}}}
VARIABLES = {
    "apache_event_defer_apply": True,
    "security_baseline_network": False,
    "security_baseline_transport_time": False,
    "security_baseline_transport_certificates": [{"name": NAME, "path": CERTIFICATE, "key": KEY}],
    "security_baseline_transport_patience_s": 3,
}


def role(name, entry, **variables):
    return {"ansible.builtin.import_role": {"name": "evenkeel.wsgi." + name, "tasks_from": entry}, "vars": variables}


PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "vars": VARIABLES,
        "tasks": [
            role("apache_event", "main"),
            role("apache_event", "stage", apache_event_stage=SHOP),
            role("security_baseline", "apache"),
            role("security_baseline", "metrics"),
            role("security_baseline", "transport"),
            role("apache_event", "apply"),
        ],
    }
]


class Shop(Host):
    """The host, asked from the machine that it runs on, as clients ask it."""

    def put_certificate(self, certificate, key):
        """As whoever renews does it: the key first, each by a rename."""
        for path, text in ((KEY, key), (CERTIFICATE, certificate)):
            self.put(path + ".new", text)
            self.sh("mv %s.new %s" % (path, path))

    def context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    def get_over_tls(self, path="/", timeout=60):
        """(status, headers, hash of the certificate) over a connection of its own; status 0 with the reason in its place."""
        connection = http.client.HTTPSConnection(self.address, 443, timeout=timeout, context=self.context())
        try:
            connection.connect()
            shown = hashlib.sha256(connection.sock.getpeercert(binary_form=True)).hexdigest()
            connection.request("GET", path, headers={"Host": NAME})
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers, shown
        except OSError as exc:
            return 0, repr(exc), ""
        finally:
            connection.close()

    def offer(self, *options):
        """Whether a client that offers only this gets a connection. Not by this machine's library, which may refuse to offer it."""
        return self.run("echo | timeout 5 openssl s_client -connect 127.0.0.1:443 -servername %s %s" % (NAME, " ".join(options)))[0] == 0


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("transport")
    (folder / "play.yml").write_text(yaml.safe_dump(PLAY))
    shop = Shop("%s-tls-%s" % (PREFIX, uuid.uuid4().hex[:8]))
    subprocess.run(["docker", "run", "-d", "--name", shop.name, *RUN, IMAGE], check=True, capture_output=True)
    try:
        shop.wait()
        shop.sh("apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends libapache2-mod-wsgi-py3 nftables")
        shop.put("/srv/shop/app.py", APPLICATION)
        shop.put_certificate(*make(NAME, 90))
        command = ["ansible-playbook", "-i", shop.name + ",", "-c", "community.docker.docker", str(folder / "play.yml")]
        environment = {**os.environ, "ANSIBLE_PIPELINING": "true", "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3", "ANSIBLE_NOCOLOR": "true"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        networks = subprocess.run(["docker", "inspect", "-f", "{{json .NetworkSettings.Networks}}", shop.name], check=True, capture_output=True, text=True)
        (shop.address,) = (network["IPAddress"] for network in json.loads(networks.stdout).values())
        yield shop
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", shop.name], check=False, capture_output=True)


def renewed(shop, certificate, patience=40.0):
    """Seconds until Apache serves a certificate."""
    wanted = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()
    started = time.monotonic()
    while shop.get_over_tls(timeout=20)[2] != wanted:
        assert time.monotonic() - started < patience, shop.run("journalctl -n 30 -u evenkeel-certificates")[1]
        time.sleep(0.2)
    return time.monotonic() - started


def metric(shop, name):
    return float(shop.sh("grep '^%s{' /var/lib/prometheus/node-exporter/evenkeel_certificates.prom" % name).split()[-1])


def test_only_what_mozilla_lists_is_spoken(shop):
    assert shop.offer("-tls1_3") and shop.offer("-tls1_2")
    assert shop.offer("-tls1_2", "-cipher ECDHE-ECDSA-AES128-GCM-SHA256", "-groups X25519:P-256")
    assert not shop.offer("-tls1_1", "-cipher DEFAULT@SECLEVEL=0")
    assert not shop.offer("-tls1_2", "-cipher ECDHE-ECDSA-AES128-SHA@SECLEVEL=0")
    shown = shop.sh("echo | openssl s_client -connect 127.0.0.1:443 -servername %s -tls1_2 2>&1" % NAME)
    assert "Session-ID: " in shown and "session ticket" not in shown.lower()


def test_browsers_are_told_to_stay_with_tls_only_over_tls(shop):
    assert shop.get_over_tls()[1]["Strict-Transport-Security"] == "max-age=63072000"
    assert "strict-transport-security" not in shop.sh("curl -si http://127.0.0.1/ -H 'Host: %s'" % NAME).lower()


def test_a_new_certificate_in_a_quiet_moment_is_served_at_once(shop):
    certificate, key = make(NAME, 60)
    shop.put_certificate(certificate, key)
    renewed(shop, certificate)
    assert "reloaded in a moment without requests" in shop.sh("journalctl -u evenkeel-certificates")
    assert metric(shop, "evenkeel_certificate_not_after_timestamp_seconds") == pytest.approx(time.time() + 60 * 86400, abs=900)


def test_a_new_certificate_ends_no_request_and_refuses_none(shop):
    """There is always a request of 8 s, so there is no quiet moment."""
    certificate, key = make(NAME, 61)
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        asked = [pool.submit(shop.get_over_tls, "/8")]
        time.sleep(0.5)
        shop.put_certificate(certificate, key)
        for number in range(80):
            asked.append(pool.submit(shop.get_over_tls, "/8" if number % 10 == 0 else "/0.1"))
            time.sleep(0.25)
        answers = [one.result() for one in asked]
    assert {status for status, _headers, _shown in answers} == {200}, [answer[:2] for answer in answers if answer[0] != 200]
    assert answers[-1][2] == hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()
    assert "restarted after its requests" in shop.sh("journalctl -u evenkeel-certificates")
    assert "evenkeel_hold" not in shop.sh("nft list tables 2>/dev/null")


def test_a_certificate_without_its_key_never_reaches_apache(shop):
    before = shop.get_over_tls()[2]
    shop.put(CERTIFICATE + ".new", make(NAME, 62)[0])
    shop.sh("cp -a %s /root/old.crt; mv %s.new %s" % (CERTIFICATE, CERTIFICATE, CERTIFICATE))
    time.sleep(5)
    assert shop.get_over_tls()[2] == before
    assert shop.run("systemctl is-active apache2")[0] == 0
    assert metric(shop, "evenkeel_certificate_served") == 0, "an alarm is raised"
    shop.sh("mv /root/old.crt %s; systemctl stop evenkeel-certificates" % CERTIFICATE)


def test_a_certificate_that_has_ended_is_told_and_breaks_nothing_else(shop):
    certificate, key = make(NAME, -1)
    shop.put_certificate(certificate, key)
    renewed(shop, certificate)
    assert metric(shop, "evenkeel_certificate_not_after_timestamp_seconds") < time.time()
    assert shop.get_over_tls()[0] == 200
    shop.restart_service()
    assert shop.get_over_tls()[0] == 200
