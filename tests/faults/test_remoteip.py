# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's fragment in a real Apache, where molecule/spoof does not go: the other topologies, and peers with IPv6 addresses.

Needs Docker and an image with Python 3 (EVENKEEL_IMAGE); Apache and mod_wsgi are installed into it if they are missing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import typing as t
import uuid
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles/remoteip_alb"
IMAGE = os.environ.get("EVENKEEL_IMAGE", "evenkeel-host:trixie")
PREFIX = os.environ.get("EVENKEEL_PREFIX", "evenkeel-faults")

ALB, ALB6, CDN = "10.77.1.10", "fd12:3456:789a:1::10", "192.0.2.10"  # trusted peers
STRANGER, STRANGER6 = "198.51.100.66", "2001:db8:bad::66"
OWN = ["10.77.1.0/24 fd12:3456:789a:1::/64"]
TOPOLOGIES = {
    8081: {
        "remoteip_alb_networks": OWN,
        "remoteip_alb_hops": [{"name": "cdn", "kind": "public", "provider": "Example CDN", "networks": ["192.0.2.0/24"]}],
    },
    8082: {"remoteip_alb_topology": "direct"},
    8083: {"remoteip_alb_topology": "nlb", "remoteip_alb_networks": OWN},
    8084: {"remoteip_alb_topology": "cloudfront+alb", "remoteip_alb_networks": OWN},
    8085: {"remoteip_alb_topology": "nginx", "remoteip_alb_networks": OWN},
    8086: {"remoteip_alb_topology": "haproxy", "remoteip_alb_networks": OWN},
}
CLAIMS = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "https",
    "Forwarded": "for=6.6.6.6;proto=https",
    "X-Real-IP": "6.6.6.6",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "443",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-By": "6.6.6.6",
    "CF-Connecting-IP": "6.6.6.6",
    "True-Client-IP": "6.6.6.6",
    "X-Request-ID": "forged",
    "x_forwarded_for": "6.6.6.6",
    "X-FORWARDED_PROTO": "https",
    "HTTPS": "on",
    "remoteip_trusted_peer": "1",
}

SERVER = """
ServerName remoteip.test
ServerRoot /tmp/remoteip/{port}
PidFile httpd.pid
ErrorLog error.log
Listen {port}
User www-data
Group www-data
{modules}
WSGISocketPrefix wsgi
WSGIDaemonProcess echo threads=4
WSGIRestrictEmbedded On
WSGIScriptAlias / /tmp/remoteip/echo.wsgi process-group=echo application-group=%{{GLOBAL}}
ErrorDocument 403 /forbidden
<Directory /tmp/remoteip>
    Require all granted
</Directory>
<Location /only>
    Require ip 203.0.113.1
</Location>
LogFormat "%{{X-Case}}i %a %h %{{c}}a" seen
CustomLog access.log seen
Include /tmp/remoteip/{port}/remoteip.conf
"""

ECHO = """
import json
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({k: v for k, v in environ.items() if isinstance(v, str)}).encode()]
"""

# Runs in the container: one request per line of JSON, one answer per line, with what the access log says about it.
CLIENT = """
import http.client, json, sys, time
def logged(case):
    for _attempt in range(100):
        for line in open(f"/tmp/remoteip/{case['port']}/access.log"):
            if line.startswith(case["id"]):
                return line.split()[1:]
        time.sleep(0.05)
for case in map(json.loads, sys.stdin):
    peer = case["peer"]
    link = http.client.HTTPConnection("::1" if ":" in peer else "127.0.0.1", case["port"], timeout=5, source_address=(peer, 0))
    if case.get("proxy"):
        link.connect()
        link.sock.sendall(case["proxy"].encode() + b"\\r\\n")
    link.putrequest("GET", case["path"], skip_host=True)
    for name, value in [["Host", "remoteip.test"], ["X-Case", case["id"]], *case["headers"]]:
        link.putheader(name, value)
    link.endheaders()
    answer = link.getresponse()
    body = answer.read()
    environ = json.loads(body) if body.startswith(b"{") else {}
    print(json.dumps({"status": answer.status, "environ": environ, "log": logged(case) if environ else None}))
"""


