# SPDX-License-Identifier: Apache-2.0
"""The chore that keeps readings judged, and the voltage and load facts that stand on them."""

from __future__ import annotations

import logging
import time

import procrastinate
from django.db import close_old_connections

from duaarah.analytics.vee.catch_up import catch_up
from duaarah.clock.queries import now

LOG = logging.getLogger(__name__)
RUN_S = 480.0


def register(app: procrastinate.App, queue: str) -> None:
    """Every ten minutes; one at a time."""

    @app.periodic(cron="*/10 * * * *")
    @app.task(queue=queue, queueing_lock="quality", lock="quality", name="chores.quality")
    def quality(timestamp: int) -> None:
        run_quality()


def run_quality() -> None:
    """Days with new readings are judged, their facts counted: some days after others, for most of the time to the next run."""
    until_s = time.monotonic() + RUN_S
    try:
        while days := catch_up(now=now()):
            LOG.info("readings of %d days judged", days)
            if time.monotonic() > until_s:
                break
    finally:
        close_old_connections()
