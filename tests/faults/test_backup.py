# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups with everything that can go wrong with them: a host with a Redis and uploads, and a second one that keeps its history."""

from __future__ import annotations

import json
import os
import subprocess
import uuid

import pytest
import yaml

from .conftest import IMAGE, PREFIX, ROOT, RUN, Host

PASSWORD = "a-password-that-no-log-may-show"
PLAY = """\
- hosts: vault
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {name: evenkeel.wsgi.security_baseline, tasks_from: backup_repository}
- hosts: shop
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {name: evenkeel.wsgi.security_baseline, tasks_from: "{{ entry | default('backup') }}"}
"""
REDIS = "systemctl stop redis-server && cat >/var/lib/redis/dump.rdb && systemctl start redis-server"
VARIABLES = {
    "security_baseline_backup_password": PASSWORD,
    "security_baseline_backup_paths": ["/srv/shop/media"],
    "security_baseline_backup_dumps": [{"name": "shop.rdb", "command": ["redis-cli", "--rdb", "-"], "restore": ["/bin/sh", "-c", REDIS]}],
}


class Fleet:
    """The shop, the vault, and Ansible for both."""

    def __init__(self, folder, shop, vault):
        self.folder, self.shop, self.vault = folder, shop, vault
        (folder / "ansible_collections/evenkeel").mkdir(parents=True)
        (folder / "ansible_collections/evenkeel/wsgi").symlink_to(ROOT)
        (folder / "play.yml").write_text(PLAY)
        self.variables = dict(VARIABLES)

    def prepare(self):
        """Give the shop something to lose, and both a key."""
        if self.shop.run("which redis-server ssh-keygen")[0]:
            self.shop.sh("apt-get update -q; DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends redis-server openssh-client")
        self.shop.sh("systemctl enable --now redis-server; redis-cli set order 4711 >/dev/null")
        self.shop.sh("mkdir -p /srv/shop/media/a; head -c 300000 /dev/urandom >/srv/shop/media/a/picture; ln -sf a/picture /srv/shop/media/newest")
        self.shop.sh("mkdir -p /var/lib/prometheus/node-exporter; ssh-keygen -q -t ed25519 -N '' -f /root/key")
        self.variables["security_baseline_backup_ssh_key"] = self.shop.sh("cat /root/key")
        key = self.shop.sh("cat /root/key.pub; rm /root/key*").strip()
        self.variables["security_baseline_backup_hosts"] = {self.shop.name: {"key": key, "password": PASSWORD}}
        install = "apt-get install -q -y --no-install-recommends openssh-server"
        self.vault.sh("mkdir -p /var/lib/prometheus/node-exporter; which sshd || (apt-get update -q; DEBIAN_FRONTEND=noninteractive %s)" % install)
        address = self.vault.sh("hostname -i").strip()
        host_key = " ".join(self.vault.sh("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
        self.variables["security_baseline_backup_repository"] = {"address": address, "host_key": host_key}

    def converge(self, *flags, **more):
        """Run the play; return (exit code, output)."""
        inventory = {"all": {"hosts": {self.shop.name: {}, self.vault.name: {}}, "vars": {"ansible_connection": "community.docker.docker"}}}
        inventory["all"]["children"] = {"shop": {"hosts": {self.shop.name: {}}}, "vault": {"hosts": {self.vault.name: {}}}}
        inventory["all"]["vars"].update(self.variables, ansible_python_interpreter="/usr/bin/python3")
        (self.folder / "hosts.yml").write_text(yaml.safe_dump(inventory))
        done = subprocess.run(
            ["ansible-playbook", "-i", str(self.folder / "hosts.yml"), "-e", json.dumps(more), *flags, str(self.folder / "play.yml")],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(self.folder), "ANSIBLE_PIPELINING": "true", "ANSIBLE_NOCOLOR": "true"},
        )
        return done.returncode, done.stdout + done.stderr

    def unit(self, name):
        """Run a unit as its timer does; (exit code of systemctl, what became of it)."""
        code, said = self.shop.run("systemctl start %s; code=$?; journalctl -u %s -n 4 -o cat; exit $code" % (name, name))
        return code, said

    def metric(self, name):
        lines = self.shop.sh("cat /var/lib/prometheus/node-exporter/evenkeel_backup.prom").splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith(name + " ")))

    def snapshots(self):
        return self.vault.sh("ls /srv/evenkeel-backup/%s/snapshots" % self.shop.name).split()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    hosts = [Host("%s-%s-%s" % (PREFIX, name, uuid.uuid4().hex[:8])) for name in ("shop", "vault")]
    try:
        for host in hosts:
            subprocess.run(["docker", "run", "-d", "--name", host.name, *RUN, IMAGE], check=True, capture_output=True)
        for host in hosts:
            host.wait()
        fleet = Fleet(tmp_path_factory.mktemp("fleet"), *hosts)
        fleet.prepare()
        code, said = fleet.converge("--diff", "-vvv")
        assert code == 0, said[-5000:]
        assert PASSWORD not in said and "PRIVATE KEY" not in said, "a secret was shown"
        yield fleet
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", *(host.name for host in hosts)], check=False, capture_output=True)


