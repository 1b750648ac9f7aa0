# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What application_release and application_deploy build a release from."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of plugins/module_utils/_build.py."""

    DOCUMENTATION = r"""
options:
  directory:
    description:
      - The application's directory. It is made when it is missing.
      - Releases are found in C(releases/) below it and C(current) is the link to the one that runs.
    type: path
    required: true
  archive:
    description:
      - The application's files on the host, a C(.tar.gz) that is unpacked or a wheel (C(.whl)) that is installed.
      - It is read only when the release is not there yet.
    type: path
  checksum:
    description:
      - The SHA-256 of O(archive). It identifies the release and the archive must match it.
    type: str
  packages:
    description:
      - What C(pip) installs besides the archive, or without one. Name versions, C(shop==1.2) - a release is built again only when the text changes.
    type: list
    elements: str
    default: []
  requirements:
    description:
      - The file in the archive that names what C(pip) installs. Not used for a wheel.
    type: str
    default: requirements.txt
  python:
    description:
      - The Python that the virtual environment is made with.
    type: path
    default: /usr/bin/python3
  keep:
    description:
      - How many releases to keep, the current one included.
    type: int
    default: 3
attributes:
  platform:
    support: full
    platforms: posix
    description: Needs the C(venv) module of O(python); on Debian that is the package C(python3-venv).
"""
