# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host really has: CPU and memory as its cgroups allow them, not only as /proc shows them.

Every function reads files below ``root`` (default ``/``), so that tests run on sample trees. Nothing here imports Ansible.

The cgroup that counts is the one in which services run: the ancestors of PID 1's cgroup and its ``system.slice``. The cgroup of the
asking process is the fallback only: a login session may carry limits of its own that Apache never feels.
"""

from __future__ import annotations

import json
import os
import re

MIB = 1024 * 1024
# The kernel writes "no limit" on v1 as the largest page-aligned signed 64-bit number; anything near it is no limit.
V1_UNLIMITED = 1 << 60

# What ansible_distribution says, for the platforms that people ask about; others keep the NAME of os-release.
DISTRIBUTIONS = {"debian": "Debian", "ubuntu": "Ubuntu", "rhel": "RedHat", "rocky": "Rocky", "almalinux": "AlmaLinux", "fedora": "Fedora"}


def read(root, path):
    """Text of a file below root, stripped; None when it cannot be read."""
    try:
        with open(os.path.join(root, path.lstrip("/")), encoding="utf-8", errors="replace") as handle:
            return handle.read().strip()
    except OSError:
        return None


def number(text):
    """A non-negative whole number, or None for anything else (``max``, ``-1``, nothing)."""
    return int(text) if text and text.isdigit() else None


# --- cgroups ---------------------------------------------------------------------------------------------------------------------


def cgroup_mounts(root="/"):
    """Mounted hierarchies: ``{"memory": (mount point, root of the mount), "cpu": …, "": …}``; the empty name is cgroup v2."""
    mounts = {}
    for line in (read(root, "/proc/self/mountinfo") or "").splitlines():
        fields, _sep, tail = line.partition(" - ")
        fields, tail = fields.split(), tail.split()
        if len(fields) < 5 or len(tail) < 3:
            continue
        place = (fields[4], fields[3])
        if tail[0] == "cgroup2":
            mounts[""] = place
        elif tail[0] == "cgroup":
            for option in tail[2].split(","):
                if option in ("memory", "cpu"):
                    mounts[option] = place
    return mounts


def cgroup_paths(root="/"):
    """Where services run, per hierarchy: ``{"memory": "/system.slice", "": "/"}`` (see the module's docstring)."""
    text, own = read(root, "/proc/1/cgroup"), False
    if not text:
        text, own = read(root, "/proc/self/cgroup") or "", True
    paths = {}
    for line in text.splitlines():
        _number, controllers, path = line.split(":", 2)
        if not own and path.endswith("/init.scope"):
            path = path[: -len("/init.scope")] + "/system.slice"
        elif not own:
            path = path.rstrip("/") + "/system.slice"
        for controller in controllers.split(","):
            paths[controller] = path
    return paths


def cgroup_directories(root, controller, mounts, paths):
    """Existing directories of one hierarchy, from the mount's root down to the cgroup: ``[(name shown, directory)]``.

    In a container the path of /proc names cgroups that the mount does not show; then the mount's root is the container's own cgroup.
    """
    if controller not in mounts:
        return []
    mount, mount_root = mounts[controller]
    path = paths.get(controller, "/")
    if mount_root != "/" and (path + "/").startswith(mount_root + "/"):
        path = path[len(mount_root) :]
    found, directory = [("/", mount)], mount
    for part in [part for part in path.split("/") if part not in ("", "..")]:
        directory = directory + "/" + part
        if not os.path.isdir(os.path.join(root, directory.lstrip("/"))):
            break
        found.append((directory[len(mount) :], directory))
    return found


def cgroup_limits(root="/"):
    """Limits of the host's cgroups.

    Returns ``{"version": "v1"|"v2"|"none", "cpus": [(float, source)], "memory": [(bytes, source)], "swap": [(bytes, source)]}``.
    """
    mounts, paths = cgroup_mounts(root), cgroup_paths(root)
    limits = {"version": "none", "cpus": [], "memory": [], "swap": []}
    if "memory" in mounts or "cpu" in mounts:
        limits["version"] = "v1"
        for name, directory in cgroup_directories(root, "cpu", mounts, paths):
            quota, period = (number(read(root, directory + "/cpu.cfs_%s_us" % key)) for key in ("quota", "period"))
            if quota and period:
                limits["cpus"].append((quota / period, "cgroup v1 cpu.cfs_quota_us of %s" % name))
        for name, directory in cgroup_directories(root, "memory", mounts, paths):
            found = [(number(read(root, directory + "/memory.limit_in_bytes")), "memory.limit_in_bytes")]
            # includes ancestors that a container's mount does not show
            match = re.search(r"^hierarchical_memory_limit (\d+)$", read(root, directory + "/memory.stat") or "", re.M)
            found.append((int(match.group(1)) if match else None, "hierarchical_memory_limit"))
            limits["memory"] += [(value, "cgroup v1 %s of %s" % (key, name)) for value, key in found if value and value < V1_UNLIMITED]
    elif "" in mounts:
        limits["version"] = "v2"
        for name, directory in cgroup_directories(root, "", mounts, paths):
            words = (read(root, directory + "/cpu.max") or "").split()
            if len(words) == 2 and number(words[0]) and number(words[1]):
                limits["cpus"].append((int(words[0]) / int(words[1]), "cgroup v2 cpu.max of %s" % name))
            for key in ("memory.max", "memory.high"):
                value = number(read(root, directory + "/" + key))
                if value:
                    limits["memory"].append((value, "cgroup v2 %s of %s" % (key, name)))
            swap = number(read(root, directory + "/memory.swap.max"))
            if swap is not None:
                limits["swap"].append((swap, "cgroup v2 memory.swap.max of %s" % name))
    return limits


# --- the rest of the host --------------------------------------------------------------------------------------------------------


def meminfo(root="/"):
    """``{"MemTotal": bytes, "SwapTotal": bytes, …}`` of /proc/meminfo."""
    matches = re.findall(r"^(\w+):\s+(\d+) kB$", read(root, "/proc/meminfo") or "", re.M)
    return {key: int(value) * 1024 for key, value in matches}


def os_release(root="/"):
    """(distribution, release) as ansible_distribution and VERSION_ID name them; release is empty on a rolling one."""
    text = read(root, "/etc/os-release") or read(root, "/usr/lib/os-release") or ""
    values = {}
    for line in text.splitlines():
        key, sep, value = line.partition("=")
        if sep:
            values[key.strip()] = value.strip().strip("\"'")
    return DISTRIBUTIONS.get(values.get("ID", ""), values.get("NAME", "")), values.get("VERSION_ID", "")


def system_python(root="/"):
    """Minor version of the system's python3 ("3.13"), which is not always the one that runs this module; None if there is none."""
    try:
        target = os.path.basename(os.readlink(os.path.join(root, "usr/bin/python3")))
    except OSError:
        return None
    match = re.match(r"python(\d+\.\d+)$", target)
    return match.group(1) if match else None


def upstream_version(version):
    """Upstream part of a Debian version: ``1:5.0.2-1+b2`` -> ``5.0.2``, ``2.4.71-1~deb13u1`` -> ``2.4.71``."""
    return version.rpartition(":")[2].partition("-")[0].partition("+")[0].partition("~")[0]


def installed_packages(text):
    """``{name: version}`` of the fully installed packages in the output of QUERY."""
    rows = [line.split("\t") for line in text.splitlines()]
    return {row[0]: row[2] for row in rows if len(row) == 3 and row[1] == "installed"}


def local_users(root="/"):
    """``{name: {home, shell, gecos}}`` of the accounts in /etc/passwd; those of a directory service are not the host's to change."""
    rows = [line.split(":") for line in (read(root, "/etc/passwd") or "").splitlines()]
    return {row[0]: {"home": row[5], "shell": row[6], "gecos": row[4]} for row in rows if len(row) == 7}


def owners(root="/"):
    """Names under which the module system_files has files on the host."""
    folder = "var/lib/evenkeel"
    try:
        names = os.listdir(os.path.join(root, folder))
    except OSError:
        return []
    found = [match.group(1) for match in map(re.compile(r"system_files-(\w+)\.json").fullmatch, names) if match]
    return sorted(name for name in found if json.loads(read(root, "%s/system_files-%s.json" % (folder, name)) or "{}").get("files"))


def trusted_proxies(root="/"):
    """Networks that the current generation of Apache's configuration trusts, as role remoteip_alb wrote them."""
    current = re.search(r"^Define EVENKEEL_GENERATION (\S+)$", read(root, "/etc/apache2/evenkeel/current.conf") or "", re.M)
    text = read(root, current.group(1) + "/remoteip_alb-remoteip.conf") if current else None
    return re.findall(r"^(?:RemoteIP(?:Internal|Trusted)Proxy|# PROXY protocol from) (\S+)$", text or "", re.M)


def reviewed(root="/"):
    """Fingerprints of the risky inputs that were applied last, ``{topic: {variable: fingerprint}}``; role security_baseline keeps them."""
    return json.loads(read(root, "/var/lib/evenkeel/reviewed.json") or "{}")


QUERY = ("-W", "-f", "${Package}\t${db:Status-Status}\t${Version}\n")
APACHE_PACKAGE, MOD_WSGI_PACKAGE = "apache2", "libapache2-mod-wsgi-py3"


def describe(affinity, hostname, packages, root="/", python=None):
    """The fact ``evenkeel_host``.

    affinity: CPUs this process may use; packages: {name: version} of what is installed;
    python: what to say when /usr/bin/python3 does not tell its version.
    """
    limits, memory = cgroup_limits(root), meminfo(root)
    vcpus, vcpus_source = min([(float(affinity), "CPUs that the process may use (sched_getaffinity)")] + limits["cpus"], key=first)
    size, size_source = min([(memory.get("MemTotal", 0), "MemTotal of /proc/meminfo")] + limits["memory"], key=first)
    swap = min([(memory.get("SwapTotal", 0), "")] + limits["swap"], key=first)[0]
    distribution, release = os_release(root)
    versions = [packages.get(name) for name in (APACHE_PACKAGE, MOD_WSGI_PACKAGE)]
    apache, mod_wsgi = (upstream_version(version) if version else None for version in versions)
    return {
        "distribution": distribution,
        "release": release,
        "hostname": hostname,
        "vcpus": round(vcpus, 2),
        "vcpus_source": vcpus_source,
        "memory_mib": size // MIB,
        "memory_source": size_source,
        "swap_mib": swap // MIB,
        "cgroup": limits["version"],
        "somaxconn": number(read(root, "/proc/sys/net/core/somaxconn")),
        "tcp_max_syn_backlog": number(read(root, "/proc/sys/net/ipv4/tcp_max_syn_backlog")),
        # A container often has /proc/sys read-only: the machine it runs on decides.
        "sysctl_writable": os.access(os.path.join(root, "proc/sys/net/core/somaxconn"), os.W_OK),
        "python": system_python(root) or python,
        "apache": apache,
        "mod_wsgi": mod_wsgi,
        "packages": sorted(packages),
        "trusted_proxies": trusted_proxies(root),
        "reviewed": reviewed(root),
        "users": local_users(root),
        # What systemd found at its start; empty on a machine, virtual or not.
        "container": (read(root, "/run/systemd/container") or "").strip(),
        "owners": owners(root),
    }


def first(pair):
    """Sort key: compare limits only, so that equal ones keep their order."""
    return pair[0]
