# SPDX-License-Identifier: Apache-2.0
"""The chore that sends reports by e-mail when they are due."""

from __future__ import annotations

import logging
import time

import procrastinate
from django.conf import settings
from django.db import close_old_connections

from duaarah.clock.queries import now
from duaarah.reports.operations import make_due
from duaarah.reports.sending import send_next

LOG = logging.getLogger(__name__)
FOR_S = 50.0


def register(app: procrastinate.App, queue: str) -> None:
    """Every minute; one at a time."""

    @app.periodic(cron="* * * * *")
    @app.task(queue=queue, queueing_lock="reports", lock="reports", name="chores.reports")
    def reports(timestamp: int) -> None:
        run_reports()


def run_reports() -> None:
    """What is due is made and sent, for most of a minute; nothing where no mail server is set."""
    if not settings.MAIL_SERVER:
        return
    until_s = time.monotonic() + FOR_S
    try:
        if made := make_due(sender=settings.DEFAULT_FROM_EMAIL, now=now()):
            LOG.info("%d reports are due", made)
        while time.monotonic() < until_s and send_next(now=now):
            pass
    finally:
        close_old_connections()
