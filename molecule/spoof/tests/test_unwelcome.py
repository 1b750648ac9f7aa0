# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits and rules of others judge the client too; networks come and go while requests run. Each test changes the host."""

from __future__ import annotations

import concurrent.futures
import json
import time

from conftest import ATTACKER, BALANCERS, CLIENT, NET, Case, Sender, converge, on_web

UNWELCOME = "203.0.113.66"
QUIET = [BALANCERS["plain"], BALANCERS["liar"]]


def flood(sender: Sender, case: Case, count: int) -> list[int]:
    return [sender.send(case)["status"] for _i in range(count)]


def test_a_flood_of_one_client_leaves_the_others_alone(sender: Sender) -> None:
    done = converge(remoteip_alb_rate_limit=10, remoteip_alb_rate_limit_window=30)
    assert done.returncode == 0, done.stdout
    assert flood(sender, Case(ATTACKER, "ports"), 30) == [200] * 10 + [429] * 20
    assert flood(sender, Case(CLIENT, "ports"), 5) == [200] * 5, "another client behind the same balancer"
    assert flood(sender, Case(ATTACKER, "plain"), 1) == [429], "the same client behind another"
    assert flood(sender, Case(ATTACKER, "ports", ("6.6.6.6",), (("X-Evenkeel-Client", "6.6.6.6"),)), 1) == [429], "whoever it says it is"
    assert flood(sender, Case(ATTACKER, "ports", path="/-/healthz"), 20) == [200] * 20
    assert flood(sender, Case(BALANCERS["liar"], path="/-/healthz"), 20) == [200] * 20


def test_networks_come_without_losing_a_request_and_do_not_go_while_they_are_used(sender: Sender) -> None:
    done = converge()
    assert done.returncode == 0, done.stdout
    assert flood(sender, Case(ATTACKER, "ports"), 15) == [200] * 15, "no limit any more"

    done = converge(remoteip_alb_networks=QUIET)
    assert done.returncode != 0
    assert f"{BALANCERS['ports']}/32 shall not be trusted any more" in " ".join(done.stdout.split())

    more = [*BALANCERS.values(), f"{NET}.15"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        change = pool.submit(converge, remoteip_alb_networks=more)
        waits = []
        while not change.done():
            waits.append(pool.submit(one_wait))
            time.sleep(0.4)
        assert change.result().returncode == 0, change.result().stdout
        statuses = [wait.result() for wait in waits]
    assert len(statuses) > 5
    assert set(statuses) == {200}

    # .15 is nobody's, so the next run takes it out again without being asked twice.
    done = converge(remoteip_alb_networks=[*QUIET, f"{NET}.15"], remoteip_alb_force_removal=True)
    assert done.returncode == 0, done.stdout
    assert json.loads(sender.send(Case(CLIENT, "ports"))["body"])["REMOTE_ADDR"] == BALANCERS["ports"]


def one_wait() -> int:
    """The status of a request of 2 s through a balancer, sent by a process of its own."""
    sender = Sender()
    try:
        return sender.send(Case(CLIENT, "plain", path="/wait/2"))["status"]
    finally:
        sender.close()


def test_mod_security_judges_the_client_and_can_not_be_had_with_ports_in_the_chain(sender: Sender) -> None:
    on_web("DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends libapache2-mod-security2 >/dev/null")
    done = converge(spoof_firewall=True)
    assert done.returncode != 0
    assert "remoteip_alb_plain_chain" in done.stdout
    done = converge(spoof_firewall=True, remoteip_alb_plain_chain=True)
    assert done.returncode == 0, done.stdout
    assert [sender.send(Case(UNWELCOME, to, behind="plain"))["status"] for to in ("web", "plain", "cdn")] == [406] * 3
    assert sender.send(Case(ATTACKER, "plain", (UNWELCOME,)))["status"] == 200
    assert sender.send(Case(BALANCERS["liar"], lines=(f"6.6.6.6, {UNWELCOME}",)))["status"] == 406
