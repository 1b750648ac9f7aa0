# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of entry.wsgi, run by a real Python under a real limit of the kernel; mod_wsgi around it is tried in tests/faults/test_isolation.py."""

from __future__ import annotations

import subprocess
import sys
import typing as t

import jinja2
import pytest

from tests.render import ROLE

# What entry.wsgi has imported already, mod_wsgi's part (it takes SIGUSR1), and what the application does.
FRAME = """
import os, resource, signal, sys, time
began = time.monotonic()
signal.signal(signal.SIGUSR1, lambda *_: (print("replaced after %%.1f s" %% (time.monotonic() - began)), os._exit(0)))
resource.setrlimit(resource.RLIMIT_DATA, (%d << 20, resource.RLIM_INFINITY))
loaded = bytearray(%d << 20)
%s
hoard, refused = [], 0
while time.monotonic() - began < %d:
    try:
        hoard.append(bytearray(%d << 20))
    except MemoryError:
        refused += 1
    time.sleep(0.05)
print("still here, %%d refused" %% refused)
"""


COUNTED = """
import os, signal, sys
def application(environ, start_response):
    return ["answered"]
%s
signal.signal(signal.SIGUSR1, lambda *_: left.append(number))
left = []
for number in range(1, 3001):
    assert application({}, None) == ["answered"]
print(*left)
"""


def rendered(**item: t.Any) -> str:
    """The end of entry.wsgi for one application."""
    template = jinja2.Environment(trim_blocks=True).from_string((ROLE / "templates/srv/recycle.py.j2").read_text())
    return template.render(item={"name": "shop", "recycle_interval_s": None, "recycle_requests": None, "memory_limit_mib": None, **item})


def run(cap: int, seconds: int, mib: int, loaded: int = 0, **item: t.Any) -> subprocess.CompletedProcess[str]:
    """One process with the given cap that has `loaded` MiB and allocates `mib` MiB again and again."""
    return subprocess.run([sys.executable, "-c", FRAME % (cap, loaded, rendered(**item), seconds, mib)], capture_output=True, text=True, check=True)


@pytest.mark.parametrize("mib", [1, 32])
def test_a_leak_ends_the_process_also_when_the_kernel_refuses_more(mib: int) -> None:
    assert "replaced" in run(216, 30, mib, memory_limit_mib=160).stdout


def test_its_time_is_its_own() -> None:
    times = [float(run(400, 10, 0, recycle_interval_s=2).stdout.split()[2]) for _process in range(3)]
    assert all(1.4 < seconds < 5 for seconds in times), times


def test_its_number_of_requests_is_its_own_and_the_last_one_is_answered() -> None:
    program = COUNTED % rendered(recycle_requests=1000)
    numbers = [int(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout) for _process in range(5)]
    assert all(750 <= number <= 1250 for number in numbers)
    assert len(set(numbers)) > 1, numbers


def test_a_cap_below_what_the_application_needs_does_not_replace_it_for_ever() -> None:
    done = run(64, 3, 0, loaded=44, memory_limit_mib=1)
    assert "memory_limit_mib of shop is too low" in done.stderr
    assert "still here" in done.stdout


def test_nothing_is_watched_unless_asked() -> None:
    assert "still here" in run(400, 1, 0).stdout
