# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""argument_specs is each role's contract: defaults, README and tasks cannot disagree with it."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[3]
ROLES = sorted(path.parent.parent for path in ROOT.glob("roles/*/meta/argument_specs.yml"))
each_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def load(path: pathlib.Path) -> t.Any:
    return yaml.safe_load(path.read_text())


def options(role: pathlib.Path) -> dict[str, t.Any]:
    return load(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]


def test_the_five_roles() -> None:
    assert [role.name for role in ROLES] == ["apache_event", "celery_multi", "mod_wsgi_daemon", "remoteip_alb", "security_baseline"]


@each_role
def test_defaults_are_the_specified_ones(role: pathlib.Path) -> None:
    stated = {name: spec["default"] for name, spec in options(role).items() if "default" in spec}
    assert load(role / "defaults/main.yml") == stated


@each_role
def test_options_are_named_typed_and_described(role: pathlib.Path) -> None:
    for name, spec in options(role).items():
        assert name.startswith(f"{role.name}_")
        assert {"type", "description"} <= spec.keys(), name


@each_role
def test_readme_lists_every_option(role: pathlib.Path) -> None:
    rows = re.findall(r"^\| (\w+) \|", (role / "README.md").read_text(), re.MULTILINE)
    assert set(options(role)) <= set(rows)
    assert {row for row in rows if row.startswith(f"{role.name}_")} <= set(options(role)) | {"apache_event_stage"}


@each_role
def test_no_role_reads_another_roles_variables(role: pathlib.Path) -> None:
    others = [other.name for other in ROLES if other != role]
    allowed = {"apache_event_stage"}  # the one hand-over, an argument of apache_event's entry point `stage`
    for path in [*role.rglob("*.yml"), *role.rglob("*.j2")]:
        found = re.findall(rf"\b_*(?:{'|'.join(others)})_[a-z_]+", path.read_text())
        assert set(found) <= allowed, path


@each_role
def test_internal_names_carry_the_roles_name(role: pathlib.Path) -> None:
    for path in role.glob("vars/*.yml"):
        assert all(name.startswith(f"__{role.name}_") for name in load(path)), path


@each_role
def test_every_platform_has_the_same_names(role: pathlib.Path) -> None:
    platforms = [path for path in role.glob("vars/*.yml") if path.name != "main.yml"]
    assert len({frozenset(load(path)) for path in platforms}) == 1
