# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to happen so that a host's Celery nodes are the wanted ones. No Ansible and no I/O in here.

Files say what a node should be, but not what the running process was started with: a run may end between writing a file and
restarting the node. So the host keeps a record, node -> digest of everything that node was last started with by us. A node
is restarted when its digest differs, and its record is deleted before its files are touched. Whatever is killed in
between, the next run finds no record and restarts it.
"""

from __future__ import annotations

import hashlib
import json
import re
import typing as t
from dataclasses import dataclass

FIRST_LINE = "# Managed by evenkeel.wsgi.celery_nodes"
SERVICE = "celery.service"
_UNIT = re.compile(r"celery(@[A-Za-z0-9_-]+(\.[a-z]+)?)?\.service")


class NodesError(Exception):
    """Nodes that cannot be as wanted; the text says why and what to change."""


@dataclass(frozen=True)
class Record:
    """What the last runs left on the host."""

    nodes: t.Mapping[str, str]
    """Node -> digest of what it was started with."""
    files: tuple[str, ...]
    """Paths of environment files and programs that are ours to remove."""

    @classmethod
    def parse(cls, content: bytes | None) -> Record:
        """Read a record; one that is missing or cannot be read only costs a restart."""
        try:
            data = json.loads(content or b"{}")
            return cls(dict(data.get("nodes", {})), tuple(data.get("files", ())))
        except (ValueError, TypeError, AttributeError):
            return cls({}, ())

    def dump(self) -> bytes:
        """Return the record as it is stored."""
        return (json.dumps({"nodes": dict(self.nodes), "files": sorted(self.files)}, indent=1) + "\n").encode()


@dataclass(frozen=True)
class State:
    """What systemd says of one unit."""

    active: bool
    """Running or reloading; not waiting for its next attempt."""
    main_pid: int
    restarts: int
    enabled: bool
    stale: bool
    """systemd has not read the unit's newest file yet."""
    sub: str

    @classmethod
    def parse(cls, block: str) -> State:
        """Read one block of `systemctl show`."""
        facts = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        return cls(
            active=facts.get("ActiveState") in ("active", "reloading"),
            main_pid=int(facts.get("MainPID") or 0),
            restarts=int(facts.get("NRestarts") or 0),
            enabled=facts.get("UnitFileState") == "enabled",
            stale=facts.get("NeedDaemonReload") == "yes",
            sub=facts.get("SubState", ""),
        )


PROPERTIES = "Id,ActiveState,SubState,MainPID,NRestarts,UnitFileState,NeedDaemonReload"
ABSENT = State(active=False, main_pid=0, restarts=0, enabled=False, stale=False, sub="dead")


@dataclass(frozen=True)
class Actions:
    """What has to happen, in the order of the fields."""

    forget: tuple[str, ...]
    """Nodes whose record goes first."""
    stop: tuple[str, ...]
    """Units to stop, after their running tasks, because they are no longer wanted."""
    remove: tuple[str, ...]
    """Unit files to remove."""
    write: tuple[str, ...]
    """Unit files to write."""
    enable: bool
    restart: tuple[str, ...]
    """Nodes that run with something else than what is wanted."""
    start: tuple[str, ...]
    """Nodes that do not run."""
    start_service: bool

    @property
    def any(self) -> bool:
        """Whether anything has to happen."""
        return bool(self.forget or self.stop or self.remove or self.write or self.enable or self.restart or self.start or self.start_service)


def unit(node: str) -> str:
    """Return the name of a node's unit."""
    return f"celery@{node}.service"


def node_of(name: str) -> str:
    """Return the node of a unit, empty for the service itself."""
    return name[len("celery@") : -len(".service")] if "@" in name else ""


def environment_files(text: str) -> list[str]:
    """Return the environment files that a unit reads."""
    return [path.lstrip("-").strip() for path in re.findall(r"^EnvironmentFile=(.+)$", text, re.MULTILINE)]


