# Copyright (c) 2026, the evenkeel.wsgi authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a number's reason comes from, as it is printed beside the number."""

from __future__ import annotations

EVENT = "https://httpd.apache.org/docs/2.4/mod/event.html"
MPM = "https://httpd.apache.org/docs/2.4/mod/mpm_common.html"
CORE = "https://httpd.apache.org/docs/2.4/mod/core.html"
REQTIMEOUT = "https://httpd.apache.org/docs/2.4/mod/mod_reqtimeout.html"
WSGI = "https://modwsgi.readthedocs.io/en/latest/configuration-directives/WSGIDaemonProcess.html"
CELERY = "https://docs.celeryq.dev/en/stable/userguide/workers.html"
CELERY_OPTIMIZING = "https://docs.celeryq.dev/en/stable/userguide/optimizing.html"
REDIS_BROKER = "https://docs.celeryq.dev/en/stable/getting-started/backends-and-brokers/redis.html"
RABBITMQ = "https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout"
ALB = "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html"
SYSTEMD = "https://www.freedesktop.org/software/systemd/man/latest/systemd.resource-control.html"
SYSTEMD_EXEC = "https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html"
SYSTEMD_SERVICE = "https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html"
LISTEN = "https://man7.org/linux/man-pages/man2/listen.2.html"
PIN = "pinned by the user"
MODEL = "docs/capacity.md, model"


def measured(finding: int) -> str:
    """Name one of the measured findings that docs/capacity.md lists."""
    return f"measured: docs/capacity.md, finding {finding}"
