# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A private copy of the machine's view: run a function where Apache's files, run directory, logs, network and processes are its own.

Linux namespaces through libc, because unshare(1) can neither call back into this process nor answer in data. Everything in there dies
with its first process, and that one dies with us, so nothing survives even a kill -9 of the module.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import stat
import struct
import sys
import time
from contextlib import suppress

from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.errors import ApacheConfigError, TestFailed
from ansible_collections.evenkeel.wsgi.plugins.module_utils._apache_config.service import run

NEWNS, NEWIPC, NEWPID, NEWNET = 0x20000, 0x8000000, 0x20000000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
PR_SET_PDEATHSIG = 1
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
NONLOCAL_BIND = "/proc/sys/net/ipv4/ip_nonlocal_bind"


class Impossible(Exception):
    """This host does not allow namespaces."""


def libc_call(name, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise Impossible("%s: %s" % (name, os.strerror(number)))


def die_with_parent(parent):
    libc_call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def call(function, timeout):
    """function() in namespaces of its own (mounts, processes, IPC); returns what it returns (JSON types).

    Raises Impossible where the host forbids that, TestFailed with what the function raised, ApacheConfigError after ``timeout`` seconds.
    """
    reader, writer = os.pipe()
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reader)
        enclosed(function, writer, parent)  # never returns
    os.close(writer)
    try:
        return answer(reader, time.monotonic() + timeout, timeout)
    finally:
        os.close(reader)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def enclosed(function, writer, parent):
    """In the first child: make the namespaces and let the second child, their first process, do the work."""
    result = {"impossible": "no answer"}
    try:
        die_with_parent(parent)
        libc_call("unshare", NEWNS | NEWIPC | NEWPID)
        parent = os.getpid()
        inner = os.fork()
        if inner:
            os.waitpid(inner, 0)
            os._exit(0)
        libc_call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc_call("mount", b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None)
        result = {"value": function()}
    except Impossible as exc:
        result = {"impossible": str(exc)}
    except ApacheConfigError as exc:
        result = {"error": exc.message, "details": exc.details}
    except BaseException as exc:  # pylint: disable=broad-except  # it must cross the process border as data
        result = {"error": "%s: %s" % (type(exc).__name__, exc), "details": {}}
    finally:
        try:
            data = json.dumps(result).encode("utf-8")
            while data:
                data = data[os.write(writer, data) :]
        finally:
            os._exit(0)


def answer(reader, deadline, timeout):
    import select

    data = b""
    while True:
        ready, _writable, _errors = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise ApacheConfigError("the rehearsal did not end within %s s" % timeout)
        part = os.read(reader, 65536)
        if not part:
            break
        data += part
    result = json.loads(data.decode("utf-8")) if data else {"error": "the rehearsal was killed", "details": {}}
    if "impossible" in result:
        raise Impossible(result["impossible"])
    if "error" in result:
        raise TestFailed(result["error"], **result["details"])
    return result["value"]


# --- inside ----------------------------------------------------------------------------------------------------------------------


def private_copy(path):
    """Mount an empty memory file system over a directory and fill it with what was there."""
    aside = tree(path, contents=True)
    mount_over(path)
    grow(path, aside)


def private_skeleton(path):
    """The same, with the directories only: a place for logs, pid files and sockets that are nobody else's."""
    aside = tree(path, contents=False)
    mount_over(path)
    grow(path, aside)


def mount_over(path):
    libc_call("mount", b"tmpfs", os.fsencode(path), b"tmpfs", ctypes.c_ulong(0), b"mode=755")


def tree(top, contents):
    """[(relative path, stat, content)]: content is None for a directory, a str for a link, bytes for a file."""
    entries, device = [], os.stat(top).st_dev
    for folder, folders, names in os.walk(top):
        status = os.lstat(folder)
        if status.st_dev != device and not contents:
            folders[:] = []  # a mount of its own: keep it as an empty directory
        entries.append((os.path.relpath(folder, top), status, None))
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in (links + names) if contents else []:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                entries.append((os.path.relpath(path, top), status, os.readlink(path)))
            elif stat.S_ISREG(status.st_mode):
                with open(path, "rb") as handle:
                    entries.append((os.path.relpath(path, top), status, handle.read()))
    return entries


def grow(top, entries):
    for relative, status, content in entries:
        path = os.path.normpath(os.path.join(top, relative))
        if content is None:
            os.makedirs(path, exist_ok=True)
        elif isinstance(content, str):
            os.symlink(content, path)
        else:
            with open(path, "wb") as handle:
                handle.write(content)
        os.chown(path, status.st_uid, status.st_gid, follow_symlinks=False)
        if not isinstance(content, str):
            os.chmod(path, stat.S_IMODE(status.st_mode))


def host_addresses():
    """Addresses of this host but for the loopback's, as ``ip address add`` takes them."""
    if not shutil.which("ip"):
        return []
    code, text = run(["ip", "-json", "address", "show"])
    try:
        links = json.loads(text) if code == 0 else []
    except ValueError:
        return []
    infos = [info for link in links if link.get("ifname") != "lo" for info in link.get("addr_info", [])]
    return [
        "%s/%d" % (info["local"], 32 if info["family"] == "inet" else 128)
        for info in infos
        if info.get("family") in ("inet", "inet6") and info.get("scope") != "link"
    ]


def private_network(addresses):
    """Leave the network: only a loopback remains, which has the host's addresses so that ``Listen 10.0.0.5:80`` works."""
    nonlocal_bind = False
    with suppress(OSError), open(NONLOCAL_BIND, encoding="ascii") as handle:
        nonlocal_bind = handle.read().strip() == "1"
    libc_call("unshare", NEWNET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(handle, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(handle, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))
    if nonlocal_bind:  # addresses that move between hosts
        with suppress(OSError), open(NONLOCAL_BIND, "w", encoding="ascii") as handle:
            handle.write("1")
    for place in addresses:
        run(["ip", "address", "add", place, "dev", "lo"] + (["nodad"] if ":" in place else []))


__all__ = ["Impossible", "call", "host_addresses", "private_copy", "private_network", "private_skeleton"]