_LIVE = re.compile(r"^(?:Description|MemoryMax|TimeoutStopSec)=.*\n", re.MULTILINE)


def started_with(text: str) -> str:
    """Return the text of a unit without the settings that a running unit takes over when systemd reads its file again."""
    return _LIVE.sub("", text)


def memory_max(text: str) -> str:
    """Return the MemoryMax of a unit, empty if it has none."""
    return "".join(re.findall(r"^MemoryMax=(\S+)$", text, re.MULTILINE)[-1:])


def digest(text: str, environment: t.Mapping[str, str], revisions: t.Sequence[str], code: str) -> str:
    """Fingerprint everything that a node is started with; environment maps path -> content, revisions are any texts."""
    parts = [started_with(text), *revisions, code, *(f"{path}\n{environment.get(path, '')}" for path in environment_files(text))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def check(units: t.Mapping[str, str], nodes: t.Collection[str]) -> None:
    """Refuse units and nodes that do not belong together."""
    for name, text in units.items():
        if not _UNIT.fullmatch(name):
            raise NodesError(f"units holds {name!r}: write celery.service or celery@NODE.service")
        if text.split("\n", 1)[0] != FIRST_LINE:
            raise NodesError(f"units[{name!r}] must begin with the line {FIRST_LINE!r}, by which it is found again")
    expected = {SERVICE, *(unit(node) for node in nodes)} if nodes else set()
    if set(units) != expected:
        odd = ", ".join(sorted(set(units) ^ expected))
        raise NodesError(f"units and nodes do not agree on {odd}: give celery.service and one celery@NODE.service for each node")


def plan(
    *,
    wanted: t.Mapping[str, str],
    have: t.Mapping[str, str],
    digests: t.Mapping[str, str],
    rewritten: t.Collection[str] = (),
    programs: t.Collection[str] = (),
    record: Record,
    states: t.Mapping[str, State],
) -> Actions:
    """Compare what is wanted with what is there.

    wanted, have: unit -> text of the file; digests: wanted node -> digest; rewritten: environment files and programs that
    hold something else; programs: paths of the files that every node runs; states: unit -> State of all those units.
    """
    write = tuple(name for name, text in wanted.items() if have.get(name) != text)
    remove = tuple(name for name in have if name not in wanted)
    # A file that is not as we left it was changed by hand, and its node may have been started with that.
    changed = {name for name in write if started_with(have.get(name, "")) != started_with(wanted[name])}
    differs = {
        node
        for node, wanted_digest in digests.items()
        if record.nodes.get(node) != wanted_digest
        or unit(node) in changed
        or not set(rewritten).isdisjoint([*environment_files(wanted[unit(node)]), *programs])
    }
    running = {node for node in digests if states.get(unit(node), ABSENT).active}
    service = states.get(SERVICE, ABSENT)
    return Actions(
        forget=tuple(sorted(node for node in record.nodes if node in differs or node not in digests)),
        # Without nodes the service goes too; stopping it stops them all and waits.
        stop=tuple(sorted(remove, key=lambda name: name == SERVICE)),
        remove=remove,
        write=write,
        enable=bool(wanted) and not service.enabled,
        restart=tuple(sorted(differs & running)),
        start=tuple(sorted(set(digests) - running)),
        start_service=bool(wanted) and not service.active,
    )


def differences(folder: str, have: t.Mapping[str, str], wanted: t.Mapping[str, str], files: t.Iterable[str]) -> list[dict[str, str]]:
    """Return what changes in files, for --diff; of an environment file not a word of its content."""
    texts = []
    for name in sorted({*have, *wanted}):
        if have.get(name) != wanted.get(name):
            path = f"{folder}/{name}"
            before, after = have.get(name, ""), wanted.get(name, "")
            texts.append({"before_header": path, "after_header": path, "before": before, "after": after})
    return texts + [{"prepared": f"{path} changes (its content is not shown)\n"} for path in files]
