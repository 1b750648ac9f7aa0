# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One WSGIDaemonProcess line in which no value can become anything else.

Apache reads a line, replaces ``${NAME}`` anywhere in it by a Define or an environment variable (there is no escape for that), and
mod_wsgi then takes ``name=value`` words. A value in quotes may hold blanks; in it a backslash stands before a quote or a backslash.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.errors import CapacityError, nearest, refuse
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.mod_wsgi import NUMBERS, check_option, known_options
from ansible_collections.evenkeel.wsgi.plugins.module_utils._capacity.model import Value

GROUP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LINE_MAX = 8000
"""Apache refuses lines above 8192 bytes."""
ABSOLUTE = ("home", "chroot", "python-home")
ACCOUNTS = ("user", "group", "socket-user", "script-user", "script-group")
ACCOUNT_NAME = re.compile(r"#?[A-Za-z0-9_][A-Za-z0-9_.-]*[$]?")


def quote(where: str, value: str) -> str:
    """Return a value as mod_wsgi's parser reads it back, in quotes unless it is a plain word."""
    if not value:
        raise refuse(where, value, "an empty value", "Remove the option, or write a value.")
    for char in value:
        if ord(char) < 32 or ord(char) == 127:
            raise refuse(where, value, f"a configuration line cannot hold the control character {ord(char):#04x}", "Remove it.")
    if "${" in value:
        raise refuse(where, value, "Apache replaces ${...} everywhere in its configuration and knows no escape", "Write the value itself.")
    if re.fullmatch(r"[A-Za-z0-9/_.:,@+=%{}#-]+", value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def daemon_process(name: str, options: Mapping[str, Value], version: str | None = None) -> str:
    """Return the directive for one daemon group, in the options' order.

    :param version: of the installed mod_wsgi; without it only options that all versions know are accepted
    """
    if not isinstance(name, str) or not GROUP_NAME.fullmatch(name):
        raise refuse("name", name, "a daemon group's name has up to 64 letters, digits and . _ -", "Write for example shop.")
    words = [f"WSGIDaemonProcess {name}"]
    for option, value in options.items():
        where = f"{name}: {option}"
        if option not in known_options(version):
            raise CapacityError(f"{where} is not an option of WSGIDaemonProcess in mod_wsgi {version or 'of every version'}. "
                                f"{nearest(str(option), known_options(version))}")  # fmt: skip
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise refuse(where, value, "it must be a number or a text", "Quote On and Off.")
        if option in NUMBERS:
            words.append(f"{option}={check_option(where, option, value)}")
            continue
        text = str(value)
        if option in ABSOLUTE and not text.startswith("/"):
            raise refuse(where, text, "it must be an absolute path", f"Write /{text.lstrip('./')}.")
        if option in ACCOUNTS and not ACCOUNT_NAME.fullmatch(text):
            raise refuse(where, text, "it is not the name of a user or group", "Write for example www-data.")
        if option == "user" and text in ("root", "#0"):
            raise refuse(where, text, "mod_wsgi refuses to run an application as root", "Write the application's own user.")
        words.append(f"{option}={quote(where, text)}")
    line = " ".join(words)
    if len(line.encode()) > LINE_MAX:
        raise refuse(name, len(line.encode()), f"Apache reads lines of up to {LINE_MAX} bytes", "Shorten the values.")
    return line
