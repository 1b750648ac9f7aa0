# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The deployment side of an application: names, paths and addresses that are safe to write into Apache's configuration.

Pure: no Ansible import. The workload side (latency, memory, rate) belongs to `_capacity`, what two applications can take from
each other to `_application_claims`.
"""

from __future__ import annotations

import math
import posixpath
import re
import typing as t

from ansible_collections.evenkeel.wsgi.plugins.module_utils._application_claims import check_claims
from ansible_collections.evenkeel.wsgi.plugins.module_utils._application_errors import VARIABLE, ApplicationError
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.constants import APP_MEMORY

# What each text may look like, and the words for the error. Everything here ends up in Apache's configuration, in a file name or
# in a user database, so each is a list of what is allowed, not of what is forbidden.
_HOST = r"(?=.{1,253}\Z)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
_SEGMENT = r"[A-Za-z0-9_~@+-][A-Za-z0-9._~@+-]{0,99}"
_RELATIVE = _SEGMENT + r"(?:/" + _SEGMENT + r"){0,9}"
_ABSOLUTE = r"(?:/" + _SEGMENT + r"){1,20}"
_URL_PATH = r"[A-Za-z0-9._~@+-]{1,100}(?:/[A-Za-z0-9._~@+-]{1,100}){0,9}"
PATTERNS: dict[str, tuple[str, str]] = {
    "name": (r"[a-z][a-z0-9_-]{0,30}", "start with a lower-case letter, then letters, digits, - and _, 31 at most: shop"),
    "user": (r"[a-z_][a-z0-9_-]{0,30}", "a system user's name: shop"),
    "group": (r"[a-z_][a-z0-9_-]{0,30}", "a system group's name: shop"),
    "server_name": (_HOST, "one host name without scheme, port or spaces, a foreign one in punycode: shop.example.org"),
    "server_aliases": (r"(?:\*\.)?" + _HOST, "host names, with *. in front at most: www.example.org"),
    "directory": (_ABSOLUTE, "an absolute path without spaces and without segments that start with a dot: /srv/shop"),
    "python": (r"(?:/[A-Za-z0-9._~@+-]{1,100}){1,20}", "the absolute path of a Python: /usr/bin/python3"),
    "requirements": (_RELATIVE, "a path relative to the release: requirements.txt"),
    "wsgi_script": (
        _RELATIVE + r"|[A-Za-z_]\w{0,99}(?:\.[A-Za-z_]\w{0,99}){0,9}:[A-Za-z_]\w{0,99}",
        "a path relative to the release, shop/wsgi.py, or a module with its callable, shop.wsgi:application",
    ),
    "mount_point": (r"/(?:" + _URL_PATH + r")?", "a URL path without a / at its end: /shop"),
    "health_path": (r"/(?:" + _URL_PATH + r"/?)?", "a URL path: /healthz"),
    "url": (r"/" + _URL_PATH + r"/?", "a URL path: /static/"),
    "static path": (_RELATIVE + "/?", "a path relative to the release, below it and without segments that start with a dot: static"),
    "folder": (_SEGMENT, "the name of one folder beside the releases: media"),
    "certificate": (_ABSOLUTE, "the absolute path of a PEM file on the host: /etc/ssl/shop.crt"),
    "certificate_key": (_ABSOLUTE, "the absolute path of a PEM file on the host: /etc/ssl/private/shop.key"),
    "environment": (r"[A-Za-z_][A-Za-z0-9_]{0,200}", "the name of an environment variable: DJANGO_SETTINGS_MODULE"),
    "secrets": (r"[A-Za-z_][A-Za-z0-9_]{0,200}", "the name of an environment variable: SECRET_KEY"),
    "slow_routes path": (r"/" + _URL_PATH + r"/?", "a URL path below the application: /reports"),
}
DEPLOYS = ("bluegreen", "single")
STAGES = ("before", "after")
# Users that already mean something to the system: daemon processes of an application must not share their rights.
SYSTEM_USERS = frozenset(
    {
        *("root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data", "backup", "list", "irc"),
        *("nobody", "adm", "sudo", "shadow", "disk", "docker", "staff", "users", "apache", "messagebus", "sshd", "polkitd", "redis", "rabbitmq"),
        *("postgres", "mysql", "memcache", "prometheus", "systemd-network", "systemd-journal"),
    }
)
# Folders of the application's directory that are the collection's own.
OWN_FOLDERS = ("releases", "current", "slots", "entry.wsgi")
# Where the service's sandbox shows an application an empty or a private folder, and where a folder of its own is no folder of its own.
NO_HOME = ("/tmp", "/var/tmp", "/home", "/root", "/run", "/dev", "/proc", "/sys", "/etc", "/usr", "/bin", "/sbin", "/lib", "/boot")
SHARED = ("/srv", "/opt", "/var", "/var/www", "/var/lib", "/var/log", "/var/cache", "/mnt", "/media")
# What WSGIDaemonProcess could be told and must not, with what to write instead.
OPTIONS_OF_OURS = {
    "user": "Write user of the application",
    "group": "Write group of the application",
    "supplementary-groups": "Another group's files would be the application's; give the application's own group what it needs",
    "home": "A process works in its release; open other files by absolute paths",
    "chroot": "Neither the release nor its virtualenv is inside a chroot",
    "python-home": "It is the release's own virtualenv, venv/",
    "python-path": "The release comes first on sys.path, packages come from its virtualenv; name what is missing in requirements",
    "python-eggs": "pip unpacks what it installs; no process needs a cache of eggs",
    "display-name": "It is how the metrics and a deploy tell the groups' processes apart",
    "socket-user": "Apache could not connect to the group's socket any more, and every request would be 503",
    "script-user": "It is the owner of the file that mod_wsgi runs, root",
    "script-group": "It is the group of the file that mod_wsgi runs, root",
    "memory-limit": "Write memory_limit_mib of the application, in MiB",
    "maximum-requests": "Write recycle_requests: processes that share the load reach one number together, and few would be left to serve",
    "restart-interval": "Write recycle_interval_s: all processes of a group would restart at the same instant, and nothing would serve",
}
# What the other options with a text may hold; numbers are the plan's.
OPTION_TEXTS = {
    "lang": (r"[A-Za-z0-9_.@-]{1,64}", "C.UTF-8"),
    "locale": (r"[A-Za-z0-9_.@-]{1,64}", "C.UTF-8"),
    "umask": (r"0?[0-7]{1,3}", "0027"),
    "server-metrics": (r"On|Off", "On"),
    "newrelic-config-file": (_ABSOLUTE, "/etc/newrelic.ini"),
    "newrelic-environment": (r"[A-Za-z0-9_.-]{1,64}", "production"),
}
# Read when an interpreter starts, so never by a process that mod_wsgi has started already; they only break what it starts itself.
READ_AT_START = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "VIRTUAL_ENV", "LD_PRELOAD", "LD_LIBRARY_PATH")
NUMBERS = {
    "static_max_age_s": (0, 31536000),
    "request_body_limit_mib": (0, 1048576),
    "memory_limit_mib": (32, 1048576),
    "recycle_interval_s": (60, 31536000),
    "recycle_requests": (1000, 1000000000),
}


def _shown(value: t.Any) -> str:
    """A value as an error shows it, cut off when it is long."""
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


def _check(where: str, value: t.Any, pattern: str) -> str:
    expression, instead = PATTERNS[pattern]
    if not isinstance(value, str) or not re.fullmatch(expression, value) or {".", ".."} & set(value.split("/")):
        raise ApplicationError(f"{where}: {_shown(value)} is not allowed here. Write {instead}")
    return value


def _check_numbers(where: str, settled: t.Mapping[str, t.Any]) -> None:
    for key, (low, high) in NUMBERS.items():
        value = settled[key]
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high):
            raise ApplicationError(f"{where}.{key}: {value!r} is not a whole number from {low} to {high}. Write one, or leave it out")
    cap, need = settled["memory_limit_mib"], settled.get("memory_mib", APP_MEMORY)
    if cap is not None and isinstance(need, (int, float)) and cap < need * 1.5:
        raise ApplicationError(
            f"{where}.memory_limit_mib: {cap} is hardly more than memory_mib, {need}, which each process needs. Write {math.ceil(need * 2)}, twice as much"
        )


def _check_account(where: str, settled: t.Mapping[str, t.Any]) -> None:
    for key in ("user", "group"):
        if settled[key] in SYSTEM_USERS:
            raise ApplicationError(
                f"{where}.{key}: {settled[key]!r} has rights of its own on this system. Leave it out to get a {key} named {settled['name']!r}"
            )


def _check_directory(where: str, directory: str) -> None:
    inside = [parent for parent in NO_HOME if directory == parent or directory.startswith(parent + "/")]
    if inside:
        raise ApplicationError(f"{where}.directory: {directory!r} lies in {inside[0]}, which Apache's service does not share with others. Write /srv/…")
    if directory in SHARED:
        raise ApplicationError(f"{where}.directory: {directory!r} is a folder that others use too. Write one below it: {directory}/shop")


def _check_folders(where: str, settled: t.Mapping[str, t.Any]) -> None:
    """Static files come from the release, media and writable folders lie beside the releases."""
    for url, path in settled["static"].items():
        _check(f"{where}.static", url, "url")
        _check(f"{where}.static[{url!r}]", path, "static path")
        folder = path.rstrip("/")
        if folder.split("/")[0] == "venv" or settled["wsgi_script"].startswith(folder + "/"):
            raise ApplicationError(
                f"{where}.static[{url!r}]: Apache would serve the application's code in {path!r} to everybody. Write a folder of files that "
                "the public may read, such as static"
            )
    for url, folder in settled["media"].items():
        _check(f"{where}.media", url, "url")
        _check(f"{where}.media[{url!r}]", folder, "folder")
    for number, folder in enumerate(settled["writable"]):
        _check(f"{where}.writable[{number}]", folder, "folder")
    for folder in (*settled["media"].values(), *settled["writable"]):
        if folder in OWN_FOLDERS:
            raise ApplicationError(f"{where}: the application must not write to its own {folder!r}. Write another folder: media")


def _check_variables(where: str, settled: t.Mapping[str, t.Any]) -> None:
    """Environment and secrets; no message holds a value, which may be a secret."""
    for key in ("environment", "secrets"):
        for variable, value in settled[key].items():
            _check(f"{where}.{key}", variable, key)
            if variable in READ_AT_START:
                raise ApplicationError(
                    f"{where}.{key}.{variable}: an interpreter reads it when it starts, and this one has started already. The release's virtualenv "
                    "is set by the role; name what is missing in requirements"
                )
            if not isinstance(value, (str, int, float)):
                raise ApplicationError(f"{where}.{key}.{variable}: an environment variable is a text. Quote it, or write its JSON with to_json")
            if isinstance(value, str) and "\0" in value:
                raise ApplicationError(f"{where}.{key}.{variable}: no environment variable can hold a NUL. Encode it, for example with b64encode")
    twice = sorted(set(settled["environment"]) & set(settled["secrets"]))
    if twice:
        raise ApplicationError(f"{where}: {', '.join(twice)} is in environment and in secrets. Leave it in one of them")


def _check_options(where: str, settled: t.Mapping[str, t.Any]) -> None:
    routes = settled["slow_routes"]
    for number, route in enumerate(routes):
        if "path" in route:  # a missing one is refused by the plan
            _check(f"{where}.slow_routes[{number}].path", route["path"], "slow_routes path")
    for place, options in ((where, settled["options"]), *((f"{where}.slow_routes[{n}]", route.get("options") or {}) for n, route in enumerate(routes))):
        for option, value in options.items():
            if option in OPTIONS_OF_OURS:
                raise ApplicationError(f"{place}.options.{option}: the role sets it. {OPTIONS_OF_OURS[option]}")
            if option in OPTION_TEXTS and not re.fullmatch(OPTION_TEXTS[option][0], str(value)):
                raise ApplicationError(f"{place}.options.{option}: {_shown(value)} is not allowed here. Write for example {OPTION_TEXTS[option][1]}")


def _check_certificate(where: str, settled: t.Mapping[str, t.Any]) -> None:
    for key, other in (("certificate", "certificate_key"), ("certificate_key", "certificate")):
        if settled[key]:
            _check(f"{where}.{key}", settled[key], key)
            if not settled[other]:
                raise ApplicationError(f"{where}.{other}: missing, but {key} is there. Write {PATTERNS[other][1]}")
            if settled[key] == settled["directory"] or settled[key].startswith(settled["directory"] + "/"):
                raise ApplicationError(f"{where}.{key}: the application could read {settled[key]!r}. Write {PATTERNS[key][1]}")


def _check_python(where: str, python: str, interpreter: str, version: str) -> None:
    """One Apache loads one mod_wsgi, and that holds one Python."""
    if python != interpreter and posixpath.basename(python) != f"python{version}":
        raise ApplicationError(
            f"{where}.python: {python!r} is not the Python that this host's mod_wsgi is built for, {interpreter} ({version}), and one Apache holds "
            "only one. Leave python out, or build mod_wsgi for that Python: mod_wsgi_daemon_source: pypi with mod_wsgi_daemon_python"
        )


def _settle(index: int, given: t.Mapping[str, t.Any], interpreter: str, version: str) -> dict[str, t.Any]:
    """One application with every default filled in and every text checked."""
    where = f"{VARIABLE}[{index}]"
    for required in ("name", "server_name", "wsgi_script"):
        if not given.get(required):
            raise ApplicationError(f"{where}.{required}: missing. Write {PATTERNS[required][1]}")
    name = _check(f"{where}.name", given["name"], "name")
    user = given.get("user") or name
    settled: dict[str, t.Any] = {
        "user": user,
        "group": user,
        "directory": f"/srv/{name}",
        "archive": "",
        "packages": [],
        "git": {},
        "deploy": "bluegreen",
        "hooks": {},
        "requirements": "requirements.txt",
        "python": interpreter,
        "mount_point": "/",
        "health_path": "",
        "server_aliases": [],
        "certificate": "",
        "certificate_key": "",
        "environment": {},
        "secrets": {},
        "static": {},
        "static_max_age_s": 0,
        "static_hashed": False,
        "media": {},
        "writable": [],
        "pass_authorization": False,
        "chunked_requests": False,
        "request_body_limit_mib": None,
        "memory_limit_mib": None,
        "recycle_interval_s": None,
        "recycle_requests": None,
        "slow_routes": [],
        "options": {},
        **{key: value for key, value in given.items() if value is not None},
    }
    for key in ("user", "group", "server_name", "directory", "python", "requirements", "wsgi_script", "mount_point"):
        _check(f"{where}.{key}", settled[key], key)
    if settled["health_path"]:
        _check(f"{where}.health_path", settled["health_path"], "health_path")
    for number, alias in enumerate(settled["server_aliases"]):
        _check(f"{where}.server_aliases[{number}]", alias, "server_aliases")
    if settled["wsgi_script"].split("/")[0] == "venv":
        raise ApplicationError(f"{where}.wsgi_script: {settled['wsgi_script']!r} lies in the virtualenv. Write a small script of your own that imports it")
    _check_account(where, settled)
    _check_directory(where, settled["directory"])
    _check_folders(where, settled)
    _check_variables(where, settled)
    _check_options(where, settled)
    _check_certificate(where, settled)
    _check_numbers(where, settled)
    _check_python(where, settled["python"], interpreter, version)
    _check_deploy(where, settled)
    return settled


def _check_deploy(where: str, settled: dict[str, t.Any]) -> None:
    """Check how releases are made and switched; every hook becomes a list of texts."""
    if settled["deploy"] not in DEPLOYS:
        raise ApplicationError(f"{where}.deploy: {settled['deploy']!r} is not allowed here. Write one of {', '.join(DEPLOYS)}")
    if settled["archive"] and settled["git"]:
        raise ApplicationError(f"{where}: has both archive and git. Write the one that the code comes from")
    git = settled["git"]
    if git and (set(git) != {"repo", "version"} or not all(re.fullmatch(r"[^\s-][^\s]*", str(value)) for value in git.values())):
        raise ApplicationError(f"{where}.git: {git!r} is not allowed here. Write {{repo: https://git.example.org/shop.git, version: v1.2}}")
    for number, package in enumerate(settled["packages"]):
        if not isinstance(package, str) or not re.fullmatch(r"[A-Za-z0-9][\x20-\x7e]{0,199}", package):
            raise ApplicationError(f"{where}.packages[{number}]: {package!r} is not allowed here. Write what pip installs: shop==1.2")
    for stage, commands in settled["hooks"].items():
        wanted = f"Write {where}.hooks: {{before: [[python, manage.py, migrate]]}}, each command a list of its arguments"
        if stage not in STAGES or not isinstance(commands, (list, tuple)):
            raise ApplicationError(f"{where}.hooks.{stage}: {commands!r} is not allowed here. {wanted}; there are before and after")
        for command in commands:
            if not isinstance(command, (list, tuple)) or not command or not all(isinstance(word, (str, int, float)) for word in command):
                raise ApplicationError(f"{where}.hooks.{stage}: {command!r} is not allowed here. {wanted}")
    settled["hooks"] = {stage: [[str(word) for word in command] for command in settled["hooks"].get(stage, [])] for stage in STAGES}


def settle(applications: t.Sequence[t.Mapping[str, t.Any]], *, interpreter: str = "/usr/bin/python3", version: str = "") -> list[dict[str, t.Any]]:
    """Fill in defaults and refuse what must not reach a host.

    :param applications: `mod_wsgi_daemon_applications` as the user wrote it.
    :param interpreter: path of the Python that the host's mod_wsgi is built for.
    :param version: its minor version, such as 3.13; empty when it is not known.
    :returns: the same applications in the same order, each with user, group, directory and all optional keys present.
    :raises ApplicationError: for the first text that is not allowed, and for two applications that claim the same thing.
    """
    settled = [_settle(index, application, interpreter, version) for index, application in enumerate(applications)]
    check_claims(settled)
    return settled
