# SPDX-License-Identifier: Apache-2.0
"""The chore that keeps the daily facts of reliability: changed days, days that are over, the year's T_MED."""

from __future__ import annotations

import logging

import procrastinate
from django.db import close_old_connections

from duaarah.analytics.reliability.catch_up import catch_up
from duaarah.clock.queries import now

LOG = logging.getLogger(__name__)


def register(app: procrastinate.App, queue: str) -> None:
    """Every five minutes; one at a time."""

    @app.periodic(cron="*/5 * * * *")
    @app.task(queue=queue, queueing_lock="reliability", lock="reliability", name="chores.reliability")
    def reliability(timestamp: int) -> None:
        run_reliability()


def run_reliability() -> None:
    """What changed since the last time is counted again."""
    try:
        if days := catch_up(now=now()):
            LOG.info("reliability of %d days counted", days)
    finally:
        close_old_connections()
