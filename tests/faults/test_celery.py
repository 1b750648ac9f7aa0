# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The article's three nodes on a real host: the example application, Redis, the role, and what an operator and bad luck do to them.

The tests run in the order of the file, on one host, first with one supervisor, then with the other; each leaves all nodes running.
`only` names the one supervisor that a test is about, `short` the one that it runs with unless EVENKEEL_FULL is set.
"""

from __future__ import annotations

import os
import subprocess
import time
import uuid

import pytest

from .conftest import IMAGE, PREFIX, RUN
from .shop import NAMES, NODES, SECRET, Shop

HANGS = 24
"""Seconds for which the broker hangs: longer than a node may, 15 s of silence after 8 s in which its loop stands still."""
GONE = 60 if os.environ.get("EVENKEEL_FULL") else 5


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    name = "%s-celery-%s" % (PREFIX, uuid.uuid4().hex[:8])
    subprocess.run(["docker", "run", "-d", "--name", name, *RUN, IMAGE], check=True, capture_output=True)
    host = Shop(name, tmp_path_factory.mktemp("celery"))
    try:
        host.wait()
        host.prepare()
        yield host
    finally:
        host.hang_up()
        subprocess.run(["docker", "rm", "-f", "-v", name], check=False, capture_output=True)


@pytest.fixture(scope="module", params=["systemd", "multi"])
def shop(host, request):
    host.supervisor = request.param
    return host


def test_converges_and_stays_also_over_from_the_other_supervisor(shop):
    task = None
    if shop.supervisor == "multi":
        shop.works()
        task = shop.send("Q3", 5)
        shop.busy()
    code, said, _changed = shop.converge()
    assert code == 0, said
    assert task is None or shop.result(task, patience=0) == ("others", "Q3")
    code, said, changed = shop.converge("--diff")
    assert code == 0 and not changed, said
    environment = shop.sh("cat /proc/%d/environ" % shop.pids()["default"]).split("\0")
    assert "SECRET_KEY=" + SECRET in environment and "CELERY_VISIBILITY_TIMEOUT=12000" in environment
    modes = shop.sh("stat -c '%U %a' /etc/evenkeel/celery/shop.env /etc/evenkeel/celery/shop.secrets")
    assert modes.splitlines() == ["root 600", "root 600"]


def test_each_queue_is_run_by_its_owner(shop):
    shop.works()


@pytest.mark.short("systemd")
def test_the_sandbox_is_really_there(shop):
    """systemd may skip what it cannot apply in silence: ask the kernel about the process."""
    process = "/proc/%d/" % shop.pids()["default"]
    mounts = {line.split()[4]: line.split()[5].split(",")[0] for line in shop.sh("cat %smountinfo" % process).splitlines()}
    own = "/run/celery/default" if shop.supervisor == "systemd" else "/run/celery/shop"
    assert {path: mounts[path] for path in ("/", "/home", "/tmp", own)} == {"/": "ro", "/home": "ro", "/tmp": "rw", own: "rw"}
    status = shop.sh("cat %sstatus" % process)
    assert "NoNewPrivs:\t1" in status and "CapBnd:\t0000000000000000" in status and "Seccomp:\t2" in status


def test_a_killed_node_comes_back_alone(shop):
    before = shop.pids()
    shop.sh("kill -9 %d" % before["reports"])
    shop.back(before, "reports", within=10)
    shop.works("Q2")


@pytest.mark.short("systemd")
def test_all_nodes_killed_come_back(shop):
    before = shop.pids()
    shop.sh("kill -9 %s" % " ".join(map(str, before.values())))
    shop.back(before, *NAMES, within=10)
    shop.works()


def test_nodes_that_hang_are_replaced_also_in_the_middle_of_a_task(shop):
    before = shop.pids()
    shop.send("Q2", 600)  # waits for the visibility timeout then, as the documentation says
    shop.busy()
    shop.sh("kill -STOP %d $(pgrep -P %d) %d" % (before["reports"], before["reports"], before["default"]))
    shop.back(before, "reports", "default", within=30)
    shop.works("Q1", "Q2", patience=10)
    orphans = "pgrep -P 1 -u shop -f 'reports@' | grep -vx %d" % shop.pids()["reports"]
    assert shop.run(orphans)[0] == 1, "a child of the old node was left"
    shop.sh("redis-cli del unacked unacked_index")  # hours before its time; the tests count running tasks there


@pytest.mark.short("systemd")
def test_a_broker_that_hangs_or_is_gone_kills_no_node(shop):
    before = shop.pids()
    task = shop.send("Q1", HANGS)
    shop.busy()
    shop.sh("pkill -STOP redis-server; sleep %d; pkill -CONT redis-server" % HANGS)
    assert shop.result(task) == ("default", "Q1")
    shop.works()
    shop.hang_up()
    shop.sh("systemctl stop redis-server; sleep %d; systemctl start redis-server" % GONE)
    shop.works()
    assert shop.pids() == before


@pytest.mark.short("systemd")
def test_a_killed_child_costs_its_task_nothing(shop):
    before = shop.pids()
    task = shop.send("Q2", 3)
    shop.busy()
    shop.sh("kill -9 $(pgrep -P %d)" % before["reports"])
    assert shop.result(task) == ("reports", "Q2") and shop.pids() == before


def test_stop_waits_for_the_running_task(shop):
    task = shop.send("Q1", 5)
    shop.busy()
    shop.sh("systemctl stop celery")
    assert shop.result(task, patience=0) == ("default", "Q1")
    assert set(shop.pids().values()) == {0} and shop.sh("systemctl list-units --failed --no-legend 'celery*'") == ""
    assert shop.run("pgrep -u shop")[0] == 1, "something was left running"
    shop.sh("systemctl start celery")
    assert shop.result(shop.send("Q4")) == ("others", "Q4")


@pytest.mark.short("systemd")
def test_reload_waits_for_the_running_task(shop):
    before = shop.pids()
    task = shop.send("Q3", 3)
    shop.busy()
    shop.sh("systemctl reload celery")
    assert shop.result(task) == ("others", "Q3")
    if shop.supervisor == "systemd":
        shop.works()
        assert shop.pids() == before
    else:
        shop.back(before, *NAMES, within=60)
        shop.works()


def test_one_changed_node_restarts_alone_and_after_its_task(shop):
    before = shop.pids()
    task = shop.send("Q2", 12)
    shop.busy()
    code, said, changed = shop.converge("--diff", "-vvv", nodes=[NODES[0], {**NODES[1], "autoscale": {"max": 3, "min": 1}}, NODES[2]])
    assert code == 0 and changed and "second line" not in said, said
    assert "=3,1" in shop.sh("tr '\\0' ' ' </proc/%d/cmdline" % shop.pids()["reports"])
    assert shop.run("journalctl --no-pager | grep -F 'and a second line'")[0] == 1, "a secret was logged"
    assert shop.result(task, patience=0) == ("reports", "Q2")
    after = shop.pids()
    assert after["reports"] != before["reports"] and {**after, "reports": 0} == {**before, "reports": 0}
    unit = "celery@%s.service" % ("reports" if shop.supervisor == "systemd" else "shop.multi")
    cap = shop.sh("sed -n 's/^MemoryMax=\\(.*\\)M$/\\1/p' /etc/systemd/system/%s" % unit)
    groups = dict(line.split(":", 2)[1:] for line in shop.sh("cat /proc/%d/cgroup" % after["reports"]).splitlines())
    v1 = "memory" in groups
    held = shop.sh("cat /sys/fs/cgroup/%s" % ("memory%s/memory.limit_in_bytes" % groups["memory"] if v1 else "%s/memory.max" % groups[""]))
    assert int(held) == int(cap) * 2**20, "the kernel holds a running unit to its new cap"


@pytest.mark.short("systemd")
def test_a_reboot_does_not_wait_for_a_long_task_and_gives_it_back(shop):
    task = shop.send("Q2", 12)
    shop.busy()
    shop.hang_up()
    begin = time.monotonic()
    subprocess.run(["docker", "restart", "-t", "60", shop.name], check=True, capture_output=True)
    assert time.monotonic() - begin < 30
    shop.wait()
    assert shop.result(task) == ("reports", "Q2")
    shop.works()


@pytest.mark.short("systemd")
def test_refusals_come_before_any_change(shop):
    code, said, changed = shop.converge(nodes=[*NODES, {"name": "more", "queues": ["Q1"]}])
    assert code and not changed and "already belongs to node 'default'" in said.replace("\\'", "'")
    assert "second line" not in said


def test_a_node_that_does_not_stay_up_fails_the_run_with_its_words(shop):
    before = shop.pids()
    code, said, _changed = shop.converge(nodes=[*NODES, {"name": "broken", "queues": ["Q5"], "max_tasks_per_child": 1, "pool": "eventlet"}])
    assert code and "node broken does not stay up" in said
    assert "eventlet" in said or shop.supervisor == "multi"
    shop.works("Q1")
    code, said, changed = shop.converge()
    assert code == 0 and changed and {**shop.pids(), "reports": 0} == {**before, "reports": 0}, said


@pytest.mark.only("multi")
def test_a_dead_healer_finds_its_nodes_at_work(shop):
    before = shop.pids()
    task = shop.send("Q2", 6)
    shop.busy()
    shop.sh("kill -9 $(systemctl show -P MainPID celery@shop.multi)")
    assert shop.result(task) == ("reports", "Q2")
    shop.sh("kill -9 %d" % before["default"])
    shop.back(before, "default", within=12)
    shop.works()


@pytest.mark.only("multi")
def test_a_pid_that_somebody_else_has_now_is_left_alone(shop):
    before = shop.pids()
    foreign = "cd /; runuser -u shop -- sleep 600 >/dev/null 2>&1 & sleep 0.5; pgrep -u shop -x sleep"
    pid = int(shop.sh(foreign).split()[0])
    shop.sh("kill -9 %d; echo %d >/run/celery/shop/default.pid" % (before["default"], pid))
    shop.back(before, "default", within=12)
    shop.works("Q1")
    shop.sh("echo %d >/run/celery/shop/others.pid; sleep 3; systemctl restart celery" % pid)
    shop.works()
    assert shop.sh("ps -o comm= -p %d" % pid).strip() == "sleep"
    shop.sh("kill %d" % pid)


@pytest.mark.only("multi")
def test_a_full_disk_under_the_logs_stops_no_task(shop):
    shop.sh("mount -t tmpfs -o size=64k,mode=0777 none /var/log/celery/shop && systemctl restart celery")
    shop.run("cat /dev/zero >/var/log/celery/shop/full")
    shop.works()
    before = shop.pids()
    shop.sh("kill -9 %d" % before["default"])
    shop.back(before, "default", within=12)
    shop.works("Q1")
    shop.sh("systemctl stop celery; umount /var/log/celery/shop; systemctl start celery")
    shop.works()


@pytest.mark.only("multi")
def test_without_applications_nothing_is_left(shop):
    task = shop.send("Q3", 4)
    shop.busy()
    code, said, changed = shop.converge(nodes=[])
    assert code == 0 and changed, said
    assert shop.result(task, patience=0) == ("others", "Q3")
    assert (
        shop.run("ls /etc/systemd/system/celery* /etc/evenkeel/celery/shop.* /etc/systemd/system/*.wants/celery* /usr/local/lib/evenkeel/*.py")[1].count(
            "cannot access"
        )
        == 4
    )
    assert "celery" not in shop.sh("systemctl list-units --all --no-legend 'celery*'")
