# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applications that misbehave beside one that does not, on a real host made by site.yml. Each recovers alone; the others never notice.

The tests run in the order of the file. What each measured is printed (pytest -s).
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import threading
import time
import uuid

import pytest

from .conftest import IMAGE, PREFIX, ROOT, RUN, Host
from .load import Together, ask, watched

CODE = """\
import ctypes, hashlib, os, time
hoard = []
def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/segfault":
        ctypes.string_at(0)
    if path == "/exit":
        os._exit(3)
    if path == "/leak":
        hoard.append(os.urandom(1) * (int(query) << 20))
    if path in ("/wait", "/slow/wait"):
        time.sleep(float(query))
    if path == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return part(int(query))
    body = "%s %d %s" % (environ["mod_wsgi.process_group"], os.getpid(), environ["wsgi.url_scheme"])
    if environ["REQUEST_METHOD"] == "POST":
        digest = hashlib.sha256()
        for block in iter(lambda: environ["wsgi.input"].read(65536), b""):
            digest.update(block)
        body = digest.hexdigest()
    if path == "/secret":
        body = os.environ["TOKEN"]
    if path == "/header":
        body = environ.get("HTTP_AUTHORIZATION", "none")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body.encode()]
def part(seconds):
    for number in range(seconds):
        yield b"%d\\n" % number
        time.sleep(1)
"""
SHARED = {"wsgi_script": "app.wsgi", "health_path": "/ok", "memory_mib": 40, "latency_ms": 50, "target_p99_ms": 1200, "longest_request_s": 4}
NAMES = ("steady", "crasher", "quitter", "leaker", "blocker")
SPECIAL = {
    "steady": {
        "static": {"/static/": "static"},
        "media": {"/media/": "media"},
        "static_hashed": True,
        "request_body_limit_mib": 256,
        "pass_authorization": True,
        "secrets": {"TOKEN": "only-for-steady"},
        "slow_routes": [{"name": "slow", "path": "/slow", "workload": "io", "latency_ms": 1000, "processes": 1, "threads": 2}],
    },
    "crasher": {
        "deploy": "single",
        "server_name": "steady.test",
        "mount_point": "/sub",
        "request_body_limit_mib": 1,
        "processes": 1,
        "threads": 3,
        "slow_routes": [{"name": "own", "path": "/own", "processes": 1, "threads": 1}],
    },
    "leaker": {"deploy": "single", "memory_limit_mib": 160, "processes": 1, "threads": 3},
    "blocker": {"deploy": "single", "processes": 1, "threads": 3, "options": {"listen-backlog": 4}},
}
APPLICATIONS = [{"name": name, "server_name": name + ".test", **SHARED, **SPECIAL.get(name, {"deploy": "single"})} for name in NAMES]
CALM = {"application": ("steady.test", "/ok"), "static": ("steady.test", "/static/a.css"), "balancer": ("steady.test", "/-/healthz")}


