#!/usr/bin/python
# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: alb_attributes
short_description: Whether an Application Load Balancer says who its clients are
version_added: "0.1.0"
description:
  - Reads those attributes of an Application Load Balancer on which the client's address and the timeouts depend, and the networks of its
    subnets. Sets the attributes when asked to. Attributes that AWS does not tell count as AWS's defaults.
  - Runs where the credentials are, so mostly delegated to the controller. There it needs the collection C(amazon.aws), boto3 and botocore.
  - C(amazon.aws.elb_application_lb) can not set the mode of header processing and needs the balancer's listeners stated.
options:
  name:
    description: Name of the load balancer.
    type: str
    required: true
  idle_timeout:
    description: The idle timeout that it should have, in seconds.
    type: int
    required: true
  state:
    description: V(read) changes nothing. V(set) sets what differs.
    type: str
    choices: [read, set]
    default: read
  region:
    description: The balancer's region.
    type: str
    required: true
  profile:
    description: The profile of the AWS configuration to use. Without one, the credentials come from where boto3 looks for them.
    type: str
  endpoint_url:
    description: Another address of the API.
    type: str
requirements:
  - The collection amazon.aws, boto3 and botocore
author:
  - evenkeel.wsgi authors (@evenkeel)
attributes:
  check_mode:
    support: full
    description: Reads, and says what would be set.
  diff_mode:
    support: full
    description: Shows the attributes that differ.
"""

EXAMPLES = r"""
- name: Ask a load balancer
  evenkeel.wsgi.alb_attributes:
    name: shop
    region: eu-central-1
    idle_timeout: 60
  delegate_to: localhost
  register: alb
  # => alb.drift: [{"attribute": "routing.http.xff_header_processing.mode", "found": "preserve", "wanted": "append", "why": "…"}]
  # => alb.networks: ["10.0.1.0/24", "10.0.2.0/24"]
"""

RETURN = r"""
attributes:
  description: The attributes that matter, after what was set.
  type: dict
  returned: always
drift:
  description: What differed.
  type: list
  elements: dict
  returned: always
  contains:
    attribute:
      description: Name of the attribute.
      type: str
    found:
      description: What it was.
      type: str
    wanted:
      description: What it should be.
      type: str
    why:
      description: What follows from it.
      type: str
networks:
  description: The networks of the balancer's subnets, from which it connects.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.evenkeel.wsgi.plugins.module_utils._proxies import alb

try:
    import botocore.exceptions
    from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

    HAS_AMAZON_AWS = True
except ImportError:
    HAS_AMAZON_AWS = False

SPEC = {
    "name": {"type": "str", "required": True},
    "idle_timeout": {"type": "int", "required": True},
    "state": {"type": "str", "choices": ["read", "set"], "default": "read"},
    "region": {"type": "str", "required": True},
    "profile": {"type": "str"},
    "endpoint_url": {"type": "str"},
}


def networks(ec2, subnets):
    """Networks of these subnets, IPv4 and IPv6."""
    found = []
    for subnet in ec2.describe_subnets(SubnetIds=subnets)["Subnets"]:
        found.append(subnet["CidrBlock"])
        found += [each["Ipv6CidrBlock"] for each in subnet.get("Ipv6CidrBlockAssociationSet", []) if each["Ipv6CidrBlockState"]["State"] == "associated"]
    return sorted(found)


def run(module):
    """The module's result."""
    elbv2 = module.client("elbv2")
    balancer = elbv2.describe_load_balancers(Names=[module.params["name"]])["LoadBalancers"][0]
    if balancer["Type"] != "application":
        module.fail_json(
            msg="%s is a load balancer of type %s; only an Application Load Balancer has these attributes" % (balancer["LoadBalancerName"], balancer["Type"])
        )
    arn = balancer["LoadBalancerArn"]
    told = {each["Key"]: each["Value"] for each in elbv2.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]}
    drift = alb.drift(told, module.params["idle_timeout"])
    wanted = {each.attribute: each.wanted for each in drift}
    changed = bool(drift) and module.params["state"] == "set"
    if changed and not module.check_mode:
        elbv2.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[{"Key": key, "Value": value} for key, value in wanted.items()])
    return {
        "changed": changed,
        "attributes": alb.effective({**told, **wanted} if changed else told),
        "drift": [each.as_dict() for each in drift],
        "networks": networks(module.client("ec2"), [zone["SubnetId"] for zone in balancer["AvailabilityZones"]]),
        "diff": {"before": {each.attribute: each.found for each in drift}, "after": wanted} if changed else {},
    }


def main():
    if not HAS_AMAZON_AWS:
        AnsibleModule(argument_spec=SPEC, supports_check_mode=True).fail_json(msg=missing_required_lib("botocore and the collection amazon.aws"))
    module = AnsibleAWSModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        module.exit_json(**run(module))
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as exc:
        module.fail_json_aws(exc, msg="Could not ask AWS about the load balancer %s" % module.params["name"])


if __name__ == "__main__":
    main()
