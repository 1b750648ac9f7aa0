# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that Ansible reaches over SSH, and around it everybody else, each with an address of its own, IPv4 and IPv6."""

from __future__ import annotations

import json
import os
import subprocess
import uuid

import yaml

from .conftest import IMAGE, PREFIX, RUN, Host

NET = os.environ.get("EVENKEEL_NET", "10.77.250")
WEB, WEB6 = f"{NET}.11", "fd77:1::11"
# The controller is the machine that the containers run on.
CONTROLLER = f"{NET}.1"
ADMIN, BALANCER, MONITOR, STRANGER, BANNED = f"{NET}.20", f"{NET}.30", f"{NET}.40", "203.0.113.9", f"{NET}.31"
ADMIN6, BALANCER6, STRANGER6 = "fd77:1::20", "fd77:1::30", "2001:db8::9"
SERVED = (80, 443, 5000, 9100, 9117)
OUT_ALLOWED, OUT_OTHER = 8080, 8081
WANTED = {
    "security_baseline_network_management_networks": [CONTROLLER, ADMIN, ADMIN6],
    "security_baseline_network_web_networks": [BALANCER, BANNED, BALANCER6],
    "security_baseline_network_monitoring_networks": [MONITOR],
    "security_baseline_network_egress": [
        {"name": "store", "networks": [ADMIN, ADMIN6], "ports": [OUT_ALLOWED], "reason": "the test's store"},
        {"name": "clock", "networks": [ADMIN], "ports": [OUT_ALLOWED], "protocol": "udp", "reason": "the test's clock"},
    ],
    "security_baseline_network_revert_s": 40,
}
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.import_role": {"name": "evenkeel.wsgi.security_baseline", "tasks_from": "network"}}],
    }
]
# Answers on every port over TCP, after so many seconds as it is told, and over UDP.
SERVER = """\
import socket, sys, threading, time
def talk(link):
    with link:
        seconds = link.recv(16)
        time.sleep(float(seconds or 0))
        link.sendall(b"done")
def serve(port):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512)
    while True:
        threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()
def echo(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", port))
        while True:
            text, peer = sock.recvfrom(16)
            sock.sendto(text, peer)
ports = [int(port) for port in sys.argv[1:]]
for port in ports:
    threading.Thread(target=serve, args=(port,), daemon=True).start()
    threading.Thread(target=echo, args=(port,), daemon=True).start()
threading.Event().wait()
"""
# Tries all ways at once: [[source or "", address, port, protocol]] on standard input, true or what went wrong for each on standard output.
ASKER = """\
import concurrent.futures, json, socket, sys
def ask(way):
    source, address, port, protocol = way
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM) as sock:
        sock.settimeout(1.5)
        try:
            if source:
                sock.bind((source, 0))
            sock.connect((address, port))
            if protocol == "udp":
                sock.send(b"?")
                sock.recv(16)
            return True
        except OSError as exc:
            return type(exc).__name__
ways = json.load(sys.stdin)
with concurrent.futures.ThreadPoolExecutor(len(ways)) as pool:
    print(json.dumps(list(pool.map(ask, ways))))
"""


class Site:
    """The host, the others, and Ansible."""

    def __init__(self, folder):
        self.folder = folder
        self.web = Host("%s-net-%s" % (PREFIX, uuid.uuid4().hex[:8]))
        self.outside = Host(self.web.name + "-outside")
        self.network = self.web.name
        (folder / "play.yml").write_text(yaml.safe_dump(PLAY))
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)

    def start(self):
        subprocess.run(["docker", "network", "create", "--subnet", NET + ".0/24", self.network], check=True, capture_output=True)
        ipv6 = ["--sysctl", "net.ipv6.conf.all.disable_ipv6=0", "--sysctl", "net.ipv6.conf.default.disable_ipv6=0"]
        for host, address in ((self.web, WEB), (self.outside, ADMIN)):
            command = ["docker", "run", "-d", "--name", host.name, "--network", self.network, "--ip", address, *ipv6, *RUN, IMAGE]
            subprocess.run(command, check=True, capture_output=True)
        for host in (self.web, self.outside):
            host.wait()
        self.web.sh("apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends openssh-server nftables")
        self.web.put("/root/.ssh/authorized_keys", (self.folder / "key.pub").read_text())
        self.web.sh("systemctl start ssh")
        for host, ports in ((self.web, SERVED), (self.outside, (OUT_ALLOWED, OUT_OTHER))):
            host.put("/opt/server.py", SERVER)
            self.serve(host, ports)
        self.addresses()

    def addresses(self):
        """Give everybody an address and a way back."""
        self.web.sh("ip -6 address replace %s/64 dev eth0 nodad" % WEB6)
        self.outside.sh("; ".join("ip address replace %s/32 dev eth0" % one for one in (BALANCER, BANNED, MONITOR, STRANGER)))
        self.outside.sh("; ".join("ip -6 address replace %s/64 dev eth0 nodad" % one for one in (ADMIN6, BALANCER6, STRANGER6)))
        self.web.sh("ip route replace %s/32 dev eth0; ip -6 route replace %s/128 dev eth0" % (STRANGER, STRANGER6))

    def serve(self, host, ports):
        host.sh("systemd-run --quiet --unit=served python3 /opt/server.py " + " ".join(map(str, ports)))

    def stop(self):
        for host in (self.web, self.outside):
            subprocess.run(["docker", "rm", "-f", "-v", host.name], check=False, capture_output=True)
        subprocess.run(["docker", "network", "rm", self.network], check=False, capture_output=True)

    def ansible(self, program, *arguments, **variables):
        """Run a program of Ansible against the host, over SSH; return (exit code, output)."""
        ssh = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=4 -o ControlMaster=auto -o ControlPersist=60s"
        done = subprocess.run(
            [program, "-i", WEB + ",", "-u", "root", "--private-key", str(self.folder / "key"), "-e", json.dumps(variables), *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={
                **os.environ,
                "ANSIBLE_SSH_ARGS": ssh,
                "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.folder / "cp"),
                "ANSIBLE_PIPELINING": "true",
                "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
                "ANSIBLE_NOCOLOR": "true",
            },
        )
        return done.returncode, done.stdout + done.stderr

    def converge(self, *flags, **more):
        """Run the entry point `network`; return (exit code, output)."""
        return self.ansible("ansible-playbook", *flags, str(self.folder / "play.yml"), **{**WANTED, **more})

    def ask(self, host, ways):
        """Try to connect: [(source, address, port, protocol)], True or what went wrong for each."""
        done = subprocess.run(["docker", "exec", "-i", host.name, "python3", "-c", ASKER], input=json.dumps(ways), capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def rules(self):
        return self.web.run("nft -s -t list table inet evenkeel")[1]
