# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Grants and sshd on a real host: what ends in mid-session, what is broken, and what would lock somebody out.

The tests run in the order of the file, on one host that Ansible reaches by ssh; after each, Ansible gets in over a new connection.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
import uuid

import pytest

from .conftest import IMAGE, PREFIX, RUN
from .server import BUSY, INTERVAL, REVERT, SECRET, STATE, Server, moment

TOTP = {"ssh_second_factor": "totp", "ssh_totp_secrets": {"alice": SECRET}}


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    name = "%s-access-%s" % (PREFIX, uuid.uuid4().hex[:8])
    subprocess.run(["docker", "run", "-d", "--name", name, *RUN, IMAGE], check=True, capture_output=True)
    server = Server(name, tmp_path_factory.mktemp("access"))
    try:
        server.wait()
        yield server
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", name], check=False, capture_output=True)


@pytest.fixture
def host(bare):
    yield bare
    assert bare.reachable(), bare.run("journalctl --no-pager -n 60")[1]


def test_a_check_on_a_bare_host_works_and_changes_nothing(bare):
    before = bare.sh(STATE)
    code, said, _changed = bare.play("--check", "--diff", connection="community.docker.docker", **TOTP, **bare.approved())
    assert code == 0, said
    code, refused, _changed = bare.play("--check", connection="community.docker.docker", **TOTP, **bare.approved("alice"))
    assert code != 0 and "Refuse an approval that its approver has not signed" in refused
    other = {**bare.approved()["access_grants"][0], "sudo": ["ALL"]}
    code, refused, _changed = bare.play("--check", connection="community.docker.docker", **TOTP, **{**bare.approved(), "access_grants": [other]})
    assert code != 0 and "is not for this grant" in refused
    assert bare.sh(STATE) == before
    assert SECRET not in said
    bare.prepare()
    bare.before = bare.sh(STATE)


def test_grants_are_kept_and_a_second_run_changes_nothing(host):
    host.converge()
    assert host.login("alice", "sudo -n /usr/bin/id -u") == (0, "0")
    assert host.login("alice", "sudo -n /usr/bin/id")[0] != 0
    assert host.login("alice", "echo mine >> ~/.ssh/authorized_keys || mkdir ~/.ssh && cp /etc/ssh/authorized_keys.d/alice ~/.ssh/authorized_keys")[0] == 0
    code, said, changed = host.play("--diff")
    assert code == 0 and not changed, said
    effective = host.sh("sshd -T -C user=root,host=x,addr=192.0.2.1")
    assert "passwordauthentication no" in effective and "permitrootlogin no" in effective
    # The way that Ansible had before is closed: only the key that is bound to where it comes from counts.
    assert "/etc/ssh/authorized_keys.d/%u" in host.sh("sshd -T -C user=ansible,host=x,addr=192.0.2.1")
    assert host.sh("cat /etc/ssh/authorized_keys.d/ansible").startswith(f'from="{host.gateway}" ssh-ed25519 ')


def test_each_use_of_break_glass_is_counted_and_told(host):
    assert host.metric("evenkeel_break_glass_logins_total") == 0
    assert host.login("break-glass", "sudo -n id -u; logger -p authpriv.info 'session opened for user break-glass(uid=0)'") == (0, "0")
    took = host.within(60, lambda: host.metric("evenkeel_break_glass_logins_total") == 1)
    assert "break glass: break-glass logged in 1 times" in host.sh("journalctl -u evenkeel-access -p crit -o cat")
    print(f"break glass: counted after {took:.1f} s")


def test_a_grant_that_ends_in_mid_session(host):
    """First without our program: sshd and sudo keep to the end by themselves. Then with it, which ends the session."""
    for span in (15, 60, 180):  # how long the run takes depends on what else the machine does
        expires = time.time() + span
        host.converge(access_grants=[host.grant(), host.grant("carol", expires=moment(span))])
        if time.time() < expires - 4:
            break
    host.sh("systemctl stop evenkeel-access.timer")
    session = host.session("carol", "while :; do sudo -n /usr/bin/id -u || echo refused; sleep 0.5; done")
    assert session.stdout.readline() == "0\n"
    refused = next(time.time() for line in session.stdout if line == "refused\n")
    assert -1 <= refused - expires < 5 * BUSY
    assert "Permission denied" in host.login("carol")[1]
    assert session.poll() is None
    host.sh("systemctl start evenkeel-access.timer")
    ended = host.within(INTERVAL + 10, lambda: session.poll() is not None)
    print(f"sudo refused {refused - expires:.1f} s after the end, session ended {ended:.1f} s after the timer was there again")
    assert "carol" not in host.sh("cat /etc/sudoers.d/evenkeel-access; ls /etc/ssh/authorized_keys.d; ps -eo user:32=")
    assert host.sh("getent shadow carol").split(":")[7] == "1"
    assert host.metric("evenkeel_grant_expired_present") == 0
    host.within(10, lambda: host.login("alice")[0] == 0)


