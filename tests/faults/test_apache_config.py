# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an operator meets. After each fault the server answers as before or as intended, starts again, and the next run converges."""

from __future__ import annotations

import random

import pytest

from .site import KILLS, converges, owners, request, still_fine

TLS = """\
<IfModule !ssl_module>
    LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
</IfModule>
Listen 8443
<VirtualHost *:8443>
    ServerName tls.test
    SSLEngine on
    SSLCertificateFile /etc/ssl/one.crt
    SSLCertificateKeyFile /etc/ssl/%s.key
</VirtualHost>
"""


def refused(host, wanted, *needles):
    before = host.generation()
    result = host.apply(wanted)
    assert result.get("failed"), result
    for needle in needles:
        assert needle in result["msg"], result["msg"]
    still_fine(host, before)
    return result


# --- refused before anything is live ---------------------------------------------------------------------------------------------


def test_syntax_error_names_the_fragment(host):
    result = refused(host, request(fragments={"bad": "ServerAdmin x\nNonsense On\n"}), "shop-bad.conf:2: Nonsense On")
    assert result["offender"]["owner"] == "shop" and result["offender"]["fragment"] == "bad"


def test_warning_with_exit_code_0_is_a_failure(host):
    refused(host, request(workers=50, expect={}), "AH00513")


def test_port_taken_by_another_process(host):
    host.sh("systemd-run --unit squatter python3 -m http.server 8085")
    try:
        host.get("/", 8085)
        refused(host, request(fragments={"more": "Listen 8085\n"}), "port 8085", "python3")
    finally:
        host.sh("systemctl stop squatter")


def test_key_that_does_not_match_its_certificate(host):
    for name in ("one", "two"):
        names = "-subj /CN=%s -keyout /etc/ssl/%s.key -out /etc/ssl/%s.crt" % ((name,) * 3)
        host.sh("openssl req -x509 -newkey rsa:2048 -nodes -days 2 %s 2>&1" % names)
    refused(host, request(fragments={"tls": TLS % "two"}), "Apache does not start", "AH02565")
    assert not host.apply(request(fragments={"tls": TLS % "one"})).get("failed")
    converges(host, request())


def test_disk_full(host):
    before = host.generation()
    host.sh("cd /etc/apache2 && cp -a evenkeel /tmp/keep && mount -t tmpfs -o size=200k tmpfs evenkeel && cp -a /tmp/keep/. evenkeel/")
    try:
        host.run("dd if=/dev/zero of=/etc/apache2/evenkeel/ballast bs=4k 2>/dev/null")
        result = host.apply(request(workers=45))
        assert result.get("failed") and "No space left on device" in result["msg"], result
        assert host.generation() == before and host.get()[0] == 200
        assert host.apply(request())["changed"] is False
        host.restart_service()
        assert host.generation() == before
        for blocks in range(2, 40, 2):  # less and less full: wherever it fails, the server serves
            host.sh("truncate -s -8k /etc/apache2/evenkeel/ballast")
            host.run("systemctl reset-failed apache2")
            result = host.apply(request(workers=45))
            assert host.get()[0] == 200, (blocks, result)
            if not result.get("failed"):
                break
        assert not result.get("failed"), result
        host.sh("rm /etc/apache2/evenkeel/ballast")
        converges(host, request())
    finally:
        host.sh("cd /etc/apache2; rm -rf evenkeel/ballast /tmp/keep; cp -a evenkeel /tmp/keep; umount evenkeel; rm -rf evenkeel; mv /tmp/keep evenkeel")
        host.restart_service()  # its own mount namespace still had the other file system
    converges(host, request())


# --- found out by the proof, and switched back -----------------------------------------------------------------------------------


def test_unknown_daemon_group_is_found_by_the_probe(host):
    reports = "<Location /reports>\nWSGIProcessGroup nosuch\n</Location>\n"
    wanted = request(fragments={"reports": reports}, probes=[{"url": "http://127.0.0.1/reports"}], timeout=6)
    wanted["owners"]["shop"]["fragments"]["site"] = wanted["owners"]["shop"]["fragments"]["site"].replace(" process-group=shop", "")
    result = refused(host, wanted, "probe http://127.0.0.1/reports answers 500", "nosuch", "Switched back")
    assert result["rolled_back"] is True


def test_apache_that_dies_after_the_switch_is_brought_back(host):
    # its unit cannot start with this; neither the test nor the rehearsal can know
    refused(host, request(tasks=3, timeout=6), "Switched back")


# --- what was found broken -------------------------------------------------------------------------------------------------------


