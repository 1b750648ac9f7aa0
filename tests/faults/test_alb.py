# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role remoteip_alb against AWS as moto plays it: reads, refuses, sets, and takes the networks from the subnets.

The role runs on this machine, which it only asks: the configuration is staged and applied nowhere.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

ROOT = Path(__file__).resolve().parents[2]
REGION = "eu-central-1"
KEYS = {"AWS_ACCESS_KEY_ID": "not-a-key", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}
PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars: {apache_event_defer_apply: true}
  tasks:
    - ansible.builtin.import_role: {name: evenkeel.wsgi.remoteip_alb}
    - ansible.builtin.debug: {var: __apache_event_staged.remoteip_alb.fragments.remoteip}
"""


class Balancer:
    """One load balancer in two subnets, and the role that asks for it."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        self.endpoint, self.folder = endpoint, folder
        client = {"endpoint_url": endpoint, "region_name": REGION, "aws_access_key_id": "x", "aws_secret_access_key": "x"}
        ec2, self.elbv2 = boto3.client("ec2", **client), boto3.client("elbv2", **client)
        vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
        subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.20.{i}.0/24", AvailabilityZone=REGION + "ab"[i - 1])["Subnet"]["SubnetId"] for i in (1, 2)]
        made = self.elbv2.create_load_balancer(Name="shop", Subnets=subnets, Type="application")
        self.arn = made["LoadBalancers"][0]["LoadBalancerArn"]

    def set(self, **attributes: str) -> None:
        given = [{"Key": key.replace("__", "."), "Value": value} for key, value in attributes.items()]
        self.elbv2.modify_load_balancer_attributes(LoadBalancerArn=self.arn, Attributes=given)

    def attributes(self) -> dict[str, str]:
        return {each["Key"]: each["Value"] for each in self.elbv2.describe_load_balancer_attributes(LoadBalancerArn=self.arn)["Attributes"]}

    def role(self, *options: str, manage: bool = False, **variables: t.Any) -> tuple[int, str]:
        """(exit code, all that was printed) of the role."""
        (self.folder / "play.yml").write_text(PLAY)
        asked = {"load_balancer": "shop", "region": REGION, "endpoint_url": self.endpoint, "manage": manage}
        return self.play(*options, "play.yml", **{"remoteip_alb_aws": asked, **variables})

    def play(self, *options: str, **variables: t.Any) -> tuple[int, str]:
        """(exit code, all that was printed) of a playbook."""
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-e", json.dumps(variables), *options]
        environment = {**os.environ, **KEYS, "ANSIBLE_COLLECTIONS_PATH": str(self.folder / "collections")}
        environment.update(ANSIBLE_PYTHON_INTERPRETER=sys.executable, ANSIBLE_HOME=str(self.folder))
        done = subprocess.run(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=environment)
        return done.returncode, " ".join(done.stdout.split())


@pytest.fixture
def balancer(tmp_path: Path) -> t.Iterator[Balancer]:
    collections = tmp_path / "collections/ansible_collections/evenkeel"
    collections.mkdir(parents=True)
    (collections / "wsgi").symlink_to(ROOT)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Balancer(f"http://{host}:{port}", tmp_path)
    finally:
        server.stop()


def test_networks_come_from_the_subnets_and_defaults_stand_for_what_aws_does_not_tell(balancer: Balancer) -> None:
    code, output = balancer.role()
    assert code == 0, output
    assert "RemoteIPInternalProxy 10.20.1.0/24\\nRemoteIPInternalProxy 10.20.2.0/24" in output
    assert '"attribute": "routing.http.drop_invalid_header_fields.enabled"' in output, "its default is not what is wanted"
    assert '"attribute": "routing.http.xff_header_processing.mode"' not in output
    assert "changed=0" in output


def test_a_balancer_that_lets_clients_write_the_header_is_refused_until_it_may_be_set(balancer: Balancer) -> None:
    balancer.set(routing__http__xff_header_processing__mode="preserve", idle_timeout__timeout_seconds="120")
    before = balancer.attributes()
    code, output = balancer.role()
    assert code != 0
    assert '"found": "preserve"' in output
    assert "remoteip_alb_aws.manage: true" in output
    code, output = balancer.role("--check", manage=True)
    assert (code, balancer.attributes()) == (0, before), output
    code, output = balancer.role(manage=True)
    assert code == 0, output
    assert (
        balancer.attributes().items()
        >= {
            "routing.http.xff_header_processing.mode": "append",
            "routing.http.drop_invalid_header_fields.enabled": "true",
            "idle_timeout.timeout_seconds": "60",
        }.items()
    )
    code, output = balancer.role(manage=True)
    assert (code, "changed=0" in output) == (0, True), output


def test_an_idle_timeout_that_the_plan_does_not_know_is_refused(balancer: Balancer) -> None:
    balancer.set(idle_timeout__timeout_seconds="300", client_keep_alive__seconds="900")
    code, output = balancer.role()
    assert code != 0
    assert "make remoteip_alb_idle_timeout what the balancer has" in output
    code, output = balancer.role(remoteip_alb_idle_timeout=300)
    assert (code, '"client_keep_alive.seconds": "900"' in output) == (0, True), output


def test_the_subnets_as_a_dated_file(balancer: Balancer) -> None:
    folder = balancer.folder / "providers"
    asked = {"name": "shop", "region": REGION, "endpoint_url": balancer.endpoint}
    code, output = balancer.play("--tags", "alb", "evenkeel.wsgi.update_providers", evenkeel_load_balancer=asked, evenkeel_provider_directory=str(folder))
    assert code == 0, output
    networks = "{{ query('evenkeel.wsgi.provider_hop', 'alb', directory='%s') | map(attribute='networks') | flatten }}" % folder
    code, output = balancer.role(remoteip_alb_aws={}, remoteip_alb_networks=networks)
    assert code == 0, output
    assert "RemoteIPInternalProxy 10.20.1.0/24\\nRemoteIPInternalProxy 10.20.2.0/24" in output
    (folder / "alb.yml").write_text(re.sub("date: .*", "date: 2020-01-31", (folder / "alb.yml").read_text()))
    code, output = balancer.role(remoteip_alb_aws={}, remoteip_alb_networks=networks)
    assert (code != 0, "days old; the limit is 365" in output) == (True, True), output
