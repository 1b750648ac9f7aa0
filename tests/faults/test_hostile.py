# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No text in an application's variables can become a directive or break the configuration. Asked of a real `apache2 -t`.

Each example puts one text into one variable. Either the role refuses it, naming the variable, or Apache reads exactly the directives that
it reads for a harmless text. The fragments come from the role's own templates and filters (tests/render.py).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import uuid

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils._applications import PATTERNS, ApplicationError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.render import fragments

from .conftest import IMAGE, PREFIX, RUN, Host

EXAMPLES = 1000 if os.environ.get("EVENKEEL_FULL") else 80
SHOP = {
    "name": "shop",
    "server_name": "shop.example.org",
    "server_aliases": ["www.example.org"],
    "directory": "/srv/shop",
    "wsgi_script": "shop/wsgi.py",
    "mount_point": "/app",
    "static": {"/app/static/": "static"},
    "media": {"/app/media/": "media"},
    "slow_routes": [{"name": "slow", "path": "/slow"}],
    "certificate": "/etc/ssl/one.crt",
    "certificate_key": "/etc/ssl/one.key",
    "pass_authorization": True,
    "options": {"locale": "C.UTF-8"},
}
# Where a text can be put, and the pattern that decides about it.
PLACES = {
    "name": ("name", lambda text: {"name": text}),
    "user": ("user", lambda text: {"user": text}),
    "group": ("group", lambda text: {"group": text}),
    "server_name": ("server_name", lambda text: {"server_name": text}),
    "server_aliases": ("server_aliases", lambda text: {"server_aliases": [text]}),
    "directory": ("directory", lambda text: {"directory": text}),
    "wsgi_script": ("wsgi_script", lambda text: {"wsgi_script": text}),
    "mount_point": ("mount_point", lambda text: {"mount_point": text, "static": {}, "media": {}}),
    "static url": ("url", lambda text: {"static": {text: "static"}}),
    "static path": ("static path", lambda text: {"static": {"/app/static/": text}}),
    "media url": ("url", lambda text: {"media": {text: "media"}}),
    "media folder": ("folder", lambda text: {"media": {"/app/media/": text}}),
    "slow route": ("slow_routes path", lambda text: {"slow_routes": [{"name": "slow", "path": text}]}),
    "slow route name": ("name", lambda text: {"slow_routes": [{"name": text, "path": "/slow"}]}),
    "certificate": ("certificate", lambda text: {"certificate": text}),
    "certificate_key": ("certificate_key", lambda text: {"certificate_key": text}),
    "requirements": ("requirements", lambda text: {"requirements": text}),
    "health_path": ("health_path", lambda text: {"health_path": text}),
    "python": ("python", lambda text: {"python": text}),
    "options value": ("name", lambda text: {"options": {"locale": text}}),
    "options name": ("name", lambda text: {"options": {text: "1"}}),
    "environment": ("environment", lambda text: {"environment": {"A": text, text: "1"}}),
}
NASTY = [
    '"', "'", "\\", "\n", "\r\n", "\0", "\t", " ", "%{GLOBAL}", "%{ENV:PATH}", "${APACHE_RUN_USER}", "$1", "<", ">", "</VirtualHost>", "#", "\\\n",
    "\nInclude /etc/passwd\n", '"\nLoadModule x_module /tmp/x.so\n"', '" user=root "', " user=root", "</Directory>\nRequire all granted", "é", "\u2028",
    "{{ 7*7 }}", "{% raw %}", "..", "/../", "a" * 1000, "/" + "a" * 999, "/a" * 500, "=", "*", "^(a+)+$", "[E=X:y]", "-",
]  # fmt: skip
TEXT = st.one_of(
    st.text(max_size=60),
    st.sampled_from(NASTY),
    st.lists(st.one_of(st.sampled_from(NASTY), st.sampled_from(["shop", "/shop", "a.example.org", "/a/b"])), min_size=2, max_size=4).map("".join),
)
SERVER = """
ServerRoot /tmp/hostile
ServerName localhost
PidFile pid
ErrorLog error.log
User www-data
Group www-data
{modules}
Listen 80
Include /tmp/hostile/case.conf
"""
MODULES = "mpm_event authz_core alias dir env headers rewrite setenvif mime socache_shmcb ssl deflate filter info wsgi"
# Runs in the container: a line of JSON in (fragments, paths, accounts), a line of JSON out: exit code and the directives that Apache read.
READER = """
import json, os, re, shutil, subprocess, sys
def place(path, text):
    parts = path.strip("/").split("/")
    for depth in range(1, len(parts) + 1):  # what an earlier case made is in the way
        above = "/" + "/".join(parts[:depth])
        if depth < len(parts) and os.path.isfile(above):
            os.unlink(above)
        elif depth == len(parts) and os.path.isdir(above):
            shutil.rmtree(above)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w").write(text)
for case in map(json.loads, sys.stdin):
    with open("/tmp/hostile/case.conf", "w") as stream:
        stream.write(case["text"])
    for path in re.findall(r'"txt:(.*?)"', case["text"]) + case["certificates"]:
        place(path, "active blue\\n")
    for name in case["accounts"]:
        for database, line in (("passwd", "%s:x:4000:4000::/:/bin/false"), ("group", "%s:x:4000:")):
            text = open("/etc/" + database).read()
            if not re.search("^%s:" % re.escape(name), text, re.M):
                open("/etc/" + database, "a").write(line % name + "\\n")
    done = subprocess.run(["apache2", "-f", "/tmp/hostile/server.conf", "-t", "-D", "DUMP_CONFIG"], capture_output=True, text=True, errors="replace")
    print(json.dumps({"code": done.returncode, "error": done.stderr, "read": done.stdout}), flush=True)
"""