class Host:
    """A container with one Apache per topology."""

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, *command: str, given: str | None = None) -> str:
        done = subprocess.run(["docker", "exec", "-i", self.name, *command], input=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def write(self, path: str, text: str) -> None:
        self.run("sh", "-c", f"mkdir -p $(dirname {path}) && cat > {path}", given=text)

    def ask(self, peer: str, headers: t.Sequence[tuple[str, str]], port: int = 8081, path: str = "/", proxy: str = "") -> dict[str, t.Any]:
        """Send one request and return what the application (environ) and the access log saw of it.

        proxy: a line of the PROXY protocol to send before it.
        """
        return self.ask_all([{"peer": peer, "headers": headers, "port": port, "path": path, "proxy": proxy}])[0]

    def ask_all(self, cases: t.Iterable[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
        given = "\n".join(json.dumps({**case, "id": uuid.uuid4().hex}) for case in cases)
        return [json.loads(line) for line in self.run("python3", "-c", CLIENT, given=given).splitlines()]


def render(tmp: Path, variables: dict[str, t.Any]) -> str:
    """Render the role's own template with the role's own variables, as its tasks do."""
    collections = tmp / "ansible_collections/evenkeel"
    collections.mkdir(parents=True)
    (collections / "wsgi").symlink_to(ROOT)
    (tmp / "given.json").write_text(json.dumps({**variables, "role_path": str(ROLE)}))
    files = [ROLE / "defaults/main.yml", ROLE / "vars/main.yml", ROLE / "vars/debian.yml", tmp / "given.json"]
    source = ROLE / "templates/etc/apache2/evenkeel/remoteip.conf.j2"
    subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible"),
            "localhost",
            "-c",
            "local",
            "-m",
            "ansible.builtin.template",
            "-a",
            f"src={source} dest={tmp}/remoteip.conf",
            *(word for file in files for word in ("-e", f"@{file}")),
        ],
        check=True,
        capture_output=True,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(tmp)},
    )
    return (tmp / "remoteip.conf").read_text()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Host]:
    if not shutil.which("docker") or subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False).returncode:
        pytest.fail(f"there is no image {IMAGE}: run script/images, or name one in EVENKEEL_IMAGE")
    host = Host(f"{PREFIX}-remoteip-{uuid.uuid4().hex[:8]}")
    subprocess.run(
        [
            "docker",
            "run",
            "-d",
            "--rm",
            "--init",
            "--name",
            host.name,
            "--cap-add",
            "NET_ADMIN",
            "--tmpfs",
            "/tmp:exec",
            "--sysctl",
            "net.ipv6.conf.lo.disable_ipv6=0",
            "--entrypoint",
            "sleep",
            IMAGE,
            "600",
        ],
        check=True,
        capture_output=True,
    )
    try:
        host.run(
            "sh",
            "-c",
            "[ -e /usr/lib/apache2/modules/mod_wsgi.so ] || (apt-get update -qq && DEBIAN_FRONTEND=noninteractive"
            " apt-get install -qq --no-install-recommends apache2 libapache2-mod-wsgi-py3 iproute2) >/dev/null 2>&1",
        )
        for address in (ALB, ALB6, CDN, STRANGER, STRANGER6):
            host.run("ip", "address", "add", address, "dev", "lo")
        host.write("/tmp/remoteip/echo.wsgi", ECHO)
        own = yaml.safe_load((ROLE / "vars/debian.yml").read_text())["__remoteip_alb_modules"]
        modules = "\n".join(
            f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in ["mpm_event", "authz_core", "authz_host", "alias", "wsgi", *own]
        )
        for port, variables in TOPOLOGIES.items():
            host.write(f"/tmp/remoteip/{port}/remoteip.conf", render(tmp_path_factory.mktemp(str(port)), variables))
            host.write(f"/tmp/remoteip/{port}/httpd.conf", SERVER.format(port=port, modules=modules))
            host.run("apache2", "-f", f"/tmp/remoteip/{port}/httpd.conf")
            host.run(
                "sh",
                "-c",
                "python3 -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=5)' "
                f"http://127.0.0.1:{port}/ || {{ cat /tmp/remoteip/{port}/error.log; false; }}",
            )
        yield host
    finally:
        subprocess.run(["docker", "rm", "-f", host.name], capture_output=True, check=False)


def forwarded(*values: str) -> list[tuple[str, str]]:
    return [("X-Forwarded-For", value) for value in values]


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        pytest.param(ALB6, forwarded("203.0.113.1:54321"), "203.0.113.1", id="IPv6 balancer"),
        pytest.param(ALB6, forwarded("6.6.6.6", "[2001:db8::1]:443"), "2001:db8::1", id="IPv6 on both sides"),
        pytest.param(ALB, forwarded(f"6.6.6.6, 203.0.113.9, {CDN}:443"), "203.0.113.9", id="through the CDN"),
        pytest.param(CDN, forwarded("203.0.113.9"), "203.0.113.9", id="public peer"),
        pytest.param(ALB6, [], ALB6, id="health check"),
        pytest.param(STRANGER6, forwarded(f"203.0.113.1, {ALB}"), STRANGER6, id="untrusted that names a proxy"),
    ],
)
def test_client(host: Host, peer: str, headers: list[tuple[str, str]], client: str) -> None:
    seen = host.ask(peer, headers)
    assert seen["environ"]["REMOTE_ADDR"] == client
    assert seen["log"] == [client, client, peer]
    assert not [name for name in seen["environ"] if name.startswith(("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED"))]
    assert seen["environ"].get("HTTP_X_FORWARDED_BY") == (CDN if client == "203.0.113.9" else None)


