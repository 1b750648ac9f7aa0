# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs on their way to a real receiver that dies under load, refuses strangers, and is refused when it is one.

The receiver is rsyslog with a CA of its own. With EVENKEEL_FULL it is away for 60 s, else for 6 s. What each measured is printed (pytest -s).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import uuid

import pytest
import yaml

from .conftest import IMAGE, PREFIX, ROOT, RUN, Host

AWAY = 60 if os.environ.get("EVENKEEL_FULL") else 6
WINDOW = 16  # lines that may be on their way without an acknowledgement
RECEIVER = """\
module(load="imrelp" tls.tlslib="openssl")
template(name="raw" type="string" string="%rawmsg%\\n")
ruleset(name="in" queue.type="Direct") { action(type="omfile" file="/var/log/central" template="raw") }
input(type="imrelp" port="2514" ruleset="in" maxDataSize="64k" tls="on" tls.caCert="/root/pki/ca.pem" tls.myCert="/root/pki/logs.example.org.pem"
      tls.myPrivKey="/root/pki/logs.example.org.key" tls.authMode="name" tls.permittedPeer=["web.example.org"])
action(type="omfile" file="/var/log/own")
"""
UNIT = "[Service]\nExecStart=/usr/sbin/rsyslogd -n -iNONE -f /etc/receiver.conf\n"
PKI = """\
mkdir -p /root/pki; cd /root/pki; new="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
for ca in ca other; do openssl req -x509 $new -keyout $ca.key -out $ca.pem -days 30 -subj /CN=$ca; done
for pair in ca:logs.example.org ca:web.example.org other:stranger.example.org; do
  ca=${pair%:*} name=${pair#*:}
  openssl req $new -keyout $name.key -out $name.csr -subj /CN=$name
  echo subjectAltName=DNS:$name >$name.ext
  openssl x509 -req -in $name.csr -CA $ca.pem -CAkey $ca.key -CAcreateserial -days 30 -extfile $name.ext -out $name.pem
done
"""
# Numbered lines for the journal and for a log file, 200/s together.
LOAD = """\
import socket, sys, time
journal, n, end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), 0, time.time() + float(sys.argv[1])
journal.connect("/dev/log")
with open("/var/log/numbered.log", "a", buffering=1) as file:
    while time.time() < end:
        for _ in range(10):
            journal.send(b"<13>numbered: journal-%s-%d-" % (sys.argv[2].encode(), n))
            file.write("file-%s-%d-\\n" % (sys.argv[2], n))
            n += 1
        time.sleep(0.1)
print(n)
"""