def test_a_second_run_changes_nothing_and_no_log_has_a_secret(fleet):
    code, said = fleet.converge()
    assert code == 0 and "changed=1" not in said, said
    for host in (fleet.shop, fleet.vault):
        assert host.run("journalctl --no-pager | grep -e %s -e 'PRIVATE KEY'" % PASSWORD)[0] == 1


def test_a_real_backup_is_restored_and_compared(fleet):
    code, said = fleet.unit("evenkeel-backup")
    assert code == 0, said
    code, said = fleet.unit("evenkeel-restore-drill")
    assert code == 0, said
    assert fleet.metric("evenkeel_backup_failed") == fleet.metric("evenkeel_restore_drill_failed") == 0
    now = float(fleet.shop.sh("date +%s"))
    assert now - 120 < fleet.metric("evenkeel_backup_last_success_timestamp_seconds") <= fleet.metric("evenkeel_restore_drill_last_success_timestamp_seconds")
    assert fleet.metric("evenkeel_restore_drill_bytes") > 300000
    assert fleet.shop.run("ls /var/lib/evenkeel-backup/scratch")[0] != 0, "the scratch folder was left"


def test_the_host_cannot_delete_or_overwrite_its_history_or_run_anything_else(fleet):
    """As root of the host, with all that it has: its key, its password and the program it backs up with."""
    before = fleet.snapshots()
    fleet.shop.put("/root/attack.py", ATTACK)
    said = fleet.shop.sh("python3 /root/attack.py")
    assert fleet.snapshots() == before, said
    assert json.loads(fleet.shop.sh("cat /var/lib/evenkeel-backup/state.json"))["append_only"]["ok"] is True
    ssh = (
        "ssh -i /etc/evenkeel/backup.key -o UserKnownHostsFile=/etc/evenkeel/backup.known_hosts evenkeel-backup@%s"
        % (fleet.variables["security_baseline_backup_repository"]["address"])
    )
    fleet.shop.run("timeout 5 %s 'rm -rf /srv/evenkeel-backup/%s' </dev/null >/dev/null" % (ssh, fleet.shop.name))
    assert fleet.snapshots() == before
    forwarded = "timeout 8 %s -N -L 9999:127.0.0.1:22 & sleep 4; timeout 2 head -c 7 </dev/tcp/127.0.0.1/9999" % ssh
    assert "SSH" not in fleet.shop.run('bash -c "%s"' % forwarded)[1]
    code, said = fleet.unit("evenkeel-restore-drill")
    assert code == 0, said


ATTACK = """\
import json, sys
sys.path.insert(0, "/usr/local/lib/evenkeel")
import backup
mine = backup.Backup(json.load(open("/etc/evenkeel/backup.json")))
ids = [one["id"] for one in json.loads(mine.restic("snapshots", "--json"))]
for command in (["forget", *ids], ["forget", "--keep-last", "1", "--prune"], ["prune", "--max-unused", "0"]):
    try:
        print(mine.restic(*command))
    except backup.BackupError as exc:
        print(exc)
"""


def test_a_lost_host_gets_its_files_and_its_database_back_and_nothing_is_overwritten(fleet):
    picture = fleet.shop.sh("sha256sum </srv/shop/media/a/picture")
    code, said = fleet.converge("--limit", fleet.shop.name, entry="restore")
    assert code and "/srv/shop/media/a/picture is there already" in said
    fleet.shop.sh("rm -rf /srv/shop/media /var/lib/evenkeel-backup; redis-cli flushall")
    code, said = fleet.converge("--limit", fleet.shop.name, entry="restore")
    assert code == 0, said
    assert fleet.shop.sh("sha256sum </srv/shop/media/newest") == picture
    assert fleet.shop.sh("redis-cli get order").strip() == "4711"


