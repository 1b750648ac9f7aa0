# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a distribution keeps Apache. The defaults are Debian's; roles pass the differences from their vars/<os>.yml."""

from __future__ import annotations

import os
from dataclasses import dataclass

OWN_CONF = "zz-evenkeel.conf"  # comes last: a distribution's security.conf would otherwise reset what we set


@dataclass(frozen=True)
class Layout:
    """Paths and names; an empty path means that the distribution has no such thing."""

    server_root: str = "/etc/apache2"
    directory: str = "/etc/apache2/evenkeel"
    conf_available: str = "/etc/apache2/conf-available"
    conf_enabled: str = "/etc/apache2/conf-enabled"
    mods_available: str = "/etc/apache2/mods-available"
    mods_enabled: str = "/etc/apache2/mods-enabled"
    sites_enabled: str = "/etc/apache2/sites-enabled"
    markers: str = "/var/lib/apache2"
    binary: str = "/usr/sbin/apache2"
    service: str = "apache2"
    modules_dir: str = "/usr/lib/apache2/modules"
    envvars: str = "/etc/apache2/envvars"
    error_log: str = "/var/log/apache2/error.log"
    run_dir: str = "/run/apache2"
    pid_file: str = "/run/apache2/apache2.pid"
    unit_dir: str = "/etc/systemd/system"
    lock: str = "/run/evenkeel-apache_config.lock"

    @property
    def generations(self):
        return os.path.join(self.directory, "generations")

    @property
    def pointer(self):
        """The one line that says which generation is current."""
        return os.path.join(self.directory, "current.conf")

    @property
    def pending(self):
        """Present while a switch is not proven yet."""
        return os.path.join(self.directory, "pending.json")

    @property
    def found(self):
        """Holds what was switched off, exactly as it was found."""
        return os.path.join(self.directory, "found")

    @property
    def conf_link(self):
        return os.path.join(self.conf_enabled, OWN_CONF)

    @property
    def conf_file(self):
        """Our file; on Debian conf-enabled gets a link to it, elsewhere it lies in the configuration directory itself."""
        return os.path.join(self.conf_available or self.conf_enabled, OWN_CONF)

    @property
    def drop_in_dir(self):
        return os.path.join(self.unit_dir, self.service + ".service.d")

    def generation(self, number):
        return os.path.join(self.generations, str(number))

    @property
    def conf_text(self):
        return CONF_TEXT.format(pointer=self.pointer)


CONF_TEXT = """\
# Managed by evenkeel.wsgi.apache_config. Which generation is current is the one line in
#   {pointer}
# Include, not IncludeOptional: a generation that is missing must stop Apache from starting without it.
<IfDefine !EVENKEEL_GENERATION>
    Include {pointer}
</IfDefine>
Include ${{EVENKEEL_GENERATION}}/*.conf
"""
