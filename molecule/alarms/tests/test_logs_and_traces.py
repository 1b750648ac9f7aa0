# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request is found again in the task that it sent, and no secret is found anywhere."""

from __future__ import annotations

import json
import os
import time
import typing as t

testinfra_hosts = [f"docker://{os.environ['EVENKEEL_PREFIX']}-web"]
SITE = "--header 'Host: shop.example.org' --output /dev/null --silent"
SECRETS = {
    "the application's key": "a-test-host-needs-no-real-secret-but-django-wants-fifty-characters",
    "a query string": "planted-in-a-query-string",
    "a cookie": "planted-in-a-cookie",
    "a header": "planted-in-a-header",
}


def test_a_request_is_found_again_in_the_lines_of_its_task(host: t.Any) -> None:
    host.check_output(f"curl {SITE} --user-agent followed 'http://127.0.0.1/enqueue?queue=Q1'")
    lines, deadline = "", time.monotonic() + 20
    while "succeeded" not in lines and time.monotonic() < deadline:
        time.sleep(1)
        line = json.loads(host.check_output("grep -h followed /var/log/apache2/evenkeel/access.json* | tail -n 1"))
        lines = host.check_output(f"journalctl --unit=celery@default --output=cat --grep='request_id={line['request_id']}' | cat")
    assert "succeeded" in lines, line
    assert f"traceparent={line['traceparent']}]" in lines


def test_no_secret_is_in_a_log_or_a_process_list(host: t.Any) -> None:
    host.check_output(
        f"curl {SITE} --header 'Authorization: Bearer {SECRETS['a header']}' --cookie 'session={SECRETS['a cookie']}' "
        f"'http://127.0.0.1/healthz?token={SECRETS['a query string']}'",
    )
    time.sleep(1)
    places = "{ cat /proc/[0-9]*/cmdline; find /var/log -type f -exec cat {} +; journalctl --output=export --no-pager; } 2>/dev/null"
    found = [
        what
        for what, secret in SECRETS.items()
        if int(host.check_output(f"{places} | grep --text --count --fixed-strings -e {secret[:-1]}'{secret[-1]}' || true"))
    ]
    assert found == []
