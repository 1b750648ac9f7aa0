# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with an sshd that Ansible and people really log in to."""

from __future__ import annotations

import datetime
import json
import os
import re
import subprocess
import time

from ansible_collections.evenkeel.wsgi.plugins.module_utils._access.grant import statement
from ansible_collections.evenkeel.wsgi.plugins.module_utils._access.probe import Person

from .conftest import ROOT, Host

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
INTERVAL = 3  # s between two looks of the host at its grants
BUSY = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))  # a machine with more to do than processors gets more time
REVERT = int(min(12 * BUSY, 60))  # s that a change of sshd waits
ROLE = "evenkeel.wsgi.security_baseline"
PLAYS = {
    "access": [{"ansible.builtin.import_role": {"name": ROLE, "tasks_from": "access"}}],
    "remove": [{"ansible.builtin.import_role": {"name": ROLE, "tasks_from": entry}} for entry in ("platform", "remove/access")],
    "drill": [{"evenkeel.wsgi.access_drill": {"second_factor": True}}, {"evenkeel.wsgi.access_info": {"grants": "{{ security_baseline_access_grants }}"}}],
}
# What must be again as it was after everything was taken back.
STATE = (
    "cut -d: -f1,3,7 /etc/passwd; cut -d: -f1,4 /etc/group; cut -d: -f1,2,8 /etc/shadow; find /etc/ssh /etc/sudoers.d /etc/pam.d /etc/systemd/system"
    " /usr/local/lib /etc/evenkeel ! -type d 2>/dev/null | sort | xargs md5sum; ls -A /var/lib/evenkeel 2>/dev/null | grep -v ^system_files || true"
)


def moment(seconds=0):
    """A moment from now, as a grant has it."""
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Server(Host):
    """The host. Ansible comes by ssh unless it is told otherwise."""

    def __init__(self, name, folder):
        super().__init__(name)
        self.folder = folder
        (folder / "ansible_collections/evenkeel").mkdir(parents=True)
        (folder / "ansible_collections/evenkeel/wsgi").symlink_to(ROOT)
        for entry, tasks in PLAYS.items():
            (folder / f"{entry}.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "become": True, "tasks": tasks}]))
        self.begin, self.end = moment(-3600), moment(86400)
        self.people = {}
        for account in ("ansible", "alice", "carol", "break-glass", "bob"):
            (folder / account).mkdir()
            self.people[account] = Person(account, str(folder / account))
        inspect = ["docker", "inspect", "-f", "{{.NetworkSettings.IPAddress}} {{.NetworkSettings.Gateway}}", name]
        self.address, self.gateway = subprocess.run(inspect, check=True, capture_output=True, text=True).stdout.split()

    def prepare(self):
        """An sshd, and the account that Ansible uses, as a provider hands a host over."""
        self.sh(
            "export DEBIAN_FRONTEND=noninteractive; apt-get install -q -y --no-install-recommends openssh-server || (apt-get update -q && apt-get install -q -y"
            " --no-install-recommends openssh-server); systemctl start ssh; useradd -m -s /bin/bash -p '*' ansible; mkdir -p ~ansible/.ssh"
        )
        self.put("/etc/sudoers.d/ansible", "ansible ALL=(ALL:ALL) NOPASSWD: ALL\n")
        self.put("/home/ansible/.ssh/authorized_keys", self.people["ansible"].public + "\n")
        self.sh("chown -R ansible: ~ansible/.ssh; mkdir -p /var/lib/prometheus/node-exporter")

    def grant(self, account="alice", **more):
        """A grant of a day."""
        return {
            "person": account.title() + " Doe",
            "account": account,
            "keys": [self.people[account].public],
            "owner": "operations",
            "reason": "a test",
            "approver": "Bob Roe",
            "start": self.begin,
            "expires": self.end,
            "sudo": ["/usr/bin/id -u"],
            **more,
        }

    def approved(self, signer="bob"):
        """A grant with an approval, signed with somebody's key, and the variables that ask for one."""
        grant, path = self.grant(), self.folder / f"approval-of-{signer}.json"
        path.write_text(statement(grant))
        sign = ["ssh-keygen", "-q", "-Y", "sign", "-n", "evenkeel-access", "-f", self.people[signer].key, str(path)]
        subprocess.run(sign, check=True, capture_output=True)
        (self.folder / "signers").write_text(f'"Bob Roe" {self.people["bob"].public}\n')
        return {"access_grants": [{**grant, "approval": str(path)}], "access_signed_only": True, "access_signers": str(self.folder / "signers")}

    def variables(self, **more):
        """Variables of the role as an operator sets them."""
        baseline = {
            "access_grants": [self.grant()],
            "access_interval_s": INTERVAL,
            "access_break_glass": {"account": "break-glass", "keys": [self.people["break-glass"].public], "owner": "operations"},
            "ssh_automation": {"account": "ansible", "keys": [self.people["ansible"].public], "from": [self.gateway]},
            "ssh_revert_after_s": REVERT,
            **more,
        }
        return {f"security_baseline_{name}": value for name, value in baseline.items()}

    def play(self, *flags, entry="access", connection="ssh", **more):
        """Run the role; return (exit code, output, whether something changed)."""
        ssh = {
            "ansible_host": self.address,
            "ansible_user": "ansible",
            "ansible_ssh_private_key_file": self.people["ansible"].key,
            "ansible_ssh_common_args": "-F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes -o LogLevel=ERROR",
            "ansible_control_path_dir": str(self.folder / "cp"),
        }
        variables = {"ansible_python_interpreter": "/usr/bin/python3", **(ssh if connection == "ssh" else {}), **self.variables(**more)}
        (self.folder / "variables.json").write_text(json.dumps(variables))
        done = subprocess.run(
            [
                "ansible-playbook",
                "-i",
                self.name + ",",
                "-c",
                connection,
                "-e",
                f"@{self.folder / 'variables.json'}",
                *flags,
                str(self.folder / f"{entry}.yml"),
            ],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(self.folder), "ANSIBLE_PIPELINING": "true", "ANSIBLE_NOCOLOR": "true"},
        )
        return done.returncode, done.stdout + done.stderr, not re.search(r"changed=0 ", done.stdout)

    def converge(self, **more):
        """Run the role, which must succeed."""
        code, said, _changed = self.play(**more)
        assert code == 0, said

    def login(self, account, command="true", secret=""):
        """A person's login from outside: (exit code, output)."""
        person = self.people[account]
        person.secret = secret
        return person.login(self.address, 22, command)

    def session(self, account, command):
        """A login that stays."""
        person = self.people[account]
        return subprocess.Popen(person.command(self.address, 22, command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def reachable(self):
        """Whether Ansible gets in, over a connection of its own, and becomes root."""
        code, said = self.login("ansible", "sudo -n id -u")
        return (code, said) == (0, "0")

    def metric(self, name):
        """A number that the host shows to Prometheus."""
        text = self.sh("cat /var/lib/prometheus/node-exporter/evenkeel_access.prom")
        return float(re.search(rf"^{name} (\S+)$", text, re.M).group(1))

    def within(self, seconds, holds):
        """Wait until something holds; return the seconds."""
        begin = time.monotonic()
        seconds *= BUSY
        while not holds():
            assert time.monotonic() - begin < seconds, self.run("journalctl --no-pager -n 60")[1]
            time.sleep(0.2)
        return time.monotonic() - begin
