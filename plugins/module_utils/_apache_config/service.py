# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service as systemd and the kernel see it: state, journal, log lines, listening sockets."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time

from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.errors import ApacheConfigError

ENVIRONMENT = dict(os.environ, LC_ALL="C.UTF-8", SYSTEMD_COLORS="0", SYSTEMD_PAGER="")


def run(command, timeout=60, **more):
    """(exit code, output with errors) of a command; a missing program and a time-out are exit codes too."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            env=ENVIRONMENT,
            encoding="utf-8",
            errors="replace",
            check=False,
            **more,
        )
    except subprocess.TimeoutExpired:
        return 124, "%s: no end after %s s" % (" ".join(command), timeout)
    except OSError as exc:
        return 127, str(exc)
    return done.returncode, done.stdout


def show(layout):
    """{"ActiveState", "SubState", "MainPID": int, "NeedDaemonReload": bool, …} of the unit."""
    keys = "ActiveState,SubState,MainPID,NeedDaemonReload,LoadState,Result"
    code, text = run(["systemctl", "show", layout.service, "--property", keys])
    if code:
        raise ApacheConfigError("systemctl show %s failed: %s" % (layout.service, text.strip()))
    state = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    # The unit of the distribution names no PIDFile, and with a piped log systemd cannot guess which process is the main one.
    state["MainPID"] = int(state.get("MainPID") or 0) or (recorded_pid(layout) if is_active(state) else 0)
    state["NeedDaemonReload"] = state.get("NeedDaemonReload") == "yes"
    return state


def recorded_pid(layout):
    """What Apache's own pid file says, 0 unless that process is Apache."""
    try:
        with open(layout.pid_file, encoding="ascii") as handle:
            pid = int(handle.read())
        return pid if os.readlink("/proc/%d/exe" % pid) == os.path.realpath(layout.binary) else 0
    except (OSError, ValueError):
        return 0


def is_active(state):
    return state["ActiveState"] in ("active", "reloading", "activating")


def act(layout, action, timeout=600):
    """start, stop, reload or restart; returns (exit code, output)."""
    return run(["systemctl", action, layout.service], timeout=timeout)


def daemon_reload():
    code, text = run(["systemctl", "daemon-reload"], timeout=120)
    if code:
        raise ApacheConfigError("systemctl daemon-reload failed: %s" % text.strip())


def parent(pid):
    """The parent's pid, 0 if there is no such process."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as handle:
            return int(handle.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def main_process(pid):
    """[pid, start time] which names one process for good (pids are reused); None if there is none."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as handle:
            return [pid, int(handle.read().rpartition(")")[2].split()[19])]
    except (OSError, ValueError, IndexError):
        return None


# --- what it says ----------------------------------------------------------------------------------------------------------------


def size(path):
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def error_logs(layout, settings):
    """The distribution's error log and the one that the configuration names, if that is a file."""
    named = settings.get("ErrorLog", "")
    if not named or named.startswith(("|", "syslog")):
        return {layout.error_log}
    return {layout.error_log, os.path.join(layout.server_root, named)}


class Words:
    """What the service and its error log say from now on."""

    def __init__(self, layout, settings=None):
        self.layout = layout
        self.since = time.time()
        self.offsets = {path: size(path) for path in error_logs(layout, settings or {})}

    def log(self):
        """New lines of the error logs."""
        text = ""
        for path, offset in self.offsets.items():
            try:
                with open(path, encoding="utf-8", errors="replace") as handle:
                    handle.seek(offset if size(path) >= offset else 0)
                    text += handle.read(200000)
            except OSError:
                pass
        return text

    def journal(self):
        """New lines of the unit's journal."""
        code, text = run(["journalctl", "--unit", self.layout.service, "--since", "@%.6f" % self.since, "--output", "cat", "--no-pager", "--lines", "60"])
        return "" if code or text.startswith("-- No entries") else text


# --- sockets ---------------------------------------------------------------------------------------------------------------------


def listening():
    """TCP sockets in the listening state: [(address, port, inode)]; the address is empty for all addresses."""
    found = []
    for name, width in (("tcp", 8), ("tcp6", 32)):
        try:
            with open("/proc/net/" + name, encoding="ascii") as handle:
                rows = handle.read().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == "0A":
                host, port = fields[1].split(":")
                found.append(("" if int(host, 16) == 0 else readable(host, width), int(port, 16), fields[9]))
    return found


def readable(text, width):
    """A /proc/net/tcp address (little-endian words in hexadecimal) as people write it."""
    raw = b"".join(bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, width, 8))
    return socket.inet_ntop(socket.AF_INET if width == 8 else socket.AF_INET6, raw)


def socket_inodes(pid):
    """Inodes of the sockets that a process holds."""
    folder, found = "/proc/%d/fd" % pid, set()
    try:
        entries = os.listdir(folder)
    except OSError:
        return found
    for entry in entries:
        try:
            match = re.match(r"socket:\[(\d+)\]", os.readlink(os.path.join(folder, entry)))
        except OSError:
            continue
        if match:
            found.add(match.group(1))
    return found


def holder(inode):
    """ "name (pid)" of a process that holds a socket, for messages."""
    for entry in os.listdir("/proc"):
        if entry.isdigit() and inode in socket_inodes(int(entry)):
            try:
                with open("/proc/%s/comm" % entry, encoding="utf-8", errors="replace") as handle:
                    return "%s (pid %s)" % (handle.read().strip(), entry)
            except OSError:
                continue
    return "another process"


def taken_ports(listens, main_pid):
    """Messages for the (address, port) pairs that a process other than Apache listens on."""
    own = socket_inodes(main_pid) if main_pid else set()
    sockets, problems = listening(), []
    for host, port in listens:
        for other, other_port, inode in sockets:
            if port == other_port and inode not in own and (not host or not other or host == other):
                problems.append("port %d of %s is taken by %s" % (port, other or "all addresses", holder(inode)))
                break
    return problems
