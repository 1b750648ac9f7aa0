# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be true of the example host, asked of the running system and never of a template.

`script/demo` prints these checks as a table; the Molecule scenario `default` asserts each of them.
A check returns (observed, expected) and holds when both are equal.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import re
import subprocess
import sys
import time
import typing as t
import urllib.error
import urllib.request

import testinfra

APPLICATION = "shop.example.org"
ACCESS_LOG = "/var/log/apache2/evenkeel/access.json"
# The article's isolation: which node must run a task of which queue.
OWNERS = {"Q1": "default", "Q2": "reports", "Q3": "others", "Q4": "others"}
# Packages whose files the roles could have touched.
DISTRIBUTION = "apache2|apache2-bin|apache2-data|apache2-utils|libapache2-mod-wsgi-py3|redis-server|systemd"


@dataclasses.dataclass
class Scene:
    """The host under test, as containers of the test bed.

    web, edge: container names; plan: what `evenkeel.wsgi.explain` wrote for this host.
    """

    web: str
    edge: str
    plan: dict[str, t.Any]

    def __post_init__(self) -> None:
        self.host = testinfra.get_host(f"docker://{self.web}")
        self.web_address = self._inspect(self.web, "IPAddress")
        self.edge_address = self._inspect(self.edge, "IPAddress")
        self.own_address = self._inspect(self.web, "Gateway")  # what the host sees of us
        self.name = self.host.check_output("hostname")
        self.colour = self.host.check_output("cut -d' ' -f2 /srv/shop/slots/active.map")

    @staticmethod
    def _inspect(container: str, key: str) -> str:
        template = "{{range .NetworkSettings.Networks}}{{.%s}}{{end}}" % key
        command = ["docker", "inspect", "--format", template, container]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def get(self, path: str, *, address: str = "", headers: t.Mapping[str, str] | None = None) -> tuple[int, str]:
        """GET from this machine, straight to the web host unless another address is given."""
        request = urllib.request.Request(
            f"http://{address or self.web_address}{path}", headers={"Host": APPLICATION, "X-Testbed-Host": self.name, **(headers or {})}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def get_json(self, path: str, **how: t.Any) -> dict[str, t.Any]:
        status, body = self.get(path, **how)
        assert status in (200, 202), f"{path} answered {status}: {body[:200]}"
        return json.loads(body)

    def logged(self, path: str) -> dict[str, t.Any]:
        """The newest line of the access log for this path."""
        for _attempt in range(20):
            lines = self.host.run("cat %s", ACCESS_LOG).stdout.splitlines()
            for line in reversed(lines):
                entry = json.loads(line)
                if entry["path"] == path:
                    return entry
            time.sleep(0.2)
        raise AssertionError(f"{path} never reached {ACCESS_LOG}")


def daemon_serves_the_page(scene: Scene) -> tuple[t.Any, t.Any]:
    """The page comes with 200 from a daemon process of the application's own group, never from Apache's own processes."""
    answer = scene.get_json("/healthz")
    return answer["process_group"], f"shop-{scene.colour}"


def slow_route_has_its_own_group(scene: Scene) -> tuple[t.Any, t.Any]:
    """A slow route is served by a group of its own."""
    return scene.get_json("/reports/year?ms=1")["process_group"], f"shop-reports-{scene.colour}"


def unknown_host_is_refused(scene: Scene) -> tuple[t.Any, t.Any]:
    """A name that no application claims gets nothing."""
    return scene.get("/", headers={"Host": "unknown.example.org"})[0], 403


def health_without_the_application(scene: Scene) -> tuple[t.Any, t.Any]:
    """The balancer's health check is answered by Apache itself, by address and by name."""
    paths = ("/-/healthz", "/-/readyz")
    return [scene.get(path, headers={"Host": name})[0] for path in paths for name in (scene.web_address, APPLICATION)], [200] * 4


def static_file_from_apache(scene: Scene) -> tuple[t.Any, t.Any]:
    """Apache serves the static file itself."""
    return scene.get("/static/shop.css")[0], 200


def running_numbers_are_the_plan(scene: Scene) -> tuple[t.Any, t.Any]:
    """Apache runs the plan's numbers. Asked of mod_status, and of Apache's own evaluation of the configuration it runs.

    The pool is fixed, so all workers exist and can be counted. ServerLimit shows in no counter: it is what Apache evaluates, unless
    it said that a reload could not change it (AH00501).
    """
    status = dict(line.split(": ", 1) for line in scene.host.check_output("curl -s http://127.0.0.1:8090/server-status?auto").splitlines() if ": " in line)
    information = "LoadModule info_module /usr/lib/apache2/modules/mod_info.so"
    evaluated = scene.host.check_output("apache2ctl -C %s -t -D DUMP_CONFIG 2>/dev/null", information)
    refused = scene.host.run("cat /var/log/apache2/evenkeel/error.log | grep -c AH00501").stdout.strip()
    workers = int(status["BusyWorkers"]) + int(status["IdleWorkers"])
    observed = {
        "ServerLimit": [int(number) for number in re.findall(r"^\s*ServerLimit (\d+)", evaluated, re.MULTILINE)][-1],
        "changes of ServerLimit refused": int(refused),
        "ThreadsPerChild": workers // int(status["Processes"]),
        "MaxRequestWorkers": workers,
    }
    wanted = {name: scene.plan["apache"][name]["value"] for name in ("ServerLimit", "ThreadsPerChild", "MaxRequestWorkers")}
    return observed, {**wanted, "changes of ServerLimit refused": 0}


def running_daemons_are_the_plan(scene: Scene) -> tuple[t.Any, t.Any]:
    """Every daemon group runs as many processes as planned, in both colours, under the application's own user.

    mod_wsgi writes the group's display-name over argv[0] and has only that much room.
    """
    room = len("/usr/sbin/apache2")
    listing = scene.host.check_output("ps -eo user:32,args").splitlines()
    observed, wanted = {}, {}
    for name, group in scene.plan["groups"].items():
        for colour in ("blue", "green"):
            users = [line.split()[0] for line in listing if line.split()[1] == f"{colour}:{name}"[:room]]
            observed[f"{colour} {name}"] = (len(users), sorted(set(users)))
            wanted[f"{colour} {name}"] = (group["options"].get("processes", {"value": 1})["value"], ["shop"])
    return observed, wanted


def client_address_behind_the_balancer(scene: Scene) -> tuple[t.Any, t.Any]:
    """The balancer appends ip:port; the application and the access log both see the client's address."""
    seen = scene.get_json("/client?proof=edge", address=scene.edge_address)["remote_addr"]
    logged = scene.logged("/client")
    return [seen, logged["client"], logged["peer"]], [scene.own_address, scene.own_address, scene.edge_address]


def forged_header_from_a_stranger(scene: Scene) -> tuple[t.Any, t.Any]:
    """Whoever is not the balancer cannot say who he is, nor that he came by HTTPS."""
    forged = {"X-Forwarded-For": "203.0.113.99", "X-Forwarded-Proto": "https"}
    seen = scene.get_json("/client?proof=forged", headers=forged)
    return [seen["remote_addr"], seen["url_scheme"], scene.logged("/client")["client"]], [scene.own_address, "http", scene.own_address]


def forged_header_through_the_balancer(scene: Scene) -> tuple[t.Any, t.Any]:
    """A client that forges the header behind the balancer is still seen by its own address."""
    seen = scene.get_json("/client?proof=behind", address=scene.edge_address, headers={"X-Forwarded-For": "203.0.113.99"})
    return seen["remote_addr"], scene.own_address


def each_queue_runs_on_its_owner(scene: Scene) -> tuple[t.Any, t.Any]:
    """One task for each queue, executed by the node that owns the queue."""
    ids = {queue: scene.get_json(f"/enqueue?queue={queue}")["id"] for queue in OWNERS}
    observed = {}
    deadline = time.monotonic() + 30
    while ids and time.monotonic() < deadline:
        for queue, task in list(ids.items()):
            result = scene.get_json(f"/result?id={task}")
            if result["state"] != "PENDING":
                observed[queue] = (result["node"] or result["state"]).split("@")[0]
                del ids[queue]
        time.sleep(0.2)
    return observed, OWNERS


def no_distribution_file_changed(scene: Scene) -> tuple[t.Any, t.Any]:
    """No file of the distribution was changed: its upgrades will never ask about one."""
    listing = scene.host.run(f"dpkg --verify $(dpkg-query -W -f '${{Package}}\\n' | grep -xE '{DISTRIBUTION}')").stdout
    return [line for line in listing.splitlines() if not re.search(r"missing.*/usr/share/(doc|man|locale)/", line)], []


def only_root_reads_the_secret(scene: Scene) -> tuple[t.Any, t.Any]:
    """The application's secret is in no process list, no journal and not in Apache's configuration."""
    secret = scene.host.check_output("cat /srv/shop/slots/blue/environment.json")
    key = json.loads(secret)["SECRET_KEY"]
    places = "ps axww -o args | grep -v grep; cat /etc/apache2/evenkeel/generations/*/*; journalctl --no-pager -o cat"
    found = scene.host.run(f"({places}) | grep -cF -e %s", key).stdout.strip()
    return [found, oct(scene.host.file("/srv/shop/slots/blue/environment.json").mode)], ["0", "0o640"]


CHECKS: tuple[t.Callable[[Scene], tuple[t.Any, t.Any]], ...] = (
    daemon_serves_the_page,
    slow_route_has_its_own_group,
    unknown_host_is_refused,
    health_without_the_application,
    static_file_from_apache,
    running_numbers_are_the_plan,
    running_daemons_are_the_plan,
    client_address_behind_the_balancer,
    forged_header_from_a_stranger,
    forged_header_through_the_balancer,
    each_queue_runs_on_its_owner,
    no_distribution_file_changed,
    only_root_reads_the_secret,
)


def second_run(log: pathlib.Path, web: str) -> dict[str, t.Any]:
    """Whether the recap of a second run of site.yml says changed=0."""
    recap = re.findall(rf"^{re.escape(web)}\s+:.*?changed=(\d+).*?failed=(\d+)", log.read_text(), re.MULTILINE)
    observed = [int(number) for number in recap[-1]] if recap else "no recap"
    return {"id": "second_run_changes_nothing", "ok": observed == [0, 0], "observed": observed, "expected": [0, 0]}


def evidence(scene: Scene) -> list[dict[str, t.Any]]:
    """Every check of CHECKS as data; one that cannot be made counts as failed and says why."""
    rows = []
    for check in CHECKS:
        try:
            observed, expected = check(scene)
        except Exception as exc:  # a check that breaks is a failed proof, and the others still tell something
            observed, expected = f"{type(exc).__name__}: {exc}", "an answer"
        rows.append({"id": check.__name__, "ok": observed == expected, "observed": observed, "expected": expected})
    return rows


def main() -> int:
    """Print the checks as a table, write them as JSON; 0 only when all hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--web", required=True, help="container name of the web host")
    parser.add_argument("--edge", required=True, help="container name of the stand-in balancer")
    parser.add_argument("--plan", required=True, type=pathlib.Path, help="the plan as explain.yml wrote it")
    parser.add_argument("--second-run", required=True, type=pathlib.Path, help="log of the second run of site.yml")
    parser.add_argument("--json", required=True, type=pathlib.Path, help="where to write the evidence")
    arguments = parser.parse_args()
    scene = Scene(arguments.web, arguments.edge, json.loads(arguments.plan.read_text()))
    rows = [*evidence(scene), second_run(arguments.second_run, arguments.web)]
    for row in rows:
        print(f"{'ok    ' if row['ok'] else 'FAILED'}  {row['id']:<38}  {json.dumps(row['observed'])}")
        if not row["ok"]:
            print(f"{'':<46}  expected {json.dumps(row['expected'])}")
    good = all(row["ok"] for row in rows)
    arguments.json.write_text(json.dumps({"checks": rows, "ok": good}, indent=2) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
