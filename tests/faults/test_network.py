# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filter, asked with packets from everybody's addresses, in both directions; and what goes wrong with firewalls.

The tests run in the order of the file, on one host; each leaves it with the wanted rules.
"""

from __future__ import annotations

import subprocess
import time

import pytest

from .network_hosts import (
    ADMIN,
    ADMIN6,
    BALANCER,
    BALANCER6,
    BANNED,
    MONITOR,
    OUT_ALLOWED,
    OUT_OTHER,
    SERVED,
    STRANGER,
    STRANGER6,
    WEB,
    WEB6,
    Site,
)

REFUSED_OUT = {"PermissionError", "ConnectionRefusedError", "OSError"}
# Others' tables, as Docker and fail2ban write them.
OTHERS = (
    """\
table ip filter {
    chain DOCKER { tcp dport 8000 accept; }
    chain FORWARD { type filter hook forward priority filter; policy accept; jump DOCKER; }
}
table inet f2b-table {
    set addr-set-sshd { type ipv4_addr; elements = { %s }; }
    chain f2b-chain { type filter hook input priority filter - 1; policy accept; tcp dport 80 ip saddr @addr-set-sshd reject; }
}
"""
    % BANNED
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("network"))
    try:
        site.start()
        yield site
    finally:
        site.stop()


def changed(text):
    return "changed=0 " not in text


def fine(site):
    """The wanted rules run, are those of the next start, and Ansible still gets in."""
    code, text = site.converge()
    assert code == 0 and not changed(text), text


def within(seconds, holds):
    """Whether something becomes true in time."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.5)
    return True


def in_flight(site, seconds):
    """A request that takes a while, from the balancer."""
    ask = "import socket; s = socket.create_connection(('%s', 80), 30, ('%s', 0)); s.send(b'%d'); print(s.recv(9))" % (WEB, BALANCER, seconds)
    return subprocess.Popen(["docker", "exec", site.outside.name, "python3", "-c", ask], stdout=subprocess.PIPE, text=True)


def test_nothing_is_closed_until_it_is_known_what_must_stay_open(site):
    code, text = site.converge(security_baseline_network_management_networks=[], security_baseline_network_egress=[])
    assert code == 0 and not changed(text), text
    assert "No such file" in site.rules()


def test_check_mode_says_what_would_change_and_changes_nothing(site):
    code, text = site.converge("--check", "--diff")
    assert code == 0 and changed(text) and "+\tchain input {" in text, text
    assert "No such file" in site.rules()


def test_the_first_rules_cut_no_request_off(site):
    site.web.put("/etc/others.nft", OTHERS)
    site.web.sh("nft -f /etc/others.nft")
    others = "for table in 'ip filter' 'ip nat' 'inet f2b-table'; do nft -s list table $table 2>&1; done"
    before = site.web.sh(others)
    assert "DOCKER" in before and BANNED in before
    asked = in_flight(site, 8)
    time.sleep(0.5)
    code, text = site.converge()
    assert code == 0, text
    assert asked.communicate(timeout=30)[0].strip() == "b'done'"
    fine(site)
    assert site.web.sh(others) == before, "other tables are as they were"


def test_who_may_connect(site):
    ports = (22, *SERVED)
    sources = {ADMIN: {22}, ADMIN6: {22}, BALANCER: {80, 443}, BALANCER6: {80, 443}, MONITOR: {9100, 9117}, STRANGER: set(), STRANGER6: set()}
    ways = [(source, WEB6 if ":" in source else WEB, port, "tcp") for source in sources for port in ports]
    opened = {(way[0], way[2]) for way, answer in zip(ways, site.ask(site.outside, ways)) if answer is True}
    assert opened == {(source, port) for source, open_ports in sources.items() for port in open_ports}
    # fail2ban's ban holds, although ours lets the balancer's networks in.
    assert site.ask(site.outside, [(BANNED, WEB, 80, "tcp"), (BANNED, WEB, 443, "tcp")]) == ["ConnectionRefusedError", True]
    assert site.web.run("python3 -c \"import socket; socket.create_connection(('127.0.0.1', 5000), 2)\"")[0] == 0


