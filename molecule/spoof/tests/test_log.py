# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The access log: always JSON, no secrets, and the same IDs as the application has."""

from __future__ import annotations

import json
import re
import subprocess

from conftest import ATTACKER, BALANCERS, CLIENT, LOG, NET, OUTSIDE, SCENARIO, Case, Sender, logged, new_id, on_web

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
MADE = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01")
LIAR = BALANCERS["liar"]


def test_ten_thousand_hostile_requests_are_ten_thousand_lines_of_json() -> None:
    before = int(on_web(f"wc -l < {LOG}"))
    send = ["docker", "exec", "-i", OUTSIDE, "python3", "-", f"{NET}.11"]
    script = (SCENARIO / "files/hostile.py").read_text()
    senders = [subprocess.Popen([*send, "2500"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _i in range(4)]
    answered = sum(int(sender.communicate(script)[0]) for sender in senders)
    assert answered > 9900
    raw = on_web(f"sleep 1; tail -n +{before + 1} {LOG}")
    entries = [json.loads(line) for line in raw.splitlines()]
    assert len(entries) >= answered
    assert {entry["client"] for entry in entries} <= {f"{NET}.20", "127.0.0.1"}
    assert "SECRET" not in raw
    assert {entry["status"] for entry in entries} >= {200, 400}
    assert any("\u00e9" in entry["agent"] for entry in entries)
    assert max(map(len, raw.encode().splitlines())) < 4096
    assert "SECRET" not in on_web("cat /var/log/apache2/evenkeel/error.log")


def test_a_line_has_what_the_application_has(sender: Sender) -> None:
    id_ = new_id()
    case = Case(CLIENT, "ports", ("6.6.6.6",), (("Cookie", "theme=dark; session=SECRET"), ("X-Amzn-Trace-Id", "Root=1-67891233-abcdef012345678912345678")))
    environ = json.loads(sender.send(case, f"/{id_}?token=SECRET&page=7")["body"])
    entry = logged([id_])[id_]
    assert (entry["client"], entry["peer"], entry["group"], entry["status"]) == (CLIENT, BALANCERS["ports"], "echo", 200)
    assert entry["chain"].startswith(f"6.6.6.6, {CLIENT}:")
    assert (entry["query.page"], entry["cookie.theme"]) == ("7", "dark")
    assert entry["amzn_trace_id"] == "Root=1-67891233-abcdef012345678912345678"
    assert (environ["HTTP_X_REQUEST_ID"], environ["HTTP_TRACEPARENT"]) == (entry["request_id"], entry["traceparent"])
    assert MADE.fullmatch(entry["traceparent"])
    assert 0 <= entry["ms"] < 5000
    assert "SECRET" not in json.dumps(entry)


def test_a_balancer_may_name_the_request_and_a_stranger_may_not(sender: Sender) -> None:
    named = (("X-Request-ID", "abc-123"), ("traceparent", TRACE), ("tracestate", "a=b"))
    trusted = json.loads(sender.send(Case(LIAR, headers=named))["body"])
    assert [trusted[f"HTTP_{name}"] for name in ("X_REQUEST_ID", "TRACEPARENT", "TRACESTATE")] == ["abc-123", TRACE, "a=b"]
    forged = json.loads(sender.send(Case(ATTACKER, headers=named))["body"])
    assert forged["HTTP_X_REQUEST_ID"] != "abc-123"
    assert forged["HTTP_TRACEPARENT"] != TRACE
    assert "HTTP_TRACESTATE" not in forged
    malformed = json.loads(sender.send(Case(LIAR, headers=(("X-Request-ID", 'a"b'), ("traceparent", "00-x"))))["body"])
    assert malformed["HTTP_X_REQUEST_ID"] != 'a"b'
    assert MADE.fullmatch(malformed["HTTP_TRACEPARENT"])
