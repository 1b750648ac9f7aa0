# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploys on a real host under a constant load: good releases, broken ones, runs that are killed, the way back, and Celery's turn.

The tests run in the order of the file, on one host, with one small application that the web and a Celery node share. Playbooks are run
where they are what is tested; else the module's own code, on releases that are copies of a built one.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
import uuid

import pytest

from .conftest import IMAGE, PREFIX, ROOT, RUN, Host
from .site import KILLS

CODE = "/opt/evenkeel/ansible_collections/evenkeel/wsgi/plugins/module_utils"
APP = """\
import os, time, urllib.parse
import settings
def application(environ, start_response):
    path, query = environ["PATH_INFO"], urllib.parse.parse_qs(environ["QUERY_STRING"])
    time.sleep(float(query.get("wait", ["0"])[0]))
    status = "500 Internal Server Error" if path == "/healthz" and not settings.HEALTHY else "200 OK"
    start_response(status, [("Content-Type", "text/plain")])
    return [("%s by %s with %s" % (settings.VERSION, os.getpid(), os.environ["COLOUR"])).encode()]
"""
TASKS = """\
from celery import Celery
app = Celery("tasks")
"""
APPLICATION = {
    "name": "tiny",
    "server_name": "tiny.test",
    "wsgi_script": "app.py",
    "health_path": "/healthz",
    "static": {"/static/": "collected"},
    "longest_request_s": 10,
    "requests_per_second": 10,
    "target_p99_ms": 30000,
    "processes": 2,
    "threads": 6,
    "hooks": {"before": [["python", "-c", "import settings; open('collected/version.txt', 'w').write(settings.VERSION)"]]},
}
CELERY = {
    "name": "tiny",
    "app": "tasks",
    "directory": "/srv/tiny/current",
    "virtualenv": "/srv/tiny/current/venv",
    "broker_url": "redis://127.0.0.1:6379/0",
    "nodes": [{"name": "one", "queues": ["Q1"], "autoscale": {"max": 1, "min": 1}, "time_limit": 20}],
}


# What the module does once its release is built, as a bare process; it dies before its n-th change of a file or its n-th signal.
DRIVER = """\
import json, os, signal, sys
sys.path.insert(0, "/opt/evenkeel")
from ansible_collections.evenkeel.wsgi.plugins.module_utils._deploy import daemons, options, sequence
from ansible_collections.evenkeel.wsgi.plugins.module_utils._release import ReleaseError
parameters, last, done, kill = json.loads(sys.argv[1]), int(sys.argv[2]), 0, os.kill
def wrapped(function):
    def call(*arguments, **keywords):
        global done
        if done == last:
            kill(os.getpid(), signal.SIGKILL)
        done += 1
        return function(*arguments, **keywords)
    return call
for name in ("rename", "unlink", "symlink"):
    setattr(os, name, wrapped(getattr(os, name)))
daemons.tell = wrapped(daemons.tell)
try:
    steps = sequence.Deploy(options.target(parameters, False)).run(options.wanted_load(parameters, parameters["path"])).steps
    print(json.dumps({"steps": steps, "changes": done}))
except ReleaseError as exc:
    print(json.dumps({"failed": str(exc)}))
"""
PARAMETERS = {
    "state": "deployed", "directory": "/srv/tiny", "user": "tiny", "group": "tiny", "script": "app.py", "archive": "built", "packages": [],
    "secrets": {}, "slots": ["blue", "green"], "groups": [{"name": "tiny", "processes": 2, "threads": 6, "drain": 15}], "hooks": {}, "writable": [],
    "python_version": None, "service": "apache2.service", "force": False,
    "probe": {"address": "127.0.0.1:8091", "host": "tiny.test", "path": "/healthz", "strict": True},
}  # fmt: skip