def test_to_whom_the_host_may_connect(site):
    ways = [("", ADMIN, OUT_ALLOWED, "tcp"), ("", ADMIN6, OUT_ALLOWED, "tcp"), ("", ADMIN, OUT_ALLOWED, "udp")]
    assert site.ask(site.web, ways) == [True] * 3
    ways = [("", ADMIN, OUT_OTHER, "tcp"), ("", ADMIN6, OUT_OTHER, "tcp"), ("", ADMIN, OUT_OTHER, "udp"), ("", BALANCER, OUT_ALLOWED, "tcp")]
    assert set(site.ask(site.web, ways)) <= REFUSED_OUT, "an application gets an error, it does not wait for one"


def test_one_address_cannot_open_connections_without_end(site):
    code, text = site.converge(security_baseline_network_web_networks=["any"], security_baseline_network_source_rate=10)
    assert code == 0, text
    answers = site.ask(site.outside, [(STRANGER, WEB, 80, "tcp")] * 300)
    assert 50 <= answers.count(True) <= 80, "ten a second and a burst of fifty"
    assert site.ask(site.outside, [(BALANCER, WEB, 80, "tcp")] * 20) == [True] * 20, "others are not held up"
    code, text = site.converge()
    assert code == 0 and changed(text), text


def test_rules_that_lock_ansible_out_are_taken_back(site):
    before = site.rules()
    code, text = site.converge(security_baseline_network_management_networks=["192.0.2.0/24"], security_baseline_network_revert_s=10)
    assert code != 0
    assert "Nobody could connect to %s through the new rules" % WEB in " ".join(text.split()), text
    assert within(25, lambda: site.rules() == before)
    fine(site)


def test_a_run_that_dies_before_it_came_back_leaves_the_former_rules(site):
    before = site.rules()
    other = "table inet evenkeel\\ndelete table inet evenkeel\\ntable inet evenkeel {\\nchain others {\\naccept\\n}\\n}\\n"
    for _again in range(2):  # the second one must not take the first one's for the former rules
        code, text = site.ansible("ansible", "all", "-m", "evenkeel.wsgi.firewall", "-a", '{"rules": "%s", "revert_after": 10}' % other)
        assert code == 0 and '"armed": true' in text, text
        assert site.rules() != before
    assert within(25, lambda: site.rules() == before)
    code, text = site.ansible("ansible", "all", "-m", "evenkeel.wsgi.firewall", "-a", '{"rules": "%s", "confirmed": true}' % other)
    assert code != 0 and "the host has taken its former rules back" in text, text
    fine(site)


def test_rules_that_the_kernel_refuses_are_never_loaded(site):
    before = site.rules()
    code, text = site.ansible(
        "ansible", "all", "-m", "evenkeel.wsgi.firewall", "-a", '{"rules": "table inet evenkeel {\\nchain x {\\njump nowhere\\n}\\n}\\n"}'
    )
    assert code != 0 and "nft refuses the rules, and nothing was changed" in text, text
    assert site.rules() == before
    assert site.web.run("systemctl is-active evenkeel-firewall-revert.timer")[0] != 0


def test_what_somebody_changed_by_hand_is_found(site):
    site.web.sh("nft insert rule inet evenkeel input tcp dport 5000 accept")
    assert site.ask(site.outside, [(STRANGER, WEB, 5000, "tcp")]) == [True]
    code, text = site.converge("--diff")
    assert code == 0 and "-\t\ttcp dport 5000 accept" in text, text
    assert site.ask(site.outside, [(STRANGER, WEB, 5000, "tcp")]) != [True]


def test_the_rules_are_there_again_after_the_distributions_and_after_a_restart(site):
    site.web.sh("systemctl start nftables; systemctl restart evenkeel-firewall")
    for verb in ("reload", "restart"):  # of rules that begin with `flush ruleset`
        site.web.sh("systemctl %s nftables" % verb)
        assert within(10, lambda: "chain output" in site.rules()), verb
    site.web.sh("systemctl disable --now nftables")
    site.web.reboot()
    site.addresses()
    assert "chain output" in site.rules()
    site.serve(site.web, SERVED)
    fine(site)


def test_off_by_hand_and_off_for_good(site):
    site.web.sh("systemctl stop evenkeel-firewall")
    assert site.ask(site.outside, [(STRANGER, WEB, 5000, "tcp")]) == [True]
    code, text = site.converge()
    assert code == 0 and changed(text), text
    code, text = site.converge(security_baseline_network=False)
    assert code == 0 and changed(text), text
    assert "No such file" in site.rules()
    assert site.web.run("ls /etc/evenkeel/firewall.nft /etc/systemd/system/evenkeel-firewall.service")[0] != 0
    code, text = site.converge(security_baseline_network=False)
    assert code == 0 and not changed(text), text
