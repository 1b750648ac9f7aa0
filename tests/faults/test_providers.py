# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbook update_providers against a server that answers as the providers do, and one that does not."""

from __future__ import annotations

import functools
import http.server
import json
import os
import subprocess
import sys
import threading
import typing as t
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
V4 = [f"198.18.{i}.0/24" for i in range(0, 20, 2)]
AWS = {
    "prefixes": [{"ip_prefix": net, "service": "CLOUDFRONT_ORIGIN_FACING"} for net in V4] + [{"ip_prefix": "3.0.0.0/15", "service": "EC2"}],
    "ipv6_prefixes": [{"ipv6_prefix": "2600:9000:1000::/36", "service": "CLOUDFRONT_ORIGIN_FACING"}],
}


@pytest.fixture
def site(tmp_path: Path) -> t.Iterator[tuple[Path, str]]:
    """A folder and the address of the server that serves it."""
    folder = tmp_path / "site"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def update(tmp_path: Path, site: tuple[Path, str], ips_v4: str) -> subprocess.CompletedProcess[str]:
    folder, address = site
    (folder / "ips-v4").write_text(ips_v4)
    (folder / "ips-v6").write_text("2400:cb00::/32")  # no newline at the end, as the provider has it
    (folder / "ip-ranges.json").write_text(json.dumps(AWS))
    urls = {"cloudflare": [f"{address}/ips-v4", f"{address}/ips-v6"], "cloudfront": [f"{address}/ip-ranges.json"]}
    collections = tmp_path / "collections/ansible_collections/evenkeel"
    collections.mkdir(parents=True)
    (collections / "wsgi").symlink_to(ROOT)
    given = {"evenkeel_provider_urls": urls, "evenkeel_provider_directory": str(tmp_path / "providers")}
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-e", json.dumps(given), "evenkeel.wsgi.update_providers"]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections"), "ANSIBLE_LOCALHOST_WARNING": "false"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_what_the_providers_publish_becomes_files_that_the_role_takes(tmp_path: Path, site: tuple[Path, str]) -> None:
    done = update(tmp_path, site, "".join(f"{net}\n" for net in V4))
    assert done.returncode == 0, done.stdout
    written = {path.stem: yaml.safe_load(path.read_text()) for path in (tmp_path / "providers").iterdir()}
    assert written["cloudflare"]["networks"] == [*V4, "2400:cb00::/32"]
    assert written["cloudfront"]["networks"] == [*V4, "2600:9000:1000::/36"]
    assert {frozenset(data) for data in written.values()} == {frozenset(("provider", "date", "networks"))}


@pytest.mark.parametrize(
    ("answer", "says"), [("<html>Just a moment...</html>", "not-a-network"), ("0.0.0.0/1\n128.0.0.0/1\n", "everything"), ("", "only 1 networks")]
)
def test_an_answer_that_is_no_such_list_is_not_written(tmp_path: Path, site: tuple[Path, str], answer: str, says: str) -> None:
    done = update(tmp_path, site, answer)
    assert done.returncode != 0
    assert says in done.stdout + done.stderr
    assert not (tmp_path / "providers").exists()