def directives(read):
    """The names of what Apache read, in order, without comments."""
    return [line.split()[0] for line in read.splitlines() if line.strip() and not line.lstrip().startswith("#")]


class Reader:
    """A real Apache that reads configurations."""

    def __init__(self, host):
        modules = "\n".join("LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so" % (name, name) for name in MODULES.split())
        host.put("/tmp/hostile/server.conf", SERVER.format(modules=modules))
        host.put("/opt/reader.py", READER)
        command = ["docker", "exec", "-i", host.name, "python3", "/opt/reader.py"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def read(self, application):
        """(exit code, Apache's words, directives' names); raises what the role refuses with."""
        texts = fragments([application])
        accounts = [application["name"], application.get("user", application["name"]), application.get("group", application["name"])]
        case = {"text": "\n".join(texts.values()), "certificates": [application["certificate"], application["certificate_key"]], "accounts": accounts}
        self.process.stdin.write(json.dumps(case) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["code"], answer["error"], directives(answer["read"])


@pytest.fixture(scope="module")
def reader():
    name = "%s-hostile-%s" % (PREFIX, uuid.uuid4().hex[:8])
    subprocess.run(["docker", "run", "-d", "--name", name, *RUN, IMAGE], check=True, capture_output=True)
    try:
        host = Host(name)
        host.wait()
        install = "apt-get install -q -y --no-install-recommends apache2 libapache2-mod-wsgi-py3"
        host.sh("export DEBIAN_FRONTEND=noninteractive; %s || (apt-get update -q && %s)" % (install, install))
        started = Reader(host)
        yield started
        started.process.stdin.close()
        started.process.wait()
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", name], check=False, capture_output=True)


@pytest.fixture(scope="module")
def harmless(reader):
    """What Apache reads for harmless texts: once with files, once for the place that leaves them out."""
    read = {}
    for change in ({}, {"static": {}, "media": {}}):
        code, error, names = reader.read({**SHOP, **change})
        assert code == 0, error
        read[len(change)] = names
    assert "WSGIDaemonProcess" in read[0] and "SSLEngine" in read[0]
    return read


def holds(reader, harmless, place, text):
    """Refused with the variable's name, or read as the harmless one; returns which."""
    change = PLACES[place][1](text)
    try:
        code, error, names = reader.read({**SHOP, **change})
    except (ApplicationError, CapacityError) as exc:  # preflight's own; an error while rendering would come when the host was touched already
        assert re.search(r"^mod_wsgi_daemon_applications|^\S+: options\.", str(exc)), exc
        return "refused"
    assert code == 0, (place, text, error)
    wanted = harmless[2] if "media" in change and "static" in change else harmless[0]
    assert names == wanted, (place, text, set(names) ^ set(wanted))
    return "read"


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(place=st.sampled_from(sorted(PLACES)), text=TEXT)
@example(place="slow route", text='/a">\nInclude /etc/passwd\n<Location "/b')
@example(place="options value", text='C" user=root "')
@example(place="options value", text="${APACHE_RUN_USER}")
@example(place="directory", text="/srv/" + "a" * 1000)
def test_hostile_text(reader, harmless, place, text):
    holds(reader, harmless, place, text)


@settings(max_examples=EXAMPLES // 2, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data(), place=st.sampled_from(sorted(PLACES)))
def test_every_text_that_a_pattern_allows(reader, harmless, data, place):
    """The other side: whatever the patterns let in, to their full length, is read by Apache as one harmless word."""
    text = data.draw(st.from_regex(r"\A(?:%s)\Z" % PATTERNS[PLACES[place][0]][0], fullmatch=True))
    holds(reader, harmless, place, text)
