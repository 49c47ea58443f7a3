# SPDX-License-Identifier: Apache-2.0
"""The chore that keeps losses, findings and indications up to the readings."""

from __future__ import annotations

import logging
import time

import procrastinate
from django.db import close_old_connections

from duaarah.analytics.losses.catch_up import TURN_S, catch_up
from duaarah.clock.queries import now

LOG = logging.getLogger(__name__)
RUN_S = 300.0


def register(app: procrastinate.App, queue: str) -> None:
    """Every ten minutes; one at a time."""

    @app.periodic(cron="5-59/10 * * * *")
    @app.task(queue=queue, queueing_lock="losses", lock="losses", name="chores.losses")
    def losses(timestamp: int) -> None:
        run_losses()


def run_losses() -> None:
    """Days with new readings are counted, meters ranked: turn after turn while one is full, up to RUN_S."""
    until_s = time.monotonic() + RUN_S
    try:
        while True:
            begun_s = time.monotonic()
            if written := catch_up(now=now()):
                LOG.info("%d facts of losses written", written)
            ended_s = time.monotonic()
            if ended_s - begun_s < TURN_S or ended_s > until_s:
                break
    finally:
        close_old_connections()
