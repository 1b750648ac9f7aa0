# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.wsgi.plugins.module_utils import _host

GIB = 1024**3
CONTAINER = "/docker/5c4ad0b21c6c"

# Taken from running hosts and cut down to the lines that matter.
V1 = {
    "proc/self/mountinfo": (
        "383 372 0:28 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,size=4096k\n"
        "384 383 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
        "387 383 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
        "392 383 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n"
        "393 383 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
    ),
    "proc/1/cgroup": "9:name=systemd:%s/init.scope\n4:memory:%s/init.scope\n1:cpu,cpuacct:%s\n0::%s/init.scope\n" % ((CONTAINER,) * 4),
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
    "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
    "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
    "sys/fs/cgroup/memory%s/memory.limit_in_bytes" % CONTAINER: str(2 * GIB),
    "sys/fs/cgroup/cpu%s/cpu.cfs_quota_us" % CONTAINER: "150000",
    "sys/fs/cgroup/cpu%s/cpu.cfs_period_us" % CONTAINER: "100000",
}
V2 = {
    "proc/self/mountinfo": "30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
    "proc/1/cgroup": "0::/init.scope\n",
    "sys/fs/cgroup/cpu.max": "max 100000",
}
COMMON = {
    "proc/meminfo": "MemTotal:       8388608 kB\nMemFree:         100 kB\nSwapTotal:      1048576 kB\n",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nNAME="Debian GNU/Linux"\nVERSION_ID="13"\nID=debian\n',
    "proc/sys/net/core/somaxconn": "4096\n",
    "proc/sys/net/ipv4/tcp_max_syn_backlog": "512\n",
}


@pytest.fixture
def tree(tmp_path):
    def plant(*parts):
        for part in parts:
            for name, text in part.items():
                path = tmp_path / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        return str(tmp_path)

    return plant


def describe(root, affinity=4, **more):
    return _host.describe(affinity=affinity, hostname="web1", packages={}, root=root, **more)


def test_a_host_without_cgroups_is_what_proc_says(tree):
    host = describe(tree(COMMON), python="3.11")
    assert (host["vcpus"], host["memory_mib"], host["swap_mib"], host["cgroup"]) == (4.0, 8192, 1024, "none")
    assert host["memory_source"] == "MemTotal of /proc/meminfo"
    assert (host["distribution"], host["release"], host["python"]) == ("Debian", "13", "3.11")
    assert (host["somaxconn"], host["tcp_max_syn_backlog"]) == (4096, 512)
    assert (host["apache"], host["mod_wsgi"], host["packages"]) == (None, None, [])


def test_v1_limits_of_the_container_count(tree):
    host = describe(tree(COMMON, V1))
    assert (host["vcpus"], host["memory_mib"], host["cgroup"]) == (1.5, 2048, "v1")
    assert host["vcpus_source"] == "cgroup v1 cpu.cfs_quota_us of " + CONTAINER
    assert host["memory_source"] == "cgroup v1 memory.limit_in_bytes of " + CONTAINER


def test_v1_reads_the_limit_of_an_ancestor_that_the_mount_does_not_show(tree):
    hidden = dict(V1, **{"proc/1/cgroup": "4:memory:/elsewhere/init.scope\n1:cpu,cpuacct:/elsewhere\n"})
    root = tree(COMMON, hidden, {"sys/fs/cgroup/memory/memory.stat": "cache 0\nhierarchical_memory_limit %d\n" % GIB})
    assert describe(root)["memory_mib"] == 1024


def test_the_path_is_taken_relative_to_the_root_of_the_mount(tree):
    mounts = V1["proc/self/mountinfo"].replace("0:32 / ", "0:32 %s " % CONTAINER)
    root = tree(COMMON, dict(V1, **{"proc/self/mountinfo": mounts}), {"sys/fs/cgroup/memory/system.slice/memory.limit_in_bytes": str(GIB)})
    host = describe(root)
    assert (host["memory_mib"], host["memory_source"]) == (1024, "cgroup v1 memory.limit_in_bytes of /system.slice")


