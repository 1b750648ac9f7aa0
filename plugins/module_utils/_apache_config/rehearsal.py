# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trying a state before it is live: the very switch, step by step, and a real start, in namespaces of their own.

The switch runs on a copy of Apache's directory mounted over it, so that messages name the final paths and the steps are the real ones.
After each step Apache reads the configuration: a run that is killed there must leave a server that starts. Then it is started for
real, on the same ports of a private network, because a configuration test skips what happens at a start (keys, sockets, logs).
"""

from __future__ import annotations

import os
import pwd
import resource
import shlex
import subprocess
import time
from contextlib import suppress

from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config import configtest, files, namespace, proof, service, store
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.errors import TestFailed

NEEDS_NETWORK = ("Name or service not known", "Temporary failure in name resolution", "Could not resolve host name")


def environment(layout):
    """The environment in which apachectl starts Apache: what envvars exports."""
    clean = {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "LANG": "C"}
    if not layout.envvars or not os.path.exists(layout.envvars):
        return clean
    script = 'set -a; . "$1" >&2; exec env -0'
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", layout.envvars],
        env=clean,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return dict(pair.split("=", 1) for pair in done.stdout.split("\0") if "=" in pair) or clean


def command(layout, env, *arguments):
    return [layout.binary, *shlex.split(env.get("APACHE_ARGUMENTS", "")), *arguments]


def config_test(layout, env, dump=True):
    """(passed, messages, evaluated settings) of what lies in Apache's directory now."""
    module = os.path.join(layout.modules_dir, "mod_info.so")
    arguments = ["-t"]
    if dump and os.path.exists(module):
        arguments += ["-C", "LoadModule %s %s" % (configtest.PROBE, module), "-D", "DUMP_CONFIG", "-D", "DUMP_MODULES"]
    try:
        done = subprocess.run(
            command(layout, env, *arguments),
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, ["%s -t did not end within 60 s" % layout.binary], {}
    settings = configtest.evaluate(done.stdout) if done.returncode == 0 and len(arguments) > 1 else {}
    return done.returncode == 0, configtest.messages(done.stderr), settings


def described(lines, what):
    """The complaint as one message with the offending place, ready to raise."""
    text = "\n".join(lines) or "no message"
    path, number = configtest.offender(text)
    details = {"apache": lines}
    if path:
        source = (files.read_text(path) or "").splitlines()
        line = source[number - 1].strip() if 0 < number <= len(source) else ""
        details["offender"] = {"path": path, "line": number, "text": line}
        text += "\n%s:%d: %s" % (path, number, line)
    return TestFailed("%s: %s" % (what, text), **details)


def try_state(layout, state, start, timeout, off_first=False):
    """Test a state and, if ``start``, rehearse it. Returns a dict of what was learnt; raises TestFailed with Apache's message.

    Keys: before_ok, before (evaluated settings now on disk), before_messages, settings (of the new state), warnings, gaps (steps after
    which Apache would not start), started (None if that could not be tried), why_not_started.
    """
    addresses = namespace.host_addresses() if start else []
    return namespace.call(lambda: inside(layout, state, start, timeout, off_first, addresses), timeout * 2 + 60)


def inside(layout, state, start, timeout, off_first, addresses):
    env = environment(layout)
    namespace.private_copy(layout.server_root)
    if layout.markers and os.path.isdir(layout.markers):
        namespace.private_copy(layout.markers)
    learnt = {"gaps": [], "started": None, "why_not_started": ""}
    learnt["before_ok"], learnt["before_messages"], learnt["before"] = config_test(layout, env)

    if state.number is not None and not os.path.isdir(layout.generation(state.number)):
        store.write_generation(layout, state)
    last = []

    def after_step(name):
        last[:] = config_test(layout, env)
        if not last[0]:
            learnt["gaps"].append({"step": name, "messages": last[1]})

    store.switch(layout, state, off_first, drop_ins=False, after_step=after_step)
    passed, lines, learnt["settings"] = last or config_test(layout, env)
    if not passed:
        raise described(lines, "Apache refuses the configuration")
    learnt["gaps"] = [gap for gap in learnt["gaps"] if learnt["before_ok"]]
    refuse_warnings(lines, "Apache accepts the configuration but would not run it as written")
    learnt["warnings"] = lines
    if start:
        rehearse(layout, state, env, learnt, timeout, addresses)
    return learnt


def refuse_warnings(lines, what):
    fatal = configtest.fatal_warnings(lines)
    if fatal:
        raise described(fatal, what)


def rehearse(layout, state, env, learnt, timeout, addresses):
    """Start Apache on the copy, in a private network, until it serves."""
    for path in ("/run", "/var/log"):
        namespace.private_skeleton(path)
    try:
        namespace.private_network(addresses)
    except namespace.Impossible as exc:
        learnt["why_not_started"] = str(exc)
        return
    make_run_dirs(layout, env)
    output = "/run/evenkeel-rehearsal"
    with open(output, "wb") as stream:
        process = subprocess.Popen(  # pylint: disable=consider-using-with  # it dies with its namespace
            command(layout, env, "-DFOREGROUND", "-DEVENKEEL_REHEARSAL"), env=env, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, preexec_fn=open_files
        )

    def complaint():
        if process.poll() is not None:
            return "Apache ended with exit code %s while it started" % process.returncode
        return silent(state, learnt["settings"])

    left = proof.wait_until(lambda: None if process.poll() is not None else complaint(), time.monotonic() + timeout)
    left = left or complaint()
    lines = configtest.messages("\n".join(files.read_text(path) or "" for path in [output, *sorted(service.error_logs(layout, learnt["settings"]))]))
    if left:
        if any(needle in line for needle in NEEDS_NETWORK for line in lines):
            learnt["why_not_started"] = "the configuration needs name resolution: %s" % lines[0]
            return
        raise described([left, *lines], "Apache does not start with the configuration")
    refuse_warnings(lines, "Apache starts but does not run the configuration as written")
    learnt["started"] = True


def silent(state, settings):
    """Why the rehearsed server does not serve yet, None if it does."""
    if state.number is not None:
        found = proof.running_generation(state.status_address)
        return None if found == state.number else "http://%s does not answer with generation %s" % (state.status_address, state.number)
    places = [configtest.address(listen) for listen in settings.get("Listen", [])][:1]
    for host, port in places:
        try:
            proof.get("http://%s:%d/" % ("[%s]" % host if ":" in host else host or "127.0.0.1", port), timeout=5.0)
        except OSError as exc:
            return "port %d: %s" % (port, exc)
        except proof.http.client.HTTPException:
            pass  # it speaks something else there, TLS for instance; it listens
    return None


def make_run_dirs(layout, env):
    """What apachectl makes before a start."""
    run_dir = env.get("APACHE_RUN_DIR") or layout.run_dir
    owned = [os.path.join(run_dir, "socks"), env.get("APACHE_LOCK_DIR")]
    os.makedirs(run_dir, exist_ok=True)
    for path in filter(None, owned):
        if not os.path.isdir(path):
            os.makedirs(path)
            with suppress(KeyError):  # no such user: Apache will say so
                os.chown(path, pwd.getpwnam(env.get("APACHE_RUN_USER", "root")).pw_uid, -1)


def open_files():
    """As many open files as allowed: apachectl raises the limit too."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


__all__ = ["config_test", "environment", "try_state"]
