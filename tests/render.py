# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role mod_wsgi_daemon's Apache fragments as the role renders them, without a host: its own templates, filters and plan.

Ansible itself takes 0.5 s for a template; the property tests render hundreds.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

import jinja2
from ansible.plugins.filter.core import FilterModule as CoreFilters
from ansible_collections.evenkeel.wsgi.plugins.filter.wsgi_daemon_process import wsgi_daemon_process
from ansible_collections.evenkeel.wsgi.plugins.module_utils._applications import settle
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity import inputs, plan

ROLE = Path(__file__).resolve().parents[1] / "roles/mod_wsgi_daemon"
HOST = {"vcpus": 2, "memory_mib": 64000, "mod_wsgi": "4.9.4", "apache": "2.4.71", "python": "3.13"}


def fragments(applications: t.Sequence[t.Mapping[str, t.Any]], *names: str) -> dict[str, str]:
    """Render the named fragments, `daemons`, `hosts` and `slots` unless others are named.

    :raises ApplicationError, CapacityError: what the role's preflight refuses.
    """
    settled = settle(applications, version=HOST["python"])
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLE / "templates"), trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    environment.filters.update({**CoreFilters().filters(), "evenkeel.wsgi.wsgi_daemon_process": wsgi_daemon_process})
    variables = {
        "ansible_managed": "Ansible managed",
        "__mod_wsgi_daemon_settled": settled,
        "__mod_wsgi_daemon_groups": plan.make(inputs.request(HOST, applications)).as_dict()["groups"],
        "__mod_wsgi_daemon_slots": {"bluegreen": ["blue", "green"], "single": ["live"]},
        "mod_wsgi_daemon_probe_address": "127.0.0.1:8091",
        "__mod_wsgi_daemon_host": HOST,
        "__mod_wsgi_daemon_session_cache": "/run/apache2/evenkeel-tls",
    }
    return {name: environment.get_template(f"etc/apache2/{name}.conf.j2").render(variables) for name in names or ("daemons", "hosts", "slots")}