@pytest.mark.parametrize(
    ("port", "chain"),
    [
        pytest.param(8084, "6.6.6.6, 203.0.113.9, 3.172.0.5:443", id="cloudfront+alb"),
        pytest.param(8084, "6.6.6.6, 203.0.113.9", id="past CloudFront"),
        pytest.param(8085, "6.6.6.6, 203.0.113.9", id="nginx"),
        pytest.param(8086, "6.6.6.6, 203.0.113.9", id="haproxy"),
    ],
)
def test_client_of_the_other_topologies(host: Host, port: int, chain: str) -> None:
    seen = host.ask(ALB, forwarded(chain), port=port)
    assert (seen["environ"]["REMOTE_ADDR"], seen["log"]) == ("203.0.113.9", ["203.0.113.9", "203.0.113.9", ALB])


@pytest.mark.parametrize("port", TOPOLOGIES)
@pytest.mark.parametrize("peer", [STRANGER, STRANGER6])
def test_nothing_that_a_stranger_claims_reaches_the_application(host: Host, peer: str, port: int) -> None:
    seen = host.ask(peer, list(CLAIMS.items()), port=port)["environ"]
    assert not [name for name in seen if name.startswith(("HTTP_X_FORWARDED", "HTTP_FORWARDED", "HTTP_X_REAL_IP"))]
    assert not {"HTTP_CF_CONNECTING_IP", "HTTP_TRUE_CLIENT_IP", "HTTP_X_EVENKEEL_CHAIN"} & set(seen)
    assert not {"HTTPS", "remoteip_trusted_peer"} & set(seen)
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == (peer, "http")


def test_direct_ignores_the_addresses_that_other_topologies_trust(host: Host) -> None:
    seen = host.ask(ALB, list(CLAIMS.items()), port=8082)
    assert seen["environ"]["REMOTE_ADDR"] == seen["log"][0] == ALB
    assert seen["environ"]["wsgi.url_scheme"] == "http"


def test_a_trusted_peer_passes_on_what_it_knows_and_not_what_it_was_told(host: Host) -> None:
    seen = host.ask(ALB, list(CLAIMS.items()))["environ"]
    assert seen["REMOTE_ADDR"] == "6.6.6.6"  # this balancer says so
    assert seen["HTTP_X_FORWARDED_HOST"] == "evil.example"
    assert not {"HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_BY"} & set(seen)


@pytest.mark.parametrize(
    ("peer", "proto", "scheme"),
    [
        (ALB, "https", "https"),
        (ALB6, "https", "https"),
        (CDN, "https", "https"),
        (ALB, "http", "http"),
        (ALB, "https, http", "http"),
        (STRANGER, "https", "http"),
        (STRANGER6, "https", "http"),
    ],
)
def test_scheme(host: Host, peer: str, proto: str, scheme: str) -> None:
    headers = [*forwarded("203.0.113.1:54321"), ("X-Forwarded-Proto", proto)]
    assert host.ask(peer, headers)["environ"]["wsgi.url_scheme"] == scheme


def test_error_documents_see_the_same_client(host: Host) -> None:
    seen = host.ask(ALB6, forwarded("203.0.113.1, 6.6.6.6:54321"), path="/only")
    assert seen["environ"]["REDIRECT_STATUS"] == "403"
    assert seen["environ"]["REMOTE_ADDR"] == seen["log"][0] == "6.6.6.6"


def test_what_was_claimed_is_left_for_the_log(host: Host) -> None:
    assert host.ask(ALB, forwarded("6.6.6.6, 203.0.113.1:54321"))["environ"]["remoteip_chain"] == "6.6.6.6, 203.0.113.1:54321"
    for port in TOPOLOGIES:
        assert host.ask(STRANGER, [*forwarded("6.6.6.6"), ("X-Evenkeel-Chain", "7.7.7.7")], port=port)["environ"]["remoteip_chain"] == "6.6.6.6"


PROXY = "PROXY TCP4 203.0.113.1 10.77.1.9 54321 80"


def test_a_network_load_balancer_says_who_the_client_is_in_front_of_the_connection(host: Host) -> None:
    for peer, line, client in [(ALB, PROXY, "203.0.113.1"), (ALB6, PROXY, "203.0.113.1"), (ALB, "PROXY TCP6 2001:db8::1 fd12::9 54321 80", "2001:db8::1")]:
        seen = host.ask(peer, list(CLAIMS.items()), port=8083, proxy=line)
        assert seen["environ"]["REMOTE_ADDR"] == client
        assert seen["log"] == [client, client, peer]


@pytest.mark.parametrize("peer", [STRANGER, STRANGER6, "127.0.0.1"])
def test_who_is_not_that_balancer_can_not_speak_its_protocol(host: Host, peer: str) -> None:
    assert host.ask(peer, [], port=8083, proxy=PROXY)["status"] == 400
    assert host.ask(peer, [], port=8083)["environ"]["REMOTE_ADDR"] == peer
