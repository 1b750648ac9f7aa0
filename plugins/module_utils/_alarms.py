# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alarms as one list: what each must have, and the files that Prometheus and promtool take. No Ansible in here."""

from __future__ import annotations

import dataclasses
import re
import typing as t

NAME = re.compile(r"[A-Z][A-Za-z0-9]*")
DURATION = re.compile(r"(?:\d+[smhd])+")
SEVERITIES = ("critical", "warning")
REQUIRED = ("name", "severity", "owner", "expr", "says", "test")
KEYS = (*REQUIRED, "for", "runbook")
TEST_KEYS = ("at", "firing", "quiet")
STEP = "15s"  # between two values of a test's series


class AlarmError(Exception):
    """An alarm that must not be deployed; the text names each alarm and what it lacks."""


@dataclasses.dataclass(frozen=True)
class Alarm:
    """One alarm.

    expr: PromQL; hold: how long it must be true, such as 1m, empty for at once; says: what people read, with Prometheus' {{ $labels }};
    runbook: URL; at: when the test looks; firing, quiet: {series: values every STEP}.
    """

    name: str
    severity: str
    owner: str
    expr: str
    says: str
    hold: str
    runbook: str
    at: str
    firing: t.Mapping[str, str]
    quiet: t.Mapping[str, str]


def settle(given: t.Iterable[t.Mapping[str, t.Any]], runbooks: str) -> list[Alarm]:
    """Check a list of alarms and fill in what follows. runbooks: URL of the folder where each alarm has its page, NAME.md."""
    wrong: list[str] = []
    alarms = []
    seen: set[str] = set()
    for position, raw in enumerate(given, 1):
        name = str(raw.get("name") or f"alarm {position}")
        faults = list(_faults(raw))
        if name in seen:
            faults.append("there are two alarms of this name; rename one")
        seen.add(name)
        wrong += [f"{name}: {fault}" for fault in faults]
        if not faults:
            alarms.append(_alarm(raw, runbooks))
    if wrong:
        raise AlarmError("these alarms must not be deployed:" + "".join(f"\n- {fault}" for fault in wrong))
    return alarms


def _faults(raw: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    for key in REQUIRED:
        if not raw.get(key):
            yield f"has no {key}"
    for key in sorted(set(raw) - set(KEYS)):
        yield f"{key} is not a key of an alarm; it has {', '.join(KEYS)}"
    if raw.get("name") and not NAME.fullmatch(str(raw["name"])):
        yield f"name {raw['name']!r}: write letters and digits with a capital first, such as QueueFull"
    if raw.get("severity") and raw["severity"] not in SEVERITIES:
        yield f"severity {raw['severity']!r}: write {' or '.join(SEVERITIES)}"
    if raw.get("for") and not DURATION.fullmatch(str(raw["for"])):
        yield f"for {raw['for']!r}: write a time such as 30s or 5m"
    if raw.get("runbook") and not re.fullmatch(r"https?://\S+", str(raw["runbook"])):
        yield f"runbook {raw['runbook']!r}: write the URL of the page"
    if raw.get("test"):
        yield from _test_faults(raw["test"])


def _test_faults(test: t.Any) -> t.Iterator[str]:
    if not isinstance(test, t.Mapping) or sorted(test) != sorted(TEST_KEYS):
        yield f"test: write {', '.join(TEST_KEYS)}: when to look, series that raise the alarm, and series that do not"
        return
    if not DURATION.fullmatch(str(test["at"])):
        yield f"test.at {test['at']!r}: write a time such as 2m"
    for kind in ("firing", "quiet"):
        series = test[kind]
        if not isinstance(series, t.Mapping) or not series or not all(isinstance(values, str) for values in series.values()):
            yield f"test.{kind}: write series with their values as text, such as {{'apache_up': '0x20'}} (in quotes: YAML reads 0x20 as 32)"


def _alarm(raw: t.Mapping[str, t.Any], runbooks: str) -> Alarm:
    name, test = str(raw["name"]), raw["test"]
    return Alarm(
        name=name,
        severity=str(raw["severity"]),
        owner=str(raw["owner"]),
        expr=str(raw["expr"]).strip(),
        says=str(raw["says"]).strip(),
        hold=str(raw.get("for") or ""),
        runbook=str(raw.get("runbook") or f"{runbooks.rstrip('/')}/{name}.md"),
        at=str(test["at"]),
        firing=dict(test["firing"]),
        quiet=dict(test["quiet"]),
    )


def rules(alarms: t.Iterable[Alarm]) -> dict[str, t.Any]:
    """Write them as Prometheus' rule file."""
    return {"groups": [{"name": "evenkeel", "rules": [_rule(alarm) for alarm in alarms]}]}


def _rule(alarm: Alarm) -> dict[str, t.Any]:
    return {
        "alert": alarm.name,
        "expr": alarm.expr,
        **({"for": alarm.hold} if alarm.hold else {}),
        "labels": {"severity": alarm.severity, "owner": alarm.owner},
        "annotations": {"summary": alarm.says, "runbook_url": alarm.runbook},
    }


def tests(alarms: t.Iterable[Alarm], rule_file: str) -> dict[str, t.Any]:
    """Write the file for ``promtool test rules``: each alarm fires when it should and is quiet when it should."""
    cases = [_case(alarm, kind) for alarm in alarms for kind in ("firing", "quiet")]
    return {"rule_files": [rule_file], "evaluation_interval": STEP, "tests": cases}


def _case(alarm: Alarm, kind: str) -> dict[str, t.Any]:
    series = alarm.firing if kind == "firing" else alarm.quiet
    return {
        "name": f"{alarm.name} {kind}",
        "interval": STEP,
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{alarm.name}",alertstate="firing"}}) or vector(0)',
                "eval_time": alarm.at,
                "exp_samples": [{"labels": "{}", "value": 1 if kind == "firing" else 0}],
            }
        ],
    }
