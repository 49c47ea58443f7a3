# SPDX-License-Identifier: Apache-2.0
"""Chores of the interval store: landing tables become day files, old files go."""

from __future__ import annotations

import logging

import procrastinate
from django.conf import settings
from django.db import close_old_connections

from duaarah.readings.days import StoreBusy, compact, sweep

LOG = logging.getLogger(__name__)


def register(app: procrastinate.App, queue: str) -> None:
    """Every ten minutes; one at a time."""

    @app.periodic(cron="*/10 * * * *")
    @app.task(queue=queue, queueing_lock="readings", lock="readings", name="chores.readings")
    def readings(timestamp: int) -> None:
        run_readings()


def run_readings() -> None:
    """Compact what is due (with READINGS_SOON this hour's too), then sweep."""
    try:
        done = compact(open_too=settings.READINGS_SOON)
        if done.rows:
            LOG.info("%d readings of %d days are in day files", done.rows, len(done.days))
        sweep()
    except StoreBusy:
        LOG.info("the readings are compacted by somebody else")
    finally:
        close_old_connections()