def test_an_account_of_somebody_else_is_left_alone(host):
    host.sh("useradd -m -p '*' -G sudo dave")
    before = host.sh("getent passwd dave; getent shadow dave; id -nG dave")
    host.people["dave"] = host.people["carol"]
    code, said, _changed = host.play(access_grants=[host.grant("dave")])
    assert code != 0 and "is on the host and was not made for a grant" in said
    assert host.sh("getent passwd dave; getent shadow dave; id -nG dave") == before
    host.sh("userdel -r dave")


def test_with_a_broken_drop_in_of_somebody_else_nothing_is_changed(host):
    host.put("/etc/ssh/sshd_config.d/50-theirs.conf", "NoSuchOption yes\n")
    before = host.sh("cat /etc/ssh/sshd_config.d/00-evenkeel.conf /etc/pam.d/sshd")
    code, said, _changed = host.play(**TOTP)
    assert code != 0 and "was broken before this run, and nothing was changed" in said and "50-theirs.conf" in said
    assert host.sh("cat /etc/ssh/sshd_config.d/00-evenkeel.conf /etc/pam.d/sshd") == before
    host.sh("rm /etc/ssh/sshd_config.d/50-theirs.conf")


def test_with_a_broken_pam_the_second_factor_is_taken_back(host):
    module = host.sh("dpkg -L libpam-google-authenticator | grep /pam_google_authenticator.so").strip()
    before = host.sh("cat /etc/ssh/sshd_config.d/00-evenkeel.conf /etc/pam.d/sshd; ls -A /etc/evenkeel/totp 2>/dev/null || true")
    host.sh(f"mv {module} {module}.gone")
    code, said, _changed = host.play(**TOTP)
    assert code != 0 and "nobody could log in as people do through the changed sshd" in said
    assert host.sh("cat /etc/ssh/sshd_config.d/00-evenkeel.conf /etc/pam.d/sshd; ls -A /etc/evenkeel/totp 2>/dev/null || true") == before
    assert host.login("alice")[0] == 0
    host.sh(f"mv {module}.gone {module}; ! getent passwd evenkeel-probe")


def test_people_need_both_factors_and_the_others_need_one(host):
    host.converge(**TOTP)
    # PAM takes three tries in 30 s.
    assert host.login("alice", secret=SECRET[::-1])[0] == 255
    assert host.login("alice", "sudo -n /usr/bin/id -u", secret=SECRET) == (0, "0")
    assert host.login("alice", secret=SECRET)[0] == 255, "a code was taken twice"
    assert host.login("alice")[0] == 255
    assert host.login("break-glass")[0] == 0
    code, said, changed = host.play(**TOTP)
    assert code == 0 and not changed, said


def test_the_drill_says_how_long_revoked_access_works_and_the_review_who_gets_in(host):
    before = host.sh("cut -d: -f1 /etc/passwd; cat /etc/evenkeel/access.json; ls /etc/evenkeel/totp")
    host.sh("useradd -p '*' -G sudo dave")
    code, said, _changed = host.play("-v", entry="drill", **TOTP)
    host.sh("userdel dave")
    assert code == 0, said
    seconds = float(re.search(r'"seconds": ([\d.]+)', said).group(1))
    assert seconds < (INTERVAL + 10) * BUSY
    print(f"revoked access was gone after {seconds} s")
    rows = {row["account"]: row for row in json.loads(re.search(r'"accounts": (\[.*\])', said).group(1))}
    assert rows["alice"]["grants"][0]["approver"] == "Bob Roe" and rows["alice"]["sudo"] == ["/usr/bin/id -u"]
    assert rows["dave"]["grants"] == [] and rows["dave"]["sudo"] == ["ALL"]
    assert "root" not in rows and "www-data" not in rows
    assert host.sh("cut -d: -f1 /etc/passwd; cat /etc/evenkeel/access.json; ls /etc/evenkeel/totp") == before


def test_what_would_cut_ansible_off_is_put_back_by_itself(host):
    wrong = {"account": "ansible", "keys": [host.people["ansible"].public], "from": ["192.0.2.1"]}
    code, said, _changed = host.play(ssh_automation=wrong, **TOTP)
    assert code == 4 and "UNREACHABLE" in said, said
    took = host.within(REVERT + 10, host.reachable)
    print(f"reachable again {took:.1f} s after Ansible was cut off; the change waits {REVERT} s")
    code, said, changed = host.play(**TOTP)
    assert code == 0 and not changed, said


def test_everything_is_taken_back(host):
    code, said, _changed = host.play(access_grants=[], access_break_glass={}, ssh_automation={})
    assert code == 0, said
    assert host.sh(STATE) == host.before
    assert host.sh("stat -c '%U %a' /home/alice") == "root 700\n"
    code, said, changed = host.play(entry="remove")
    assert code == 0 and not changed, said
