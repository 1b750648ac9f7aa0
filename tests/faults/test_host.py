# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose cgroup allows less than its /proc shows: the plan must be made for what it really has."""

from __future__ import annotations

import json
import subprocess
import uuid

from .conftest import IMAGE, PREFIX, RUN, Host


def test_the_limits_of_the_cgroup_are_what_the_host_has():
    host = Host(f"{PREFIX}-{uuid.uuid4().hex[:8]}")
    subprocess.run(["docker", "run", "-d", "--name", host.name, "--memory=1g", "--cpus=0.5", *RUN, IMAGE], check=True, capture_output=True)
    try:
        host.wait()
        command = ["ansible", "-i", f"{host.name},", "-c", "community.docker.docker", "-e", "ansible_python_interpreter=/usr/bin/python3"]
        done = subprocess.run([*command, "-m", "evenkeel.wsgi.host_capacity_info", "all"], check=True, capture_output=True, text=True)
        facts = json.loads(done.stdout.partition("=> ")[2])["ansible_facts"]["evenkeel_host"]
        assert (facts["memory_mib"], facts["vcpus"]) == (1024, 0.5)
        assert "cgroup" in facts["memory_source"] and "cgroup" in facts["vcpus_source"]
        assert int(host.sh("awk '/MemTotal/ {print $2}' /proc/meminfo")) > 2 * 1024 * 1024
    finally:
        subprocess.run(["docker", "rm", "-f", host.name], check=False, capture_output=True)