def test_a_broken_current_generation_is_repaired(host):
    number = host.generation().split()[-1]
    host.sh("echo Nonsense >> /etc/apache2/evenkeel/generations/%s/apache-mpm.conf; systemctl stop apache2" % number)
    assert host.run("systemctl start apache2")[0] != 0
    result = host.apply(request())
    assert result["action"] == "start" and any("could not be started" in text for text in result["warnings"]), result
    converges(host, request())


def test_a_lost_record_costs_no_service(host):
    number = host.generation().split()[-1]
    host.sh("echo garbage > /etc/apache2/evenkeel/generations/%s/record.json" % number)
    result = host.apply(request(workers=45, probes=[{"url": "http://127.0.0.1/", "contains": "no such text"}], timeout=3))
    assert result.get("failed") and result["rolled_back"], result
    assert host.generation().split()[-1] == number and host.get()[1].startswith("served by shop")
    converges(host, request())


def test_apache_that_is_down_is_started(host):
    host.sh("systemctl stop apache2")
    result = host.apply(request())
    assert result["changed"] and result["action"] == "start", result
    converges(host, request())


def test_stopped_stays_stopped(host):
    host.sh("systemctl stop apache2")
    result = host.apply(request(workers=45, service_state="stopped"))
    assert result["changed"] and result["action"] == "none" and result["unit"] == "inactive", result
    assert host.apply(request(workers=45, service_state="stopped"))["changed"] is False
    converges(host, request(workers=45))


def test_somebody_switched_the_site_on_again(host):
    host.sh("a2ensite -q 000-default && systemctl reload apache2")
    result = host.apply(request())
    assert result["changed"] and result["action"] == "reload", result
    converges(host, request())


# --- interrupted -----------------------------------------------------------------------------------------------------------------


def survives(host, wanted):
    assert host.get()[1].startswith("served by shop")
    host.restart_service()
    assert host.get()[1].startswith("served by shop")
    converges(host, wanted)


ONE = request()
TWO = request(workers=75, servers=5, disable=False, tasks=950)  # other limits, switches, drop-ins: a restart
THREE = request(workers=45)  # a reload


@pytest.mark.parametrize(("place", "wanted"), [("KILL_BEFORE", TWO), ("KILL_AFTER", TWO), ("KILL_BEFORE", THREE), ("KILL_AFTER", THREE)])
def test_killed_around_the_reload(host, place, wanted):
    assert host.apply(wanted, **{place: "act"}) is None
    survives(host, wanted)