class Site(Host):
    """A host with five applications."""

    def __init__(self, name, folder):
        super().__init__(name)
        self.folder = folder
        (folder / "ansible_collections/evenkeel").mkdir(parents=True)
        (folder / "ansible_collections/evenkeel/wsgi").symlink_to(ROOT)

    def converge(self, applications):
        """Run site.yml; (exit code, output)."""
        variables = {"mod_wsgi_daemon_applications": applications, "remoteip_alb_topology": "direct", "apache_event_access_log": False}
        command = ["ansible-playbook", "-i", self.name + ",", "-c", "community.docker.docker", "-e", json.dumps(variables), "evenkeel.wsgi.site"]
        environment = {"ANSIBLE_COLLECTIONS_PATH": str(self.folder), "ANSIBLE_PIPELINING": "true", "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "ANSIBLE_NOCOLOR": "true", **environment})
        return done.returncode, done.stdout + done.stderr

    def ask(self, name, path="/ok", **how):
        return ask(self.address, path, name + ".test", **how)

    def recovers(self, name, path="/ok", patience=40.0):
        """Seconds until an application answers again."""
        began = time.monotonic()
        while self.ask(name, path, timeout=5)[0] != 200:
            assert time.monotonic() - began < patience, self.sh("tail -n 30 /var/log/apache2/evenkeel/error.log")
            time.sleep(0.05)
        return time.monotonic() - began

    def metrics(self):
        """{(metric, group): value}, measured now."""
        written = "/var/lib/prometheus/node-exporter/evenkeel_wsgi.prom"
        self.sh("rm -f %s; systemctl reset-failed evenkeel-wsgi-metrics.service; systemctl restart evenkeel-wsgi-metrics.service" % written)
        text = self.sh("for i in $(seq 100); do test -e %s && break; sleep 0.1; done; cat %s" % (written, written))
        return {(name, group): float(value) for name, group, value in re.findall(r'^evenkeel_wsgi_(\w+){group="([^"]+)"} (\S+)$', text, re.M)}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    name = "%s-isolation-%s" % (PREFIX, uuid.uuid4().hex[:8])
    subprocess.run(["docker", "run", "-d", "--name", name, *RUN, IMAGE], check=True, capture_output=True)
    try:
        host = Site(name, tmp_path_factory.mktemp("isolation"))
        host.wait()
        if host.run("python3 -c 'import ensurepip'")[0]:
            host.sh("DEBIAN_FRONTEND=noninteractive apt-get install -q -y python3-venv || (apt-get update -q && apt-get install -q -y python3-venv)")
        for application in NAMES:
            host.put("/srv/%s/current/app.wsgi" % application, CODE)
            host.sh("python3 -m venv --without-pip /srv/%s/current/venv" % application)
        host.put("/srv/steady/current/static/a.css", "a { color: red }\n" * 500)
        host.put("/srv/steady/current/static/app.5f70bf18.js", "1")
        template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        shown = subprocess.run(["docker", "inspect", "--format", template, name], check=True, capture_output=True, text=True)
        host.address = shown.stdout.strip()
        code, said = host.converge(APPLICATIONS)
        assert code == 0, said[-6000:]
        yield host
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", name], check=False, capture_output=True)


def test_each_has_a_user_that_can_do_nothing_else(site):
    for name in NAMES:
        assert site.sh("getent passwd %s | cut -d: -f6,7" % name).strip() == "/srv/%s:/usr/sbin/nologin" % name
    assert site.sh("ps -o user= -p $(pgrep -f '^.wsgi:crasher|:crasher')").split()[0] == "crasher"
    secrets = site.sh("ls /srv/steady/slots/*/environment.json").split()
    assert secrets
    for path in secrets:
        assert site.run("setpriv --reuid=steady --regid=steady --clear-groups cat " + path)[0] == 0
        assert "Permission denied" in site.run("setpriv --reuid=crasher --regid=crasher --clear-groups cat " + path)[1]
    assert site.ask("steady", "/secret")[1] == b"only-for-steady"


def test_each_path_has_its_group_also_under_another_mount_point(site):
    groups = {path: site.ask("steady", path)[1].split()[0].decode() for path in ("/ok", "/slow/x", "/sub/ok", "/sub/slow/x", "/sub/own/x")}
    assert groups == {
        "/ok": "steady-blue", "/slow/x": "steady-slow-blue", "/sub/ok": "crasher", "/sub/slow/x": "crasher", "/sub/own/x": "crasher-own",
    }  # fmt: skip
    assert site.ask("steady", "/header", headers={"Authorization": "Basic eDp5"})[1] == b"Basic eDp5"
    assert site.ask("crasher", "/ok")[0] == 403, "a name that no application claims"


def test_limits_hold_for_their_application_alone(site):
    two_mib = b"x" * (2 << 20)
    assert site.ask("steady", "/upload", method="POST", body=two_mib)[0] == 200
    assert site.ask("steady", "/sub/upload", method="POST", body=two_mib)[0] == 413
    assert site.ask("steady", "/sub/header", headers={"Authorization": "Basic eDp5"})[1] == b"none"


def test_files_are_cached_right_and_never_executed(site):
    fetch = "curl -s -o /tmp/body -D - --compressed -H 'Host: steady.test' http://127.0.0.1"
    first = site.sh(fetch + "/static/a.css")
    etag = re.search(r'ETag: ("[^"]+")', first).group(1)
    assert "Cache-Control: no-cache" in first and "Content-Encoding: gzip" in first
    assert site.ask("steady", "/static/a.css", headers={"Accept-Encoding": "gzip", "If-None-Match": etag})[0] == 304
    assert "max-age=31536000, immutable" in site.sh(fetch + "/static/app.5f70bf18.js")
    site.sh("cd /srv/steady/media && printf '#!/bin/sh\\necho ran' > x.cgi && chmod +x x.cgi && mkdir d && ln -s /etc/passwd leak && echo '<script>' > x.html")
    assert site.ask("steady", "/media/x.cgi")[1] == b"#!/bin/sh\necho ran"
    assert [site.ask("steady", "/media/" + path)[0] for path in ("", "d/", "leak", "%2e%2e%2fcurrent%2fapp.wsgi")] == [404, 404, 403, 404]
    assert "sandbox" in site.sh(fetch + "/media/x.html | grep -i content-security-policy")


def test_one_that_segfaults(site):
    with watched(site.address, CALM) as watch:
        for _crash in range(3):
            assert site.ask("steady", "/sub/segfault")[0] in (500, 502)
            took = site.recovers("steady", "/sub/ok")
            assert took < 5
    print("\nsegfault: back after %.1f s; beside it %s" % (took, watch.report()))
    calm(watch)


def test_one_that_exits(site):
    with watched(site.address, CALM) as watch:
        for _exit in range(3):
            site.ask("quitter", "/exit")
            took = site.recovers("quitter")
            assert took < 5
    print("\nexit: back after %.1f s; beside it %s" % (took, watch.report()))
    calm(watch)


def process_of(site, name):
    return site.ask(name)[1].split()[1:2]


def leak(site, mib, pause):
    """Leak until the process is another one; (statuses, seconds), and what the neighbours saw."""
    before = process_of(site, "leaker")
    with watched(site.address, CALM) as watch:
        began, statuses = time.monotonic(), []
        while process_of(site, "leaker") == before:
            assert time.monotonic() - began < 40, statuses
            statuses.append(site.ask("leaker", "/leak?%d" % mib)[0])
            time.sleep(pause)
        assert site.ask("leaker", "/leak?%d" % mib)[0] == 200
    calm(watch)
    return statuses, time.monotonic() - began, watch.report()


def test_one_that_leaks_is_replaced_before_it_fails(site):
    statuses, took, beside = leak(site, 6, 0.4)
    assert set(statuses) == {200}, statuses
    print("\nleak: replaced after %d requests of 6 MiB and %.1f s, all answered; beside it %s" % (len(statuses), took, beside))


def test_one_that_leaks_faster_than_anybody_looks_is_capped(site):
    statuses, took, beside = leak(site, 32, 0)
    assert 500 in statuses, "the kernel gave it more than the cap"
    assert took < 15
    print("\nfast leak: %d of %d answers 500 at the cap, replaced after %.1f s; beside it %s" % (statuses.count(500), len(statuses), took, beside))


def test_one_that_blocks_all_its_threads(site):
    """Its requests over 4 s end it; until then the queue is short, and what finds it full hears so at once."""
    before = site.metrics()
    with watched(site.address, CALM) as watch:
        stuck = Together(3, site.address, "/wait?300", "blocker.test")
        time.sleep(1)
        more = Together(12, site.address, "/ok", "blocker.test")
        time.sleep(1)
        seen = site.metrics()
        took = site.recovers("blocker")
        answers, ended = more.wait(), stuck.wait()
    assert (seen["busy_slots", "blocker"], seen["slots", "blocker"]) == (3, 3)
    assert seen["queued_requests", "blocker"] >= 4
    assert seen["busy_slots", "steady-slow-blue"] == 0
    refused = sorted(round(seconds, 1) for status, _body, seconds in answers if status == 503)
    assert len(refused) >= 5 and refused[-1] < 5, answers
    assert {status for status, _body, _seconds in ended} <= {500, 502, 504}
    after = site.metrics()
    assert after["process_starts_total", "blocker"] > before["process_starts_total", "blocker"]
    print("\nblock: 503 after %s s for %d of 12, back after %.1f s; beside it %s" % (refused[-1], len(refused), took, watch.report()))
    calm(watch)


def test_overload_is_refused_quickly_and_files_stay_fast(site):
    """Every slot of an application is busy, with twice as many requests as it has slots and places in its queue."""
    seen = site.metrics()
    slots, queue = seen["slots", "quitter"], seen["queue_limit", "quitter"]
    calm_paths = {name: CALM[name] for name in ("static", "balancer")}
    with watched(site.address, calm_paths, pause=0.02) as watch:
        wave = Together(int(slots + queue) * 2, site.address, "/wait?0.5", "quitter.test")
        answers = wave.wait()
    slowest = max(seconds for _status, _body, seconds in answers)
    counts = {status: sum(1 for answer in answers if answer[0] == status) for status in {answer[0] for answer in answers}}
    print("\noverload: %d slots and %d places, %s, slowest %.1f s; beside it %s" % (slots, queue, counts, slowest, watch.report()))
    assert counts.get(200, 0) >= slots and counts.get(503, 0) + counts.get(504, 0) > 0
    assert set(counts) <= {200, 503, 504}
    assert slowest < 8
    calm(watch, 100)


def test_streams_and_uploads_outlast_every_timeout(site):
    """A stream of 14 s where 9 s are the request-timeout, and an upload that trickles: both end whole."""
    results = {}

    def stream():
        link = http.client.HTTPConnection(site.address, 80, timeout=30)
        link.request("GET", "/stream?14", headers={"Host": "steady.test"})
        began, answer = time.monotonic(), link.getresponse()
        results["first"] = (answer.readline(), time.monotonic() - began)
        results["stream"] = answer.read().split()

    def trickle():
        def body():
            for _second in range(12):
                yield b"x" * 20000
                time.sleep(1)

        results["trickle"] = ask(site.address, "/upload", "steady.test", method="POST", body=body(), headers={"Content-Length": str(240000)})[:2]

    threads = [threading.Thread(target=work) for work in (stream, trickle)]
    for thread in threads:
        thread.start()
    big = site.ask("steady", "/upload", method="POST", body=b"y" * (100 << 20))
    for thread in threads:
        thread.join()
    assert results["first"][0] == b"0\n" and results["first"][1] < 2, "the first part waited for the rest"
    assert results["stream"] == [b"%d" % number for number in range(1, 14)]
    assert results["trickle"][0] == 200 and big[0] == 200
    print("\nstream of 14 s and trickle of 12 s whole; 100 MiB uploaded in %.1f s" % big[2])


def calm(watch, p99_ms=1000):
    """The neighbour and Apache answered everything, without delay."""
    for name in watch.seen:
        assert watch.statuses(name) == {200}, (name, watch.statuses(name))
        assert watch.p99_ms(name) < p99_ms, watch.report()
