# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The site that apache_config's faults are tried on, and what must be true after each."""

from __future__ import annotations

import os

KILLS = int(os.environ.get("EVENKEEL_KILLS", "50" if os.environ.get("EVENKEEL_FULL") else "8"))
WSGI = """\
import os
def application(environ, start_response):
    group = environ["mod_wsgi.process_group"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("served by %s as %d\\n" % (group, os.geteuid())).encode()]
"""


def owners(workers=60, servers=4, disable=True, tasks=900, **fragments):
    """A small but real site: event MPM, one daemon group, its virtual host."""
    site = """\
        WSGIRestrictEmbedded On
        WSGIDaemonProcess shop threads=3 display-name=%{GROUP}
        <VirtualHost *:80>
            ServerName shop.test
            WSGIScriptAlias / /srv/shop/app.py process-group=shop application-group=%{GLOBAL}
            <Directory /srv/shop>
                Require all granted
            </Directory>
        </VirtualHost>
    """
    limits = ["ServerName localhost", "ServerLimit %d" % servers, "ThreadLimit 30", "ThreadsPerChild 15", "MaxRequestWorkers %d" % workers]
    return {
        "apache": {
            "modules": ["mpm_event", "headers"],
            "fragments": {"mpm": "\n".join([*limits, "StartServers 1"])},
            "disable": {"modules": ["status"]},
            "drop_ins": {"limits": "[Service]\nTasksMax=%d\n" % tasks},
        },
        "shop": {"modules": ["wsgi"], "fragments": dict({"site": site}, **fragments), "disable": {"sites": ["000-default"] if disable else []}},
    }


PROBES = [{"url": "http://127.0.0.1/", "host": "shop.test", "contains": "served by shop"}]


def request(workers=60, probes=None, **more):
    parts = {key: more.pop(key) for key in list(more) if key in ("servers", "disable", "tasks")}
    fragments = more.pop("fragments", {})
    return dict(
        {
            "owners": owners(workers, **parts, **fragments),
            "probes": probes or PROBES,
            "timeout": 15,
            "expect": {"MaxRequestWorkers": workers, "ThreadsPerChild": 15},
        },
        **more,
    )


def still_fine(host, before):
    """After a fault: the same generation answers, also after a restart, and the next run is content."""
    assert host.generation() == before
    assert host.get()[0] == 200
    host.restart_service()
    assert host.generation() == before
    assert host.get()[1].startswith("served by shop")
    converges(host, request())


def converges(host, wanted):
    host.run("systemctl reset-failed apache2")
    result = host.apply(wanted)
    assert not result.get("failed"), result
    assert host.generation() == "evenkeel generation %s" % result["generation"]
    assert host.get()[1].startswith("served by shop")
    again = host.apply(wanted)
    assert not again["changed"], again
    assert host.run("pgrep -f '[D]FOREGROUND'")[0] == 1, "a rehearsed Apache was left behind"
    leftovers = "find /etc/apache2 /etc/systemd/system -name '.new-*' -o -name '.evenkeel-*' -o -name pending.json"
    assert host.sh(leftovers) == ""
