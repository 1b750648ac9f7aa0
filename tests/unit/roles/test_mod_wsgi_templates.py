# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes that cannot be written, because the role's templates have no place for them. Apache itself is asked in tests/faults."""

from __future__ import annotations

import re
import typing as t

import pytest

from tests.render import fragments

APPLICATIONS: list[dict[str, t.Any]] = [
    {
        "name": "shop",
        "server_name": "shop.example.org",
        "wsgi_script": "shop/wsgi.py",
        "static": {"/static/": "static"},
        "media": {"/media/": "media"},
        "static_hashed": True,
        "slow_routes": [{"name": "reports", "path": "/reports"}],
        "certificate": "/etc/ssl/one.crt",
        "certificate_key": "/etc/ssl/private/one.key",
    },
    {
        "name": "admin",
        "server_name": "shop.example.org",
        "wsgi_script": "admin.wsgi",
        "mount_point": "/admin",
        "pass_authorization": True,
        "slow_routes": [{"name": "export", "path": "/export"}],
        "request_body_limit_mib": 1,
        "certificate": "/etc/ssl/one.crt",
        "certificate_key": "/etc/ssl/private/one.key",
    },
    {"name": "legacy", "server_name": "legacy.example.org", "wsgi_script": "app.wsgi", "thread_safe": False, "processes": 1, "chunked_requests": True},
]


@pytest.fixture(scope="module")
def text() -> str:
    return re.sub(r"^\s*#.*$", "", "\n".join(fragments(APPLICATIONS).values()), flags=re.MULTILINE)


def directives(text: str, name: str) -> list[str]:
    return re.findall(rf"^\s*{name}\b(.*)$", text, re.MULTILINE)


def test_embedded_mode_is_off_for_the_whole_server(text: str) -> None:
    """The article puts it into <VirtualHost>, where Apache refuses it."""
    assert directives(text.split("<VirtualHost")[0], "WSGIRestrictEmbedded") == [" On"]
    assert len(directives(text, "WSGIRestrictEmbedded")) == 1


def test_groups_are_defined_once_and_outside_virtual_hosts(text: str) -> None:
    """One inside a virtual host is only for hosts of the same name; two of one name stop Apache."""
    names = [line.split()[0] for line in directives(text, "WSGIDaemonProcess")]
    assert len(names) == len(set(names))
    assert not any(directives(block, "WSGIDaemonProcess") for block in text.split("<VirtualHost")[1:])


def test_no_directive_that_belongs_to_embedded_mode_or_to_one_python_for_all(text: str) -> None:
    for name in ("WSGIPythonHome", "WSGIPythonPath", "WSGILazyInitialization", "WSGISocketPrefix", "WSGISocketRotation", "AddHandler", "WSGIScriptAliasMatch"):
        assert not directives(text, name), name


def test_no_python_path_and_one_virtualenv_per_group(text: str) -> None:
    for line in directives(text, "WSGIDaemonProcess"):
        assert " python-path=" not in line
        assert re.search(r" python-home=/srv/[a-z]+/\S+/venv( |$)", line), line


def test_no_explicit_single_process_unless_asked_and_one_thread_when_unsafe(text: str) -> None:
    legacy, *_others = [line for line in directives(text, "WSGIDaemonProcess") if line.startswith(" legacy")]
    assert " processes=1 " not in legacy + " "
    assert " threads=1 " in legacy


def test_every_directory_is_absolute(text: str) -> None:
    assert all(path.startswith('"/srv/') for path in re.findall(r"<Directory (.*)>", text))


def test_every_name_has_one_virtual_host_per_port(text: str) -> None:
    hosts = re.findall(r"<VirtualHost \*:(\d+)>\s+ServerName (\S+)", text)
    assert len(hosts) == len(set(hosts)) == 4
    assert ("443", "legacy.example.org") not in hosts


def test_the_scheme_is_never_taken_from_a_header_here(text: str) -> None:
    """Role remoteip_alb says https for trusted peers; mod_wsgi's own list is compared with the client's address (facts of mod_remoteip)."""
    assert "X-Forwarded" not in "".join(fragments(APPLICATIONS, "daemons", "hosts").values())
    assert not directives(text, "WSGITrustedProxies")


def test_the_longest_mount_point_wins(text: str) -> None:
    host = next(block for block in text.split("<VirtualHost *:443>") if block.strip().startswith("ServerName shop.example.org")).split("</VirtualHost>")[0]
    aliases = [line.split()[0] for line in directives(host, "WSGIScriptAlias")]
    assert aliases == sorted(aliases, reverse=True)
    assert re.findall(r'<Location "(.*)">', host) == ["/", "/reports", "/admin", "/admin/export"]  # of locations the last one wins


def test_media_are_never_executed_or_listed(text: str) -> None:
    block = re.search(r'<Directory "/srv/shop/media">(.*?)</Directory>', text, re.DOTALL)
    assert block
    for directive in ("Options None", "AllowOverride None", "SetHandler default-handler", "X-Content-Type-Options nosniff"):
        assert directive in block.group(1), directive


def test_every_group_exists_in_both_colours_and_the_map_chooses(text: str) -> None:
    names = [line.split()[0] for line in directives(text, "WSGIDaemonProcess") if line.startswith(" shop")]
    assert names == ["shop-blue", "shop-green", "shop-reports-blue", "shop-reports-green"]
    assert ' "shop" "txt:/srv/shop/slots/active.map"' in directives(text, "RewriteMap")
    assert ' "^" "-" [E=EVENKEEL_shop:shop-blue]' in directives(text, "RewriteRule"), "a group is named whatever the map says"


def test_an_application_with_one_slot_needs_no_map() -> None:
    found = fragments([{"name": "shop", "server_name": "shop.example.org", "wsgi_script": "app.wsgi", "deploy": "single"}])
    assert "RewriteMap" not in found["hosts"] and "process-group=shop " in found["hosts"]
    assert re.findall(r"^WSGIDaemonProcess (\S+)", found["daemons"], re.MULTILINE) == ["shop"]


def test_deploys_ask_over_loopback_alone() -> None:
    assert re.findall(r"^\s*(?:Listen|<VirtualHost) ([^\s>]+)", fragments(APPLICATIONS, "slots")["slots"], re.MULTILINE) == ["127.0.0.1:8091"] * 3