class Tiny(Host):
    """A host with the application, and what is done to it."""

    def __init__(self, name, folder):
        super().__init__(name)
        self.folder = folder
        (folder / "ansible_collections/evenkeel").mkdir(parents=True)
        (folder / "ansible_collections/evenkeel/wsgi").symlink_to(ROOT)

    def pack(self, version, healthy=True, app=APP):
        """Make the archive another release."""
        files = {"app.py": app, "tasks.py": TASKS, "requirements.txt": "celery[redis]\n", "settings.py": f"VERSION, HEALTHY = {version!r}, {healthy}\n"}
        for name, text in files.items():
            (self.folder / name).write_text(text)
        with tarfile.open(self.folder / "tiny.tar.gz", "w:gz") as tar:
            for name in files:
                tar.add(self.folder / name, name)

    def play(self, playbook, *flags, **more):
        """Run one of the collection's playbooks; (exit code, output)."""
        application = {**APPLICATION, "archive": str(self.folder / "tiny.tar.gz"), "environment": {"COLOUR": "first"}, **more}
        variables = {
            "mod_wsgi_daemon_applications": [application],
            "celery_multi_applications": [CELERY],
            "remoteip_alb_networks": ["10.77.0.0/16"],
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        command = ["ansible-playbook", "-i", f"{self.name},", "-c", "community.docker.docker", "-e", json.dumps(variables), *flags, f"evenkeel.wsgi.{playbook}"]
        environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(self.folder), "ANSIBLE_PIPELINING": "true", "ANSIBLE_NOCOLOR": "true"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        return done.returncode, done.stdout + done.stderr

    def must(self, playbook, *flags, **more):
        code, output = self.play(playbook, *flags, **more)
        assert code == 0, "\n".join(output.splitlines()[-40:])
        return output

    def copy(self, version, healthy=True, app=APP):
        """A release that is a copy of the one that serves, with other files; its folder."""
        path = f"/srv/tiny/releases/{version}"
        self.sh(f"rm -rf {path}; cp -a $(readlink -f /srv/tiny/current) {path}")
        self.put(f"{path}/settings.py", f"VERSION, HEALTHY = {version!r}, {healthy}\n")
        self.put(f"{path}/app.py", app)
        return path

    def switch(self, path, at=-1, colour="first", **more):
        """The module's own code from a built release on; its result, None when it was killed."""
        entry = self.sh("cat /srv/tiny/entry.wsgi")
        parameters = {**PARAMETERS, "path": path, "entry": entry, "environment": {"COLOUR": colour}, **more}
        command = ["docker", "exec", self.name, "python3", "/opt/evenkeel/driver.py", json.dumps(parameters), str(at)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 137), done.stderr
        return json.loads(done.stdout) if done.returncode == 0 else None

    @property
    def address(self):
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return subprocess.run(["docker", "inspect", "-f", form, self.name], check=True, capture_output=True, text=True).stdout.strip()

    def page(self, path="/"):
        return self.sh(f"curl -s -m 10 -H 'Host: tiny.test' 'http://127.0.0.1{path}'")

    def state(self):
        """What must not change when a deploy fails."""
        shown = "cat /srv/tiny/slots/active.map; readlink /srv/tiny/current /srv/tiny/slots/*/release; systemctl show -P MainPID celery@one apache2"
        return self.sh(shown)

    def generation(self):
        return self.sh("curl -s http://127.0.0.1:8090/generation; pgrep -o -u www-data apache2")


class Load:
    """tests/load.py while something happens."""

    def __init__(self, host, slow=True):
        self.log = host.folder / "load.jsonl"
        self.command = [sys.executable, str(ROOT / "tests/load.py"), "--address", host.address, "--host", "tiny.test", "--rate", "10"]
        self.command += [*(["--slow", "2:0.5", "--slow", "8:0.25"] if slow else []), "--slow-path", "/?wait={ms:.0f}e-3", "--log", str(self.log)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command)
        time.sleep(3)
        return self

    def __exit__(self, *_error):
        time.sleep(1)
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.rows = sorted((json.loads(line) for line in self.log.read_text().splitlines()), key=lambda row: row["begin"])

    @property
    def lost(self):
        return [row for row in self.rows if row["status"] != 200]

    def versions(self):
        """Versions in the order in which fast requests met them, without repetitions."""
        seen = [row["body"].split()[0] for row in self.rows if not row["kind"]]
        return [version for number, version in enumerate(seen) if number == 0 or seen[number - 1] != version]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    host = Tiny(f"{PREFIX}-{uuid.uuid4().hex[:8]}", tmp_path_factory.mktemp("deploy"))
    subprocess.run(["docker", "run", "-d", "--name", host.name, *RUN, IMAGE], check=True, capture_output=True)
    try:
        host.wait()
        host.pack("v0")
        host.must("site")
        host.sh(f"mkdir -p {CODE}")
        for name in ("_deploy", "_build.py", "_files.py", "_release.py"):
            subprocess.run(["docker", "cp", "-q", f"{ROOT}/plugins/module_utils/{name}", f"{host.name}:{CODE}/"], check=True)
        host.put("/opt/evenkeel/driver.py", DRIVER)
        yield host
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", host.name], check=False, capture_output=True)


def test_a_new_release_under_load(tiny):
    before, generation = tiny.state(), tiny.generation()
    assert tiny.page().startswith("v0") and tiny.page("/static/version.txt") == "v0"
    tiny.pack("v1")
    with Load(tiny) as load:
        output = tiny.must("deploy", "-vvv")
    assert load.lost == []
    assert load.versions() == ["v0", "v1"], "no request went back to the old release"
    assert {row["kind"] for row in load.rows} == {0.0, 2.0, 8.0}
    assert tiny.generation() == generation, "Apache was reloaded"
    assert len(re.findall(rf"^<{tiny.name}> EXEC .*python3", output, re.MULTILINE)) <= 8
    assert tiny.state() != before and tiny.page("/static/version.txt") == "v1"
    owner = tiny.sh("stat -c %U /srv/tiny/current/collected /srv/tiny/current/collected/version.txt /srv/tiny/current")
    assert set(owner.split()) == {"root"}, "what a hook made is root's afterwards"


def test_celery_follows_the_web(tiny):
    """The node runs the same release, and started after the requests were switched."""
    main = int(tiny.sh("systemctl show -P MainPID celery@one"))
    release = tiny.sh("readlink -f /srv/tiny/current").strip()
    assert release in tiny.sh(f"tr '\\0' ' ' </proc/{main}/cmdline")
    switched = float(tiny.sh("stat -c %.Y /srv/tiny/slots/active.map"))
    assert float(tiny.sh(f"stat -c %.Y /proc/{main}")) > switched


def test_the_same_again_changes_nothing(tiny):
    before = tiny.state()
    assert re.search(r"changed=0 ", tiny.must("deploy").splitlines()[-2])
    assert tiny.state() == before


@pytest.mark.parametrize(
    ("healthy", "app", "told"),
    [
        (True, "import os\nraise RuntimeError('no such table: orders')\n", "RuntimeError: no such table: orders"),
        (False, APP, "tiny-.* answered /healthz with 500 where 200 is wanted: broken by"),
    ],
    ids=["import", "health"],
)
def test_a_broken_release_never_gets_a_request(tiny, healthy, app, told):
    before = tiny.state()
    broken = tiny.copy("broken", healthy=healthy, app=app)
    with Load(tiny, slow=False) as load:
        result = tiny.switch(broken)
    assert re.search(told, result["failed"]), result
    assert load.lost == [] and load.versions() == ["v1"]
    assert tiny.state() == before


def test_a_hook_that_fails_leaves_the_old_release(tiny):
    before = tiny.state()
    result = tiny.switch(tiny.copy("v2"), hooks={"before": [["python", "-c", "import sys; sys.exit('migration 0042 failed')"]]})
    assert "migration 0042 failed" in result["failed"]
    assert tiny.state() == before


def test_the_way_back(tiny):
    """After broken deploys the other colour still holds what served before: it takes over at once, and Celery follows."""
    node = tiny.sh("systemctl show -P MainPID celery@one")
    with Load(tiny) as load:
        output = tiny.must("rollback_app", "-v")
    assert load.lost == [] and load.versions() == ["v1", "v0"]
    assert tiny.page("/static/version.txt") == "v0"
    assert '"steps": ["probe", "activate", "current"]' in output, "no process was started for it"
    assert tiny.sh("systemctl show -P MainPID celery@one") != node


def test_an_environment_variable_is_a_deploy_too(tiny):
    release = tiny.sh("readlink -f /srv/tiny/current").strip()
    with Load(tiny, slow=False) as load:
        assert "activate" in tiny.switch(release, colour="second")["steps"]
    assert load.lost == []
    assert tiny.page().endswith("with second")


def test_a_run_that_is_killed_leaves_a_host_that_serves(tiny):
    old, new = tiny.copy("old"), tiny.copy("new")
    assert "failed" not in tiny.switch(old)
    for release in (new, old):
        assert "failed" not in tiny.switch(release)
    changes = tiny.switch(new, force=True)["changes"]
    assert changes >= 8
    tiny.switch(old)
    with Load(tiny, slow=False) as load:
        for at in sorted({round(number * (changes - 1) / (KILLS - 1)) for number in range(KILLS)}):
            assert tiny.switch(new, at, force=True) is None, at
            assert tiny.page().split()[0] in ("old", "new"), at
            for wanted in (new, old):
                assert "failed" not in tiny.switch(wanted), at
                assert tiny.page().startswith(os.path.basename(wanted)), at
                assert tiny.sh("readlink -f /srv/tiny/current").strip() == wanted, at
    assert load.lost == []
    assert set(load.versions()) == {"old", "new"}


def test_celery_follows_also_when_a_hook_after_fails(tiny):
    """The run fails, and says why; but the web is at the new release already, so the workers must be too."""
    tiny.pack("v3")
    code, output = tiny.play("deploy", hooks={**APPLICATION["hooks"], "after": [["python", "-c", "import sys; sys.exit('no cache to warm')"]]})
    assert code == 2
    assert "no cache to warm" in output
    assert tiny.page().startswith("v3")
    main = tiny.sh("systemctl show -P MainPID celery@one").strip()
    assert tiny.sh("readlink -f /srv/tiny/current").strip() in tiny.sh(f"tr '\\0' ' ' </proc/{main}/cmdline")