class Web(Host):
    """The host whose logs are watched."""

    def __init__(self, name, folder):
        super().__init__(name)
        self.folder = folder

    def converge(self, **variables):
        """Run the role's logs on it as alice from 203.0.113.7; what ansible-playbook printed."""
        self.folder.joinpath("inventory.json").write_text(
            json.dumps({"all": {"hosts": {self.name: {"ansible_connection": "community.docker.docker", "ansible_python_interpreter": "/usr/bin/python3"}}}})
        )
        tasks = [
            {"import_tasks": str(ROOT / "playbooks/tasks/origin.yml")},
            {"import_role": {"name": "evenkeel.wsgi.security_baseline", "tasks_from": variables.pop("entry", "logs")}},
            {"import_role": {"name": "evenkeel.wsgi.security_baseline", "tasks_from": "evidence"}, "vars": {"security_baseline_evidence_directory": "."}},
        ]
        play = [{"hosts": "all", "gather_facts": False, "become": True, "tasks": tasks, "vars": variables}]
        self.folder.joinpath("play.yml").write_text(yaml.safe_dump(play))
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "true", "SUDO_USER": "alice", "SSH_CONNECTION": "203.0.113.7 50000 10.0.0.1 22"}
        done = subprocess.run(
            ["ansible-playbook", "-i", "inventory.json", "play.yml"], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
        return done.stdout

    def evidence(self):
        """{control: finding} of the last run."""
        return {one["id"]: one for one in json.loads(self.folder.joinpath(f"{self.name}.json").read_text())["controls"]}

    def load(self, seconds, run):
        """Write numbered lines, not waited for."""
        command = ["docker", "exec", self.name, "python3", "-c", LOAD, str(seconds), run]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


class Receiver(Host):
    """The host that takes them."""

    def received(self, mark):
        """[(number, id)] of the lines that have arrived, by what they are marked with."""
        lines = self.sh("cat /var/log/central").splitlines()
        assert all(line.partition(" @cee: ")[2].endswith("}") for line in lines), "a line is broken"
        found = re.findall(r'"id":"([^"]+)".*?"message":"' + mark + r"-(\d+)-", "\n".join(lines))
        return [(int(number), name) for name, number in found]

    def gets_all(self, mark, count, patience=90):
        """Wait until every number has come; how many lines came twice."""
        deadline = time.monotonic() + patience
        lines = self.received(mark)
        while len({number for number, _id in lines}) < count and time.monotonic() < deadline:
            time.sleep(1)
            lines = self.received(mark)
        assert {number for number, _id in lines} == set(range(count)), "lost"
        assert len(set(lines)) == count, "a line that came twice has another id than the first time"
        return len(lines) - count


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    names = ["%s-logs-%s-%s" % (PREFIX, role, uuid.uuid4().hex[:8]) for role in ("web", "receiver")]
    try:
        for name, more in zip(names, ([], ["--cap-add", "AUDIT_CONTROL"])):
            subprocess.run(["docker", "run", "-d", "--name", name, *RUN, *more, IMAGE], check=True, capture_output=True)
        web, receiver = Web(names[0], tmp_path_factory.mktemp("logs")), Receiver(names[1])
        for host in (web, receiver):
            host.wait()
        install = "apt-get install -q -y --no-install-recommends rsyslog rsyslog-relp openssl auditd"
        receiver.sh(f"export DEBIAN_FRONTEND=noninteractive; {install} || (apt-get update -q && {install})")
        receiver.sh(PKI)
        receiver.put("/etc/receiver.conf", RECEIVER)
        receiver.put("/etc/systemd/system/receiver.service", UNIT)
        receiver.sh("touch /var/log/central; systemctl daemon-reload; systemctl start receiver")
        for path in ("ca.pem", "web.example.org.pem", "web.example.org.key", "stranger.example.org.pem", "stranger.example.org.key"):
            web.put("/etc/ssl/evenkeel/" + path, receiver.sh("cat /root/pki/" + path))
        template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        shown = subprocess.run(["docker", "inspect", "--format", template, receiver.name], check=True, capture_output=True, text=True)
        web.variables = {
            "security_baseline_logs_receiver": {
                "address": shown.stdout.strip(),
                "port": 2514,
                "name": "logs.example.org",
                "ca": "/etc/ssl/evenkeel/ca.pem",
                "certificate": "/etc/ssl/evenkeel/web.example.org.pem",
                "key": "/etc/ssl/evenkeel/web.example.org.key",
            },
            "security_baseline_logs_files": ["/var/log/numbered.log"],
            "security_baseline_logs_sensitive_paths": ["/srv/shop/media/", "/srv/shop/people.csv"],
        }
        web.converge(**web.variables)
        yield web, receiver
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", *names], check=False, capture_output=True)


def test_a_second_run_changes_nothing_and_the_evidence_sees_it(pair):
    web, _receiver = pair
    assert re.search(r"changed=0 ", web.converge(**web.variables))
    states = {name: one["state"] for name, one in web.evidence().items()}
    assert {name: states[name] for name in ("actions_are_kept", "changes_name_their_author", "logs_are_forwarded")} == {
        "actions_are_kept": "ok",
        "changes_name_their_author": "ok",
        "logs_are_forwarded": "ok",
    }
    assert states["audit_rules_are_loaded"] == "unverifiable"


def test_the_receiver_learns_who_changed_what_and_who_became_root(pair):
    web, receiver = pair
    web.sh("sudo -u nobody true")
    deadline = time.monotonic() + 20
    while "USER=nobody" not in receiver.sh("cat /var/log/central") and time.monotonic() < deadline:
        time.sleep(0.5)
    lines = [json.loads(line.partition(" @cee: ")[2]) for line in receiver.sh("cat /var/log/central").splitlines()]
    assert {line["host"] for line in lines} == {web.name}
    assert any(line["program"] == "sudo" and "USER=nobody" in line["message"] for line in lines)
    changed = [line for line in lines if line["message"].startswith("user=alice from=203.0.113.7 ") and "Invoked with" in line["message"]]
    assert {line["program"] for line in changed} >= {"ansible-evenkeel.wsgi.system_files", "ansible-evenkeel.wsgi.security_evidence"}


def test_nothing_is_lost_while_the_receiver_is_dead(pair):
    web, receiver = pair
    load = web.load(AWAY + 6, "dead")
    time.sleep(3)
    receiver.sh("systemctl kill --signal=KILL receiver")
    time.sleep(AWAY)
    receiver.sh("systemctl restart receiver")
    count = int(load.communicate()[0])
    doubled = {kind: receiver.gets_all(f"{kind}-dead", count) for kind in ("journal", "file")}
    print(f"receiver killed for {AWAY} s: {2 * count} lines, none lost, {sum(doubled.values())} came twice with the same id")
    assert sum(doubled.values()) <= WINDOW


def test_nothing_is_lost_when_the_sender_restarts(pair):
    web, receiver = pair
    load = web.load(6, "restart")
    for _restart in range(2):
        time.sleep(2)
        web.sh("systemctl restart evenkeel-log-forward")
    count = int(load.communicate()[0])
    doubled = {kind: receiver.gets_all(f"{kind}-restart", count) for kind in ("journal", "file")}
    print(f"sender restarted twice: {2 * count} lines, none lost, {sum(doubled.values())} came twice with the same id")


def test_a_sender_that_is_killed_loses_no_more_than_was_on_its_way(pair):
    web, receiver = pair
    load = web.load(4, "killed")
    time.sleep(2)
    web.sh("systemctl kill --signal=KILL evenkeel-log-forward")
    count = int(load.communicate()[0])
    time.sleep(10)
    lost = {kind: count - len({number for number, _id in receiver.received(f"{kind}-killed")}) for kind in ("journal", "file")}
    print(f"sender killed once: {2 * count} lines, lost: {lost}")
    assert sum(lost.values()) <= WINDOW


def test_a_stranger_is_refused_on_either_side(pair):
    web, receiver = pair
    configuration = "/etc/evenkeel/rsyslog.conf"
    web.sh(f"cp -p {configuration} /root/right.conf")
    web.sh(f"sed -i s#/web.example.org#/stranger.example.org# {configuration}; systemctl restart evenkeel-log-forward")
    web.sh("logger -t numbered journal-stranger-0-")
    time.sleep(6)
    assert receiver.received("journal-stranger") == []
    web.sh(f"sed s#logs.example.org#somebody.example.org# /root/right.conf >{configuration}; systemctl restart evenkeel-log-forward")
    time.sleep(6)
    assert receiver.received("journal-stranger") == []
    web.sh(f"cp -p /root/right.conf {configuration}; systemctl restart evenkeel-log-forward")
    assert receiver.gets_all("journal-stranger", 1) == 0  # it has waited in the spool


def test_the_rules_are_such_as_the_kernels_own_program_reads(pair):
    """In a container the kernel takes none; it says so after auditctl has understood the rule, and before that of a bad one."""
    web, receiver = pair
    rules = web.sh("cat /etc/audit/rules.d/60-evenkeel.rules")
    assert "-F dir=/srv/shop/media -F perm=r" in rules
    assert "-F path=/srv/shop/people.csv -F perm=r" in rules
    receiver.put("/root/ours.rules", rules)
    receiver.put("/root/bad.rules", "-c\n-a always,exit -F path=/etc/passwd -F perm=wa -F kay=x\n")
    expected = "Error sending add rule data request|There was an error in line|perm used without an arch is slower"
    assert receiver.run(f"auditctl -R /root/ours.rules 2>&1 | grep -Ev '{expected}'")[1] == ""
    assert "unknown field: kay" in receiver.run("auditctl -R /root/bad.rules")[1]


def test_the_journal_outlives_a_reboot_and_goes_back_when_the_role_is_removed(pair):
    web, _receiver = pair
    web.sh("logger -t numbered before-the-reboot; journalctl --sync")
    web.reboot()
    assert "before-the-reboot" in web.sh("journalctl -t numbered -o cat")
    web.converge(entry="remove")
    assert web.run("ls /etc/systemd/journald.conf.d/60-evenkeel.conf /etc/audit/rules.d/60-evenkeel.rules /etc/evenkeel/rsyslog.conf")[0] != 0
    assert "loaded" not in web.sh("systemctl show -p LoadState --value evenkeel-log-forward")[:6]