def test_killed_before_each_change_on_disk(host):
    converges(host, TWO)
    count = host.apply(ONE)["changes"]
    points = sorted(random.Random(count).sample(range(count), min(count, max(1, KILLS // 2))))
    for number, point in enumerate(points):
        wanted = TWO if number % 2 == 0 else ONE
        host.run("systemctl reset-failed apache2")
        host.apply(wanted, KILL_AT=point)
        survives(host, wanted)


def test_killed_at_random_instants(host):
    for number in range(max(1, KILLS - KILLS // 2)):
        wanted = TWO if number % 2 == 0 else ONE
        host.run("systemctl reset-failed apache2")
        host.apply(wanted, prefix="timeout -s KILL %.3f" % random.uniform(0.05, 1.5))
        survives(host, wanted)


def test_reboot_between_write_and_reload(host):
    assert host.apply(TWO, KILL_BEFORE="act") is None
    host.reboot()
    assert host.get()[1].startswith("served by shop")
    converges(host, TWO)


def test_two_runs_at_once(host):
    first = host.start(dict(ONE, owners={"one": {"fragments": {"a": "Define ONE yes\n"}}}))
    second = host.start(dict(ONE, owners={"two": {"fragments": {"b": "Define TWO yes\n"}}}))
    assert '"failed"' not in first.communicate()[0] + second.communicate()[0]
    number = host.generation().split()[-1]
    names = host.sh("ls /etc/apache2/evenkeel/generations/%s" % number).split()
    assert {"one-a.conf", "two-b.conf", "shop-site.conf"} <= set(names)
    converges(host, dict(ONE, owners=dict(owners(), one={}, two={})))


def test_package_upgrade_in_between(host):
    install = "apt-get install -q -y --reinstall apache2 apache2-bin libapache2-mod-wsgi-py3"
    host.sh("export DEBIAN_FRONTEND=noninteractive; %s || (apt-get update -q && %s)" % (install, install))
    assert host.get()[1].startswith("served by shop")
    assert host.run("test -e /etc/apache2/sites-enabled/000-default.conf")[0] == 1
    assert host.apply(request())["changed"] is False


# --- back and away ---------------------------------------------------------------------------------------------------------------


def test_switches_are_left_as_a2dis_leaves_them(bare):
    bare.apply({"state": "removed"})
    found = bare.listing()
    bare.sh("a2dismod -q -f status; a2dissite -q 000-default")
    theirs = bare.sh("find /var/lib/apache2 /etc/apache2/mods-enabled /etc/apache2/sites-enabled ! -type d | sort")
    bare.sh("a2enmod -q -m status; a2ensite -q 000-default")
    assert bare.listing() == found
    assert not bare.apply(dict(ONE, owners=dict(owners(), apache=dict(owners()["apache"], modules=[])))).get("failed")
    ours = bare.sh("find /var/lib/apache2 /etc/apache2/mods-enabled /etc/apache2/sites-enabled ! -type d | sort")
    assert ours == theirs
    assert not bare.apply({"state": "removed"}).get("failed")
    assert bare.listing() == found


def test_back_to_the_previous_generation(host):
    before = host.generation()
    converges(host, TWO)
    result = host.apply({"state": "previous"})
    assert "evenkeel generation %s" % result["generation"] == before
    still_fine(host, before)


def test_event_instead_of_prefork_and_back(bare):
    bare.apply({"state": "removed"})
    bare.sh("a2dismod -q mpm_event; a2enmod -q mpm_prefork")
    bare.restart_service()
    found = bare.listing()
    try:
        count = None
        for point in [5, 9, 12, 14, 16, 18, 20, 24, 28][: max(2, KILLS // 2)]:
            bare.run("systemctl reset-failed apache2")
            result = bare.apply(ONE, KILL_AT=point)
            assert bare.run("apache2ctl -t")[0] == 0, bare.run("apache2ctl -t; ls -l /etc/apache2/mods-enabled/mpm*")
            assert bare.get()[0] == 200
            count = result or count
        converges(bare, ONE)
        assert bare.sh("apache2ctl -V | grep MPM").strip().endswith("event")
        for point in [2, 6, 10]:
            bare.run("systemctl reset-failed apache2")
            bare.apply({"state": "removed"}, KILL_AT=point)
            assert bare.run("apache2ctl -t")[0] == 0
        assert not bare.apply({"state": "removed"}).get("failed")
        assert bare.listing() == found
        bare.put("/etc/apache2/mods-enabled/php8.4.load", "# Depends: mpm_prefork\n")
        result = bare.apply(ONE)
        assert result.get("failed") and "php8.4 needs the prefork MPM" in result["msg"], result
    finally:
        bare.sh("rm -f /etc/apache2/mods-enabled/php8.4.load; a2dismod -q mpm_prefork; a2enmod -q -m mpm_event")
        bare.restart_service()


def test_remoteip_is_loaded_after_headers(bare):
    bare.apply({"state": "removed"})
    bare.sh("a2enmod -q remoteip")
    bare.restart_service()
    found = bare.listing()
    try:
        strip = (
            "RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 127.0.0.1\n"
            'RequestHeader edit* X-Forwarded-For "(\\d+\\.\\d+\\.\\d+\\.\\d+):\\d+" "$1" early\n'
            'Header always set X-Client "expr=%{REMOTE_ADDR}"\n'
        )
        wanted = {"owners": {"alb": {"modules": ["headers", "remoteip"], "fragments": {"strip": strip}}}}
        assert not bare.apply(wanted).get("failed")
        assert "X-Client: 203.0.113.9" in bare.sh("curl -sI -H 'X-Forwarded-For: 203.0.113.9:4711' http://127.0.0.1/")
        assert bare.apply(wanted)["changed"] is False
        assert not bare.apply({"state": "removed"}).get("failed")
        assert bare.listing() == found
    finally:
        bare.sh("a2dismod -q remoteip; rm -f /var/lib/apache2/module/*/remoteip")


# --- check mode ------------------------------------------------------------------------------------------------------------------


def test_check_mode_tests_and_touches_nothing(host):
    found, generation = host.listing(), host.generation()
    result = host.apply(dict(TWO, check_mode=True))
    assert result["changed"] and result["action"] == "restart", result
    assert "switches" in [entry["after_header"] for entry in result["diff"]]
    assert host.apply(dict(request(), check_mode=True))["changed"] is False
    assert host.apply(dict(request(fragments={"bad": "Nonsense On\n"}), check_mode=True)).get("failed")
    missing = host.apply(dict(request(fragments={"later": "WSGIDaemonProcess later user=later\n"}), check_mode=True))
    assert missing["changed"] and "bad user name" in missing["warnings"][0], missing
    assert host.apply({"state": "removed", "check_mode": True})["changed"] is True
    assert (host.listing(), host.generation()) == (found, generation)


def test_check_mode_on_a_host_without_apache(host):
    nowhere = {"binary": "/nonexistent"}
    result = host.apply(dict(request(), check_mode=True, layout=nowhere))
    assert result["changed"] and result["warnings"] == ["not tested: Apache is not installed"], result
    assert "Apache is not installed" in host.apply(dict(request(), layout=nowhere))["msg"]
