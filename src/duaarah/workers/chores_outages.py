# SPDX-License-Identifier: Apache-2.0
"""The chore of outages: words of meters that are older than anything that is still inferred from them go."""

from __future__ import annotations

import logging

import procrastinate
from django.db import close_old_connections

from duaarah.clock.queries import now
from duaarah.outages.pruning import prune_words

LOG = logging.getLogger(__name__)


def register(app: procrastinate.App, queue: str) -> None:
    """Every hour; one at a time."""

    @app.periodic(cron="41 * * * *")
    @app.task(queue=queue, queueing_lock="words", lock="words", name="chores.words")
    def words(timestamp: int) -> None:
        run_words()


def run_words() -> None:
    """Old words go, in small batches."""
    try:
        if gone := prune_words(now=now()):
            LOG.info("%d old words of meters are gone", gone)
    finally:
        close_old_connections()
