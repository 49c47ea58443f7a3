# SPDX-License-Identifier: Apache-2.0
"""The chore that keeps losses, findings and indications up to the readings."""

from __future__ import annotations

import logging

import procrastinate
from django.db import close_old_connections

from duaarah.analytics.losses.catch_up import catch_up
from duaarah.clock.queries import now

LOG = logging.getLogger(__name__)


def register(app: procrastinate.App, queue: str) -> None:
    """Every ten minutes; one at a time."""

    @app.periodic(cron="5-59/10 * * * *")
    @app.task(queue=queue, queueing_lock="losses", lock="losses", name="chores.losses")
    def losses(timestamp: int) -> None:
        run_losses()


def run_losses() -> None:
    """Days with new readings are counted, meters ranked."""
    try:
        if written := catch_up(now=now()):
            LOG.info("%d facts of losses written", written)
    finally:
        close_old_connections()
