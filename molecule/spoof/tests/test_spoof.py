# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""At least 200 requests by every way in: log, application and `Require ip` see the client that the reference model names."""

from __future__ import annotations

import json
import os
import typing as t

import model
import pytest
from conftest import ATTACKER, BALANCERS, CLIENT, LIAR_CDN, NET, OFFICE, OUTSIDE, SCENARIO, SHARED, WEB, Case, Sender, docker, logged, new_id, on_web
from hypothesis import given, settings
from hypothesis import strategies as st

FULL = bool(os.environ.get("EVENKEEL_FULL"))
LIAR = BALANCERS["liar"]

# What somebody may write into the header: from honest to hostile.
CHAINS: tuple[tuple[str, ...], ...] = (
    (),
    ("6.6.6.6",),
    ("6.6.6.6:80",),
    ("6.6.6.6", "7.7.7.7"),
    ("6.6.6.6, 7.7.7.7", "8.8.8.8:1"),
    ("[2001:db8::1]:443",),
    ("[2001:db8::1]",),
    ("2001:db8::1",),
    ("2001:DB8:0:0::1",),
    ("garbage",),
    ("",),
    (",",),
    ("6.6.6.6,",),
    ("6.6.6.6, , 7.7.7.7",),
    ("localhost",),
    ("attacker.example",),
    ("6.6.6.6, attacker.example",),
    ("unknown",),
    ("127.0.0.1",),
    ("::1",),
    ("010.1.1.1",),
    ("0x7f000001",),
    ("2130706433",),
    ("1.2.3",),
    ("300.1.1.1",),
    ("10.1.2.3",),
    ("172.16.0.1, 192.168.1.1",),
    ("100.64.9.9",),
    ("fd00::1",),
    ("fe80::1%eth0",),
    (f"6.6.6.6, {BALANCERS['ports']}",),
    (f"6.6.6.6, {LIAR_CDN}",),
    (f"6.6.6.6, {LIAR_CDN}, {BALANCERS['plain']}",),
    (f"10.1.2.3, {LIAR_CDN}",),
    ("6.6.6.6\t,\t7.7.7.7",),
    ("for=6.6.6.6",),
    ("'6.6.6.6'",),
    ("6.6.6.6;7.7.7.7",),
    ("dead:beef",),
    ("[6.6.6.6]:80",),
    ("6.6.6.6:",),
    ("6.6.6.6:80:80",),
    ("6.6.6.6," * 700 + "7.7.7.7",),
    ("," * 3000,),
    ("x" * 6000,),
)
# (source, to, behind): clients through balancers, past the CDN, through the CDN, straight; and proxies that lie.
WAYS = (
    (CLIENT, "ports", ""),
    (OFFICE, "plain", ""),
    (SHARED, "cdn", "ports"),
    (CLIENT, "cdn", "plain"),
    (ATTACKER, "web", ""),
    (LIAR, "web", ""),
    (LIAR_CDN, "web", ""),
)
# What else claims to say who somebody is: by itself it never changes anything.
CLAIMS: tuple[tuple[str, str], ...] = (
    ("X-Real-IP", "6.6.6.6"),
    ("Forwarded", "for=6.6.6.6;proto=https"),
    ("CF-Connecting-IP", "6.6.6.6"),
    ("True-Client-IP", "6.6.6.6"),
    ("X_Forwarded_For", "6.6.6.6"),
    ("x-forwarded_for", "6.6.6.6"),
    ("X-Client-IP", "6.6.6.6"),
    ("X-Evenkeel-Chain", "6.6.6.6"),
    ("X-Forwarded-By", "6.6.6.6"),
    ("Client-IP", "6.6.6.6"),
)


def expected(case: Case) -> str:
    """The client by the model, after the stand-ins did what they do."""
    lines, peer = list(case.lines), case.source
    if case.to == "cdn":
        lines, peer = model.appended(lines, peer), "173.245.48.7"
    if case.to != "web":
        balancer = case.behind if case.to == "cdn" else case.to
        lines, peer = model.appended(lines, peer, ":54321" if balancer == "ports" else ""), BALANCERS[balancer]
    return model.client(peer, lines, set(BALANCERS.values()))


def disagreements(sender: Sender, cases: t.Sequence[Case]) -> list[dict[str, t.Any]]:
    """Cases in which anybody sees another client than the model."""
    ids = [new_id() for _case in cases]
    answers = [sender.send(case, f"/{id_}") for case, id_ in zip(cases, ids)]
    allowed = [sender.send(case, "/only/")["status"] for case in cases]
    entries = logged(ids)
    wrong = []
    for case, id_, answer, status in zip(cases, ids, answers, allowed):
        wanted = expected(case)
        environ = json.loads(answer["body"]) if answer["status"] == 200 else {}
        saw = {"application": environ.get("REMOTE_ADDR"), "log": entries.get(id_, {}).get("client"), "Require ip": status}
        left = [name for name in environ if name.startswith(("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_CF_CONN"))]
        if saw != {"application": wanted, "log": wanted, "Require ip": 200 if wanted == CLIENT else 403} or left:
            wrong.append({"case": case, "expected": wanted, "saw": saw, "left": left, "status": answer["status"]})
    return wrong


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way).strip("-"))
def test_every_chain_by_every_way(sender: Sender, way: tuple[str, str, str]) -> None:
    source, to, behind = way
    assert disagreements(sender, [Case(source, to, chain, behind=behind) for chain in CHAINS]) == []


