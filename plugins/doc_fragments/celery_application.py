# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How celery_nodes and celery_info are told what to ask."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of plugins/module_utils/_celery_ask.py."""

    DOCUMENTATION = r"""
options:
  applications:
    description: The applications that are asked about themselves.
    type: list
    elements: dict
    suboptions:
      name:
        description: The application's name, for messages.
        type: str
        required: true
      app:
        description: What C(celery -A) takes.
        type: str
        required: true
      user:
        description: The user that it is loaded as.
        type: str
        required: true
      group:
        description: The group that it is loaded as.
        type: str
        required: true
      directory:
        description: The directory that it is loaded from.
        type: path
        required: true
      python:
        description: The interpreter of its virtual environment.
        type: path
        required: true
      environment:
        description: The files with its environment, as systemd reads them.
        type: list
        elements: path
        default: []
      nodes:
        description: Its nodes on this host.
        type: list
        elements: dict
        required: true
        suboptions:
          name:
            description: The node's name, before the C(@).
            type: str
            required: true
          queues:
            description: The queues that it takes from.
            type: list
            elements: str
            required: true
          children:
            description: How many tasks it runs at the same time, at most.
            type: int
            required: true
          held:
            description: For how many seconds it may hold a message, its time limit with all that it prefetches.
            type: int
            required: true
      owned:
        description: All queues that somebody takes from, on this host or elsewhere.
        type: list
        elements: str
        required: true
      pickle:
        description: Whether it may accept pickled tasks.
        type: bool
        default: false
"""
