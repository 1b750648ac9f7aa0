# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking every process: a real server in which two "processes" take turns as badly as mod_wsgi's do."""

from __future__ import annotations

import threading
import time
import typing as t
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._deploy.probes import Group, Probe
from ansible_collections.evenkeel.wsgi.plugins.module_utils._release import ReleaseError

THREADS = 3
GROUPS = [Group("shop", 2, THREADS)]


class Server(ThreadingHTTPServer):
    """Process 11 takes every request for which it has a thread, process 12 only the rest."""

    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = {11: 200, 12: 200}
        self.busy = 0
        self.guard = threading.Lock()
        self.unready_until = 0.0
        self.asked: set[tuple[str, str]] = set()

    @property
    def probe(self) -> Probe:
        return Probe(f"127.0.0.1:{self.server_address[1]}", "shop.example.org", "/healthz", strict=True)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.add((self.headers["Host"], self.headers["X-Evenkeel-Group"]))
        if time.monotonic() < self.server.unready_until:
            self.send_error(504)
            return
        with self.server.guard:
            pid = 11 if self.server.busy < THREADS else 12
            self.server.busy += pid == 11
        time.sleep(float(self.headers["X-Evenkeel-Hold"]))
        with self.server.guard:
            self.server.busy -= pid == 11
        self.send_response(self.server.status[pid])
        self.send_header("X-Evenkeel-Process", f"{pid} /srv/shop/releases/new")
        self.end_headers()
        self.wfile.write(b"said by the application")

    def log_message(self, *_arguments: t.Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def ask(server: Server, release: str = "/srv/shop/releases/new", expected: t.Collection[int] = (11, 12), patience: float = 5) -> int:
    return server.probe.all_processes("green", GROUPS, release, lambda: expected, patience)


def test_every_process_is_asked_under_the_applications_name(server: Server) -> None:
    assert ask(server) == 2
    assert server.asked == {("shop.example.org", "shop-green")}


def test_the_one_slot_has_groups_without_a_colour(server: Server) -> None:
    server.probe.all_processes("live", GROUPS, "/srv/shop/releases/new", lambda: {11, 12}, 5)
    assert server.asked == {("shop.example.org", "shop")}


def test_a_process_that_answers_badly_is_found_behind_one_that_answers_well(server: Server) -> None:
    server.status[12] = 500
    with pytest.raises(ReleaseError, match="shop-green answered /healthz with 500 where 200 is wanted: said by the application"):
        ask(server)


def test_without_a_health_check_anything_but_an_error_will_do(server: Server) -> None:
    server.status = {11: 404, 12: 302}
    loose = Probe(server.probe.address, "shop.example.org", "/", strict=False)
    assert loose.all_processes("green", GROUPS, "/srv/shop/releases/new", lambda: {11, 12}, 5) == 2


def test_an_application_that_is_being_loaded_is_waited_for(server: Server) -> None:
    server.unready_until = time.monotonic() + 0.5
    assert ask(server) == 2


def test_a_process_that_never_answers_is_told(server: Server) -> None:
    with pytest.raises(ReleaseError, match="only 2 of 3 processes of shop-green answered within 1 s"):
        server.probe.all_processes("green", [Group("shop", 3, THREADS)], "/srv/shop/releases/new", lambda: {11, 12, 13}, 1)
    with pytest.raises(ReleaseError, match="only 0 of 2"):
        Probe("127.0.0.1:9", "shop.example.org", "/", strict=True).all_processes("green", GROUPS, "/x", lambda: {11}, 0.3)


def test_another_release_than_the_wanted_one_is_refused(server: Server) -> None:
    with pytest.raises(ReleaseError, match="answered from /srv/shop/releases/new, not from /srv/shop/releases/newer"):
        ask(server, release="/srv/shop/releases/newer")


def test_fewer_processes_than_planned_will_do_before_the_configuration_is_applied(server: Server) -> None:
    assert server.probe.all_processes("green", [Group("shop", 9, THREADS)], "/srv/shop/releases/new", lambda: {11, 12}, 5) == 2
