# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config import configtest

# Printed by Apache 2.4.71 for -t -D DUMP_CONFIG -D DUMP_MODULES, cut down.
DUMP = """\
# In file: /etc/apache2/apache2.conf
#  87:
PidFile /var/run/apache2/apache2.pid
# 134:
ErrorLog /var/log/apache2/error.log
# In file: /etc/apache2/mods-enabled/mpm_event.conf
#  12:
ThreadsPerChild 25
# In file: /etc/apache2/ports.conf
#   5:
Listen 80
# In file: /etc/apache2/evenkeel/generations/1/a-mpm.conf
#   1:
ThreadsPerChild 30
#   2:
ServerLimit 4
#   3:
Listen 127.0.0.1:8090
<VirtualHost *:80>
  #   4:
  ErrorLog /var/log/apache2/other.log
</VirtualHost>
Loaded Modules:
 core_module (static)
 info_module (shared)
 status_module (shared)
"""


def test_the_last_directive_of_the_main_server_wins():
    assert configtest.evaluate(DUMP) == {
        "PidFile": "/var/run/apache2/apache2.pid",
        "ErrorLog": "/var/log/apache2/error.log",
        "ThreadsPerChild": "30",
        "ServerLimit": "4",
        "Listen": ["80", "127.0.0.1:8090"],
        "modules": ["core_module", "status_module"],
    }


def test_messages_are_shown_once_without_noise():
    text = (
        "AH00558: apache2: Could not reliably determine the server's fully qualified domain name, using 172.17.0.8.\n"
        "[Sun Nov 22 03:00:00.000001 2026] [so:warn] [pid 1:tid 2] AH01574: module info_module is already loaded, skipping\n"
        "[Sun Nov 22 03:00:00.000001 2026] [so:warn] [pid 1:tid 2] AH01574: module wsgi_module is already loaded, skipping\n"
        "[Sun Nov 22 03:00:00.000009 2026] [so:warn] [pid 1:tid 2] AH01574: module wsgi_module is already loaded, skipping\n"
        "Syntax OK\n"
    )
    lines = configtest.messages(text)
    assert lines == ["AH01574: module wsgi_module is already loaded, skipping"]
    assert configtest.fatal_warnings(lines) == lines


def test_offender():
    assert configtest.offender("AH00526: Syntax error on line 2 of /etc/apache2/x.conf:\nInvalid command") == ("/etc/apache2/x.conf", 2)
    assert configtest.offender("RemoteIP: error at line 7 of /etc/apache2/proxies.lst") == ("/etc/apache2/proxies.lst", 7)
    assert configtest.offender("AH00534: More than one MPM loaded") == (None, None)


BASE = {"ServerLimit": "4", "ThreadLimit": "30", "Listen": ["80", "127.0.0.1:8090"], "modules": ["core_module"], "MaxRequestWorkers": "60"}


@pytest.mark.parametrize(
    ("change", "restarts"),
    [
        ({}, False),
        ({"MaxRequestWorkers": "90"}, False),
        ({"Listen": ["80", "127.0.0.1:8090", "81"]}, False),
        ({"Listen": ["127.0.0.1:8090"]}, False),
        ({"Listen": ["127.0.0.1:80", "127.0.0.1:8090"]}, True),
        ({"Listen": ["0.0.0.0:80", "127.0.0.1:8090"]}, False),
        ({"ServerLimit": "5"}, True),
        ({"ThreadLimit": "31"}, True),
        ({"ListenBacklog": "1024"}, True),
        ({"modules": ["core_module", "ssl_module"]}, True),
    ],
)
def test_why_restart(change, restarts):
    assert bool(configtest.why_restart(BASE, dict(BASE, **change))) is restarts


@pytest.mark.parametrize(
    ("listen", "place"),
    [("80", ("", 80)), ("*:80", ("", 80)), ("0.0.0.0:80", ("", 80)), ("[::]:80", ("", 80)), ("[::1]:8090", ("::1", 8090)), ("10.0.0.1:443", ("10.0.0.1", 443))],
)
def test_address(listen, place):
    assert configtest.address(listen) == place
