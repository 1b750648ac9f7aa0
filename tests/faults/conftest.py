# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real systemd host in a container, on which things go wrong.

EVENKEEL_IMAGE (default evenkeel-host:trixie) is a Debian image with systemd; Apache is installed here if the image lacks it.
EVENKEEL_KILLS (default 8; 50 with EVENKEEL_FULL) is the number of instants at which a run is killed.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from . import site

ROOT = Path(__file__).resolve().parents[2]
IMAGE = os.environ.get("EVENKEEL_IMAGE", "evenkeel-host:trixie")
PREFIX = os.environ.get("EVENKEEL_PREFIX", "evenkeel-faults")  # script/test removes what has its prefix
CERTIFICATES = os.environ.get("PIP_CERT", "/etc/ssl/certs/ca-certificates.crt")
RUN = [
    "--cap-add",
    "SYS_ADMIN",
    "--cap-add",
    "NET_ADMIN",
    "--security-opt",
    "seccomp=unconfined",
    "--security-opt",
    "apparmor=unconfined",
    "--tmpfs",
    "/run:exec",
    "--tmpfs",
    "/run/lock",
    "--tmpfs",
    "/tmp:exec",
    "-v",
    "/sys/fs/cgroup:/sys/fs/cgroup:rw",
    "--cgroupns",
    "host",
    "-v",
    CERTIFICATES + ":/etc/testbed-ca.crt:ro",
    "-e",
    "container=docker",
]
CODE = "/opt/evenkeel/ansible_collections/evenkeel/wsgi/plugins"


class Host:
    """One container."""

    def __init__(self, name):
        self.name = name

    def run(self, command, **environment):
        """(exit code, output) of a shell command."""
        flags = [flag for key, value in environment.items() for flag in ("-e", "%s=%s" % (key, value))]
        done = subprocess.run(["docker", "exec", *flags, self.name, "sh", "-c", command], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def sh(self, command):
        """Output of a shell command that must succeed."""
        code, text = self.run(command)
        assert code == 0, "%s\n%s" % (command, text)
        return text

    def put(self, path, text):
        subprocess.run(["docker", "exec", "-i", self.name, "sh", "-c", "mkdir -p $(dirname %s); cat > %s" % (path, path)], input=text, text=True, check=True)

    def start(self, request, prefix="", **environment):
        """The module's code as a process of the host, not waited for."""
        flags = [flag for key, value in environment.items() for flag in ("-e", "%s=%s" % (key, value))]
        command = ["docker", "exec", *flags, self.name, *prefix.split(), "python3", "/opt/evenkeel/driver.py", json.dumps(request)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def apply(self, request, prefix="", **environment):
        """Run it; its result, or None if it was killed."""
        out, err = self.start(request, prefix, **environment).communicate()
        assert out or not err, err
        return json.loads(out) if out else None

    def get(self, path="/", port=80, patience=10.0):
        """(status, body), tried until the server answers."""
        deadline = time.monotonic() + patience
        while True:
            fetch = "curl -s -m 5 -o /tmp/body -w %%{http_code} http://127.0.0.1:%d%s" % (port, path)
            code, text = self.run(fetch + " && echo && cat /tmp/body")
            if code == 0 or time.monotonic() > deadline:
                status, _newline, body = text.partition("\n")
                return (int(status) if status.isdigit() else 0), body
            time.sleep(0.1)

    def generation(self):
        """What the running server says."""
        return self.get("/generation", 8090)[1].strip()

    def listing(self):
        """Everything of the distribution's configuration and markers, with link targets and checksums."""
        return self.sh(
            "find /etc/apache2 /var/lib/apache2 /etc/systemd/system ! -type d -printf '%p %l %m %u\\n' | sort; find /etc/apache2 -type f | sort | xargs md5sum"
        )

    def restart_service(self):
        self.sh("systemctl reset-failed apache2; systemctl restart apache2")

    def reboot(self):
        subprocess.run(["docker", "restart", "-t", "5", self.name], check=True, capture_output=True)
        self.wait()

    def wait(self):
        for _attempt in range(400):
            if self.run("systemctl is-system-running")[1].strip() in ("running", "degraded"):
                return
            time.sleep(0.2)
        raise AssertionError(self.run("systemctl list-jobs")[1])


@pytest.fixture(scope="session")
def bare():
    """A host with the distribution's Apache as its packages leave it, and our code."""
    name = "%s-%s" % (PREFIX, uuid.uuid4().hex[:8])
    subprocess.run(["docker", "run", "-d", "--name", name, *RUN, IMAGE], check=True, capture_output=True)
    try:
        host = Host(name)
        host.wait()
        if host.run("test -x /usr/sbin/apache2 -a -e /etc/apache2/mods-available/wsgi.load && which curl openssl")[0]:
            install = "apt-get install -q -y apache2 libapache2-mod-wsgi-py3 curl openssl"
            host.sh("export DEBIAN_FRONTEND=noninteractive; %s || (apt-get update -q && %s)" % (install, install))
        host.sh("mkdir -p %s/module_utils" % CODE)
        code = ("plugins/module_utils/_apache_config", CODE + "/module_utils/")
        for source, target in (code, ("tests/faults/driver.py", "/opt/evenkeel/")):
            subprocess.run(["docker", "cp", "-q", str(ROOT / source), name + ":" + target], check=True)
        host.put("/srv/shop/app.py", site.WSGI)
        yield host
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", name], check=False, capture_output=True)


@pytest.fixture
def host(bare):
    """The host with the site applied and proven."""
    bare.run("systemctl reset-failed apache2")
    result = bare.apply(site.request())
    assert not result.get("failed"), result
    assert bare.get()[1].startswith("served by shop")
    return bare


def pytest_collection_modifyitems(config, items):
    """Leave out what a test's marks `only` and `short` exclude for its supervisor; pytest counts it as deselected."""
    names = ["only"] if os.environ.get("EVENKEEL_FULL") else ["only", "short"]
    out = [item for item in items for name in names for mark in item.iter_markers(name) if item.callspec.params["shop"] != mark.args[0]]
    config.hook.pytest_deselected(items=out)
    items[:] = [item for item in items if item not in out]