def test_the_table_has_200_cases() -> None:
    assert len(WAYS) * len(CHAINS) >= 200


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way).strip("-"))
def test_other_headers_claim_in_vain(sender: Sender, way: tuple[str, str, str]) -> None:
    source, to, behind = way
    cases = [Case(source, to, (), (claim,), behind) for claim in CLAIMS]
    assert disagreements(sender, [*cases, Case(source, to, (), CLAIMS, behind)]) == []


v4 = st.one_of(st.ip_addresses(v=4).map(str), st.sampled_from(["10.0.0.1", "127.0.0.1", "100.64.0.1", CLIENT, ATTACKER, *BALANCERS.values(), LIAR_CDN]))
v6 = st.ip_addresses(v=6).filter(lambda a: not a.ipv4_mapped and int(a) >> 64).map(str)
ports = st.integers(0, 65535).map(lambda port: f":{port}")
nonsense = st.one_of(
    st.text(alphabet="0123456789abcdefx:.[]% -_;\"'", max_size=20), st.sampled_from(["unknown", "", "localhost", "a.example", "1.2.3", "01.2.3.4"])
)
entries = st.one_of(v4, st.builds("{}{}".format, v4, ports), v6, v6.map("[{}]".format), st.builds("[{}]{}".format, v6, ports), nonsense)
lines = st.builds(lambda parts, comma: comma.join(parts), st.lists(entries, min_size=1, max_size=5), st.sampled_from([",", ", ", " ,"]))
cases = st.builds(lambda way, chain: Case(way[0], way[1], tuple(chain), behind=way[2]), st.sampled_from(WAYS), st.lists(lines, min_size=1, max_size=3))


@settings(max_examples=60 if FULL else 6, deadline=None, derandomize=not FULL)
@given(batch=st.lists(cases, min_size=20, max_size=20))
def test_chains_that_nobody_thought_of(sender: Sender, batch: list[Case]) -> None:
    assert disagreements(sender, batch) == []


@pytest.mark.parametrize(
    "smuggled",
    [
        "X-Forwarded-For : 6.6.6.6",
        " X-Forwarded-For: 6.6.6.6",
        "X-Forwarded-For\t: 6.6.6.6",
        "X-Forwarded-For: 6.6.6.6\x00",
        "X-Forwarded-For",
        "\x0bX-Forwarded-For: 6.6.6.6",
    ],
)
@pytest.mark.parametrize("to", ["web", "ports"])
def test_malformed_headers_are_refused_or_without_effect(sender: Sender, smuggled: str, to: str) -> None:
    id_ = new_id()
    answer = sender.raw(ATTACKER, to, f"GET /{id_} HTTP/1.1\r\nHost: echo.example.org\r\n{smuggled}\r\nConnection: close\r\n\r\n")
    assert answer["status"] == 400 or json.loads(answer["body"])["REMOTE_ADDR"] == ATTACKER


def test_https_is_said_by_balancers_only(sender: Sender) -> None:
    https = (("X-Forwarded-Proto", "https"),)
    schemes = [json.loads(sender.send(Case(source, headers=https))["body"])["wsgi.url_scheme"] for source in (LIAR, ATTACKER, LIAR_CDN)]
    assert schemes == ["https", "http", "http"]


@pytest.fixture(scope="module", autouse=True)
def recorder() -> t.Iterator[t.Callable[[], list[str]]]:
    """The only name server that the web host knows."""
    docker("exec", "-d", OUTSIDE, "python3", "-c", (SCENARIO / "files/recorder.py").read_text())
    before = on_web(f"cat /etc/resolv.conf; echo nameserver {NET}.20 > /etc/resolv.conf")
    yield lambda: docker("exec", OUTSIDE, "cat", "/tmp/asked").splitlines()
    docker("exec", "-i", WEB, "sh", "-c", "cat > /etc/resolv.conf", given=before)


def test_no_name_was_looked_up(sender: Sender, recorder: t.Callable[[], list[str]]) -> None:
    """The last test of this file: all of the above made no query, and the one that careless Apache makes was recorded."""
    sender.raw(ATTACKER, "web", "GET / HTTP/1.1\r\nHost: careless.example.org\r\nX-Careless: looked-up.example\r\nConnection: close\r\n\r\n")
    assert {query.rstrip(".") for query in recorder()} == {"looked-up.example"}