@pytest.mark.parametrize(
    ("files", "memory", "vcpus"),
    [
        ({}, 8192, 4.0),
        ({"cpu.max": "200000 100000", "memory.max": str(4 * GIB)}, 4096, 2.0),
        ({"system.slice/memory.max": str(GIB), "system.slice/cpu.max": "50000 100000"}, 1024, 0.5),
        ({"memory.max": "max", "system.slice/memory.high": str(3 * GIB)}, 3072, 4.0),
        ({"memory.max": str(64 * GIB), "cpu.max": "6400000 100000"}, 8192, 4.0),
        ({"user.slice/memory.max": str(GIB)}, 8192, 4.0),
        ({"system.slice/apache2.service/memory.max": str(GIB)}, 8192, 4.0),
    ],
    ids=["none", "root of the mount", "slice", "high", "wider than the machine", "login session", "our own drop-in"],
)
def test_v2_limits(tree, files, memory, vcpus):
    host = describe(tree(COMMON, V2, {"sys/fs/cgroup/" + name: text for name, text in files.items()}))
    assert (host["memory_mib"], host["vcpus"], host["cgroup"]) == (memory, vcpus, "v2")


def test_v2_swap_that_the_cgroup_forbids_is_no_swap(tree):
    assert describe(tree(COMMON, V2, {"sys/fs/cgroup/memory.swap.max": "0"}))["swap_mib"] == 0


def test_own_cgroup_is_the_fallback_where_pid_1_is_hidden(tree):
    files = dict(V2, **{"proc/self/cgroup": "0::/job\n", "sys/fs/cgroup/job/memory.max": str(GIB)})
    del files["proc/1/cgroup"]
    assert describe(tree(COMMON, files))["memory_mib"] == 1024


def test_system_python_is_the_link_not_the_interpreter_that_asks(tree, tmp_path):
    root = tree(COMMON, {"usr/bin/python3.13": ""})
    (tmp_path / "usr/bin/python3").symlink_to("python3.13")
    assert describe(root, python="3.9")["python"] == "3.13"


@pytest.mark.parametrize(
    ("debian", "upstream"),
    [("2.4.71-1~deb13u1", "2.4.71"), ("5.0.2-1+b2", "5.0.2"), ("1:4.9.4-1", "4.9.4"), ("2.4.68+dfsg-1", "2.4.68"), ("6.1~rc1-1", "6.1")],
)
def test_upstream_version(debian, upstream):
    assert _host.upstream_version(debian) == upstream


def test_only_fully_installed_packages_count():
    text = "apache2\tinstalled\t2.4.71-1\nlibapache2-mod-wsgi-py3\tconfig-files\t5.0.2-1\ncurl\tinstalled\t8.14.1-2\n"
    packages = _host.installed_packages(text)
    host = _host.describe(1, "web1", packages, root="/nonexistent")
    assert (host["apache"], host["mod_wsgi"], host["packages"]) == ("2.4.71", None, ["apache2", "curl"])


def test_local_users_and_what_is_no_account(tree):
    passwd = "root:x:0:0:root:/root:/bin/bash\nshop:x:999:999::/srv/shop:/usr/sbin/nologin\n+@directory\n"
    assert describe(tree(COMMON, {"etc/passwd": passwd}))["users"] == {
        "root": {"home": "/root", "shell": "/bin/bash", "gecos": "root"},
        "shop": {"home": "/srv/shop", "shell": "/usr/sbin/nologin", "gecos": ""},
    }
    assert describe("/nonexistent")["users"] == {}


def test_owners_are_those_of_the_records(tree):
    records = {"system_files-shop": '{"files": ["/etc/shop"]}', "system_files-gone": '{"files": []}', "celery_nodes": "{}"}
    files = {f"var/lib/evenkeel/{name}.json": text for name, text in records.items()}
    assert describe(tree(COMMON, files))["owners"] == ["shop"]
    assert describe("/nonexistent")["owners"] == []


def test_the_trusted_proxies_are_those_of_the_current_generation(tmp_path):
    for number, text in (
        (1, "RemoteIPInternalProxy 10.0.9.0/24\n"),
        (2, "RemoteIPHeader X\nRemoteIPInternalProxy 10.0.1.0/24\nRemoteIPTrustedProxy 192.0.2.0/24\n"),
    ):
        folder = tmp_path / f"etc/apache2/evenkeel/generations/{number}"
        folder.mkdir(parents=True)
        (folder / "remoteip_alb-remoteip.conf").write_text(text)
    assert _host.trusted_proxies(str(tmp_path)) == []
    (tmp_path / "etc/apache2/evenkeel/current.conf").write_text("# one line\nDefine EVENKEEL_GENERATION /etc/apache2/evenkeel/generations/2\n")
    assert _host.trusted_proxies(str(tmp_path)) == ["10.0.1.0/24", "192.0.2.0/24"]
