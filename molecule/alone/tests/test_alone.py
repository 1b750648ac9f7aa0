# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each role brings when it is used alone, asked of the running host."""

from __future__ import annotations

import json
import re
import typing as t

import pytest


def client(host: t.Any, name: str, *headers: str) -> dict[str, t.Any]:
    """What the application under /sub says of its client."""
    given = " ".join(f"-H '{header}'" for header in (f"Host: {name}", *headers))
    return json.loads(host.check_output(f"curl --fail --silent {given} http://127.0.0.1/sub/client"))


@pytest.mark.parametrize("name", ["shop.example.org", "www.example.org"])
def test_the_application_answers_under_its_mount_point(host: t.Any, name: str) -> None:
    assert client(host, name)["process_group"] == "shop-blue"


def test_outside_the_mount_point_there_is_nothing(host: t.Any) -> None:
    assert host.check_output("curl -s -o /dev/null -w '%{http_code}' -H 'Host: shop.example.org' http://127.0.0.1/client") == "404"


def test_an_application_that_is_not_thread_safe_has_one_thread_per_process(host: t.Any) -> None:
    evaluated = host.check_output("cat /etc/apache2/evenkeel/generations/*/mod_wsgi_daemon-daemons.conf")
    assert " threads=1 " in re.findall(r"^WSGIDaemonProcess shop-blue .*", evaluated, re.MULTILINE)[-1]
    processes = host.check_output("pgrep --count --full '^blue:shop '")
    assert int(processes) >= 2


def test_no_header_is_believed(host: t.Any) -> None:
    seen = client(host, "shop.example.org", "X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https")
    assert (seen["remote_addr"], seen["url_scheme"], seen["x_forwarded_for"]) == ("127.0.0.1", "http", None)


def test_the_text_log_has_milliseconds(host: t.Any) -> None:
    host.check_output("curl -s -H 'Host: shop.example.org' 'http://127.0.0.1/sub/wait?ms=120'")
    (line,) = [line for line in host.file("/var/log/apache2/evenkeel/access.log").content_string.splitlines() if "/sub/wait?ms=120" in line][-1:]
    assert 120 <= int(line.rsplit(" ", 1)[1]) < 2000


def test_the_distributions_logrotate_has_nothing_to_reload_for(host: t.Any) -> None:
    """Its daily reload ends requests over 3 s. It happens when a log in /var/log/apache2 is not empty; ours lie below."""
    before = host.check_output("stat -c '%n %s' /var/log/apache2/*.log")
    host.check_output("curl -s http://127.0.0.1/nothing-here && systemctl reload apache2 && sleep 1 && curl -s http://127.0.0.1/nothing-here")
    assert host.check_output("stat -c '%n %s' /var/log/apache2/*.log") == before


def test_every_role_kept_what_the_others_brought(host: t.Any) -> None:
    generation = host.check_output("curl -s http://127.0.0.1:8090/generation").split()[-1]
    owners = {name.split("-")[0] for name in host.file(f"/etc/apache2/evenkeel/generations/{generation}").listdir() if name.endswith(".conf")}
    assert owners == {"000", "apache_event", "mod_wsgi_daemon", "remoteip_alb"}
