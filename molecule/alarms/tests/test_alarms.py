# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults made for real: each alarm fires at the webhook with its owner and its page, and ends when the fault does.

The faults overlap, so that the whole takes about as long as the slowest of them.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import time
import typing as t

import pytest

ROOT = pathlib.Path(__file__).parents[3]
WEB, WATCH = (f"{os.environ['EVENKEEL_PREFIX']}-{name}" for name in ("web", "watch"))
SITE = "--header 'Host: shop.example.org' --output /dev/null --silent"
EXPECTED = {
    "ApacheDown": "operations",
    "CeleryNodeDown": "applications",
    "ConfigurationChanged": "operations",
    "DaemonGroupSaturated": "applications",
    "RefusedRequests": "operations",
    "ServerErrors": "applications",
}
Told = dict[tuple[str, str], dict[str, t.Any]]


def run(container: str, command: str) -> str:
    """Run a shell command in a container and return what it printed; it must succeed."""
    return subprocess.run(["docker", "exec", container, "bash", "-euc", command], check=True, capture_output=True, text=True).stdout


def told() -> Told:
    """What the webhook was told so far: {(alarm, firing or resolved): the last such message}."""
    alerts = [json.loads(line) for line in run(WATCH, "cat /var/log/alarms.jsonl").splitlines()]
    return {(alert["labels"]["alertname"], alert["status"]): alert for alert in alerts}


def wait(names: t.Iterable[str], status: str, seconds: float) -> None:
    """Wait until the webhook was told of all of them; whoever is missing shows in the tests."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not {(name, status) for name in names} <= set(told()):
        time.sleep(1)


@pytest.fixture(scope="module")
def heard() -> Told:
    """Make every fault, mend every fault, and return what the webhook heard meanwhile."""
    # Two looks, so that the counters have a beginning.
    run(WEB, f"curl {SITE} http://127.0.0.1/healthz")
    time.sleep(10)
    assert not told(), "alarms before there was a fault"

    run(WEB, "curl --output /dev/null --silent 'http://127.0.0.1/[1-90]'")  # a host name that nobody serves: 403
    run(WEB, "systemctl stop redis-server")
    run(WEB, f"curl {SITE} 'http://127.0.0.1/enqueue?queue=Q1&n=[1-16]'")  # no broker: 503
    run(WEB, "systemctl start redis-server")
    run(WEB, "systemctl stop celery@default")
    run(WEB, "echo 'TraceEnable On' >>$(ls -d /etc/apache2/evenkeel/generations/*/ | tail -n 1)security_baseline-surface.conf")
    slots = int(run(WEB, "grep -Po 'evenkeel_wsgi_slots{group=\"shop-blue\"} \\K\\d+' /var/lib/prometheus/node-exporter/evenkeel_wsgi.prom"))
    # More requests than slots, for longer than the alarm waits.
    saturated = subprocess.Popen(
        ["docker", "exec", WEB, "bash", "-c", f"for i in $(seq {slots + 3}); do curl {SITE} 'http://127.0.0.1/wait?ms=55000' & done; wait"]
    )
    first = set(EXPECTED) - {"ApacheDown"}
    wait(first, "firing", 90)

    saturated.wait()
    run(WEB, "systemctl start celery@default")
    run(WEB, "sed -i '/^TraceEnable On$/d' $(ls -d /etc/apache2/evenkeel/generations/*/ | tail -n 1)security_baseline-surface.conf")
    run(WEB, f"curl {SITE} 'http://127.0.0.1/healthz?[1-1500]'")  # so that the errors are few among many
    wait(first - {"RefusedRequests"}, "resolved", 90)

    run(WEB, "systemctl stop apache2")
    wait(["ApacheDown"], "firing", 90)
    run(WEB, "systemctl start apache2")
    wait(EXPECTED, "resolved", 120)
    return told()


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_fault_is_told_with_its_owner_and_its_page(heard: Told, name: str) -> None:
    alarm = heard[name, "firing"]
    assert alarm["labels"]["host"] == WEB
    assert alarm["labels"]["owner"] == EXPECTED[name]
    assert alarm["labels"]["severity"] in ("critical", "warning")
    assert alarm["annotations"]["runbook_url"].endswith(f"/{name}.md")
    assert WEB in alarm["annotations"]["summary"]


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_alarm_ends_with_the_fault(heard: Told, name: str) -> None:
    assert (name, "resolved") in heard


def test_nothing_else_was_told(heard: Told) -> None:
    # Whoever waits too long for a saturated group gets 504, and the test host's clock is its machine's business.
    assert {name for name, _status in heard} - {"QueueTimeouts", "TimeNotInSync"} == set(EXPECTED)


def test_prometheus_and_alertmanager_answer_only_on_the_loopback() -> None:
    listening = run(WATCH, "ss -ltnH | awk '{print $4}'").split()
    assert {address for address in listening if address.endswith((":9090", ":9093"))} == {"127.0.0.1:9090", "127.0.0.1:9093"}


def test_exporters_answer_only_on_the_management_address() -> None:
    listening = run(WEB, "ss -ltnH | awk '{print $4}'").split()
    assert {address.rpartition(":")[0] for address in listening if address.endswith((":9100", ":9117"))} == {run(WEB, "hostname -i").strip()}


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    """Each panel's expression gives a result in the Prometheus that runs."""
    dashboard = json.loads(run(WATCH, "cat /etc/evenkeel/prometheus/dashboard.json"))
    expressions = [target["expr"].replace("$host", ".*") for panel in dashboard["panels"] for target in panel["targets"]]
    empty = []
    for expression in expressions:
        if expression.endswith("== 0"):  # a list of what is wrong: empty is good
            continue
        answer = run(WATCH, f"curl -fsS --data-urlencode 'query={expression}' http://127.0.0.1:9090/api/v1/query")
        if not json.loads(answer)["data"]["result"]:
            empty.append(expression)
    # A container has no file systems of its own.
    assert [expression for expression in empty if "filesystem" not in expression] == []


def test_the_evidence_says_what_was_seen_on_the_host() -> None:
    """site.yml wrote it before the faults: as on the example fleet, but here another host reads the metrics, without encryption, and there is an
    incident channel, which only that host sees."""
    evidence = json.loads((pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / f"{WEB}.json").read_text())
    assert evidence["host"] == WEB
    expected = {**json.loads((ROOT / "examples/evidence.json").read_text()), "alarms_are_heard": ["unverifiable"], "connections_are_encrypted": ["unmet"]}
    seen = {control["id"]: control["state"] for control in evidence["controls"]}
    assert seen.keys() == expected.keys()
    assert {name: state for name, state in seen.items() if state not in expected[name]} == {}, evidence["controls"]
