# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of the scenario, and a way to send what no well-behaved client would."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time
import typing as t
import uuid

import pytest

SCENARIO = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(SCENARIO / "tests"))  # for model.py: the tests of a scenario are not a package

PREFIX, NET = os.environ["EVENKEEL_PREFIX"], os.environ["EVENKEEL_NET"]
WEB, OUTSIDE = f"{PREFIX}-web", f"{PREFIX}-outside"
LOG = "/var/log/apache2/evenkeel/access.json"

CLIENT, ATTACKER, OFFICE, SHARED = "203.0.113.9", "198.51.100.66", "192.168.50.5", "100.64.1.1"
BALANCERS = {"ports": f"{NET}.10", "plain": f"{NET}.12", "liar": f"{NET}.14"}
LIAR_CDN = "173.245.48.9"


@dataclasses.dataclass(frozen=True)
class Case:
    """One request. ``to``: web (straight), ports, plain or cdn; a request through the CDN names the balancer behind it in ``behind``."""

    source: str
    to: str = "web"
    lines: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    behind: str = "ports"
    path: str = "/"


def docker(*command: str, given: str | None = None) -> str:
    done = subprocess.run(["docker", *command], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def on_web(command: str) -> str:
    """Output of a shell command on the web host."""
    return docker("exec", WEB, "sh", "-c", command)


class Sender:
    """A process on the host outside that sends one request after the other."""

    ADDRESSES: t.ClassVar[dict[str, str]] = {"web": f"{NET}.11", "cdn": f"{NET}.13", **BALANCERS}

    def __init__(self) -> None:
        command = ["docker", "exec", "-i", OUTSIDE, "python3", "-uc", (SCENARIO / "files/sender.py").read_text()]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def raw(self, source: str, to: str, text: str) -> dict[str, t.Any]:
        """Send a text as it is and return {status, body}."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"from": source, "to": self.ADDRESSES[to], "sends": text}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def send(self, case: Case, path: str = "") -> dict[str, t.Any]:
        fields = [("Host", "echo.example.org"), ("Connection", "close"), ("X-Testbed-Host", case.behind)]
        fields += [("X-Forwarded-For", line) for line in case.lines] + list(case.headers)
        return self.raw(case.source, case.to, f"GET {path or case.path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields) + "\r\n")

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(10)


@pytest.fixture(scope="session")
def sender() -> t.Iterator[Sender]:
    sender = Sender()
    yield sender
    sender.close()


def new_id() -> str:
    return uuid.uuid4().hex


def logged(ids: t.Collection[str]) -> dict[str, dict[str, t.Any]]:
    """What the access log says of requests whose path ends in one of these ids; every line of it must be JSON."""
    deadline = time.monotonic() + 10
    while True:
        entries = [json.loads(line) for line in on_web(f"cat {LOG}").splitlines()]
        found = {entry["path"].rpartition("/")[2]: entry for entry in entries if entry["path"].rpartition("/")[2] in ids}
        if len(found) == len(ids) or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def converge(**variables: t.Any) -> subprocess.CompletedProcess[str]:
    """Run the scenario's playbook again with other variables; ``stdout`` holds all that it printed."""
    inventory = pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory"
    command = ["ansible-playbook", f"--inventory={inventory}", "-e", json.dumps(variables), str(SCENARIO / "converge.yml")]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