def test_a_dump_that_fails_is_told_and_the_rest_is_backed_up(fleet):
    before = len(fleet.snapshots())
    fleet.shop.sh("systemctl stop redis-server")
    code, said = fleet.unit("evenkeel-backup")
    fleet.shop.sh("systemctl start redis-server")
    assert code and "dump shop.rdb: exit" in said
    assert len(fleet.snapshots()) == before + 1 and fleet.metric("evenkeel_backup_failed") == 1


def test_the_repositorys_side_forgets_by_its_own_clock(fleet):
    for _time in range(3):
        assert fleet.unit("evenkeel-backup")[0] == 0
    folder = "/srv/evenkeel-backup/%s/snapshots" % fleet.shop.name
    oldest = fleet.vault.sh("ls -tr %s | head -n 1" % folder).strip()
    fleet.vault.sh("touch -d '40 days ago' %s/%s; systemctl start evenkeel-backup-retention" % (folder, oldest))
    assert oldest not in fleet.snapshots() and len(fleet.snapshots()) >= 3
    metrics = fleet.vault.sh("cat /var/lib/prometheus/node-exporter/evenkeel_backup_repository.prom")
    assert 'evenkeel_backup_repository_failed{backup_of="%s"} 0' % fleet.shop.name in metrics
    assert fleet.unit("evenkeel-restore-drill")[0] == 0


def test_a_repository_that_is_gone_is_told_and_the_age_grows(fleet):
    last = fleet.metric("evenkeel_backup_last_success_timestamp_seconds")
    fleet.vault.sh("systemctl stop ssh.socket ssh.service 2>/dev/null; systemctl stop ssh.service")
    code, said = fleet.unit("evenkeel-backup")
    fleet.vault.sh("systemctl start ssh.service")
    assert code and "Connection refused" in said
    assert (fleet.metric("evenkeel_backup_failed"), fleet.metric("evenkeel_backup_last_success_timestamp_seconds")) == (1, last)


def test_a_damaged_repository_fails_the_drill_and_the_check(fleet):
    assert fleet.unit("evenkeel-backup")[0] == 0
    packs = "find /srv/evenkeel-backup/%s/data -type f -size +100k" % fleet.shop.name
    fleet.vault.sh("for pack in $(%s); do printf damaged | dd of=$pack bs=1 seek=5000 conv=notrunc status=none; done" % packs)
    code, said = fleet.unit("evenkeel-restore-drill")
    assert code and fleet.metric("evenkeel_restore_drill_failed") == 1, said


def test_an_emptied_repository_is_not_taken_for_a_new_one(fleet):
    fleet.vault.sh("rm -rf /srv/evenkeel-backup/%s/*" % fleet.shop.name)
    code, said = fleet.unit("evenkeel-backup")
    assert code and "does not exist" in said.replace("unable to open config file", "does not exist"), said
    assert fleet.vault.sh("ls /srv/evenkeel-backup/%s" % fleet.shop.name) == ""


def test_a_change_of_where_data_goes_needs_another_persons_approval(fleet):
    """Also in check mode, also for one topic alone, and before anything is touched."""
    moved = {"security_baseline_backup_paths": ["/srv/shop/media", "/etc/shadow"]}
    before = fleet.shop.sh("cat /etc/evenkeel/backup.json")
    for flag in ("--check", "--diff"):
        code, said = fleet.converge(flag, "--limit", fleet.shop.name, **moved)
        assert code and "security_baseline_backup_paths: not as applied last" in said and "approved_by: another person" in said
    approved = {"topic": "data", "reason": "a test", "requested_by": "alice", "approved_by": "alice", "until": "2099-12-31"}
    code, said = fleet.converge("--limit", fleet.shop.name, **moved, security_baseline_changes=[approved])
    assert code and "alice cannot approve an own request" in said
    assert fleet.shop.sh("cat /etc/evenkeel/backup.json") == before
    code, said = fleet.converge("--limit", fleet.shop.name, **moved, security_baseline_changes=[{**approved, "approved_by": "bob"}])
    assert code == 0 and "/etc/shadow" in fleet.shop.sh("cat /etc/evenkeel/backup.json"), said
