# SPDX-License-Identifier: Apache-2.0
"""Chores of reliability: the daily facts kept up to what is known; compensations of closed months given."""

from __future__ import annotations

import logging

import procrastinate
from django.db import close_old_connections

from duaarah.analytics.reliability.catch_up import catch_up
from duaarah.analytics.tmp.operations import give_due
from duaarah.clock.queries import now
from duaarah.wiring.keystores import key_store
from duaarah.wiring.token_sources import OwnKeys

LOG = logging.getLogger(__name__)


def register(app: procrastinate.App, queue: str) -> None:
    """Each one at a time."""

    @app.periodic(cron="*/5 * * * *")
    @app.task(queue=queue, queueing_lock="reliability", lock="reliability", name="chores.reliability")
    def reliability(timestamp: int) -> None:
        run_reliability()

    @app.periodic(cron="* * * * *")
    @app.task(queue=queue, queueing_lock="compensations", lock="compensations", name="chores.compensations")
    def compensations(timestamp: int) -> None:
        run_compensations()


def run_reliability() -> None:
    """What changed since the last time is counted again."""
    try:
        if days := catch_up(now=now()):
            LOG.info("reliability of %d days counted", days)
    finally:
        close_old_connections()


def run_compensations() -> None:
    """Tokens that two people agreed to; who died over one is followed by the same token."""
    try:
        if given := give_due(token_source=OwnKeys(key_store()), now=now()):
            LOG.info("%d compensations given", given)
    finally:
        close_old_connections()
