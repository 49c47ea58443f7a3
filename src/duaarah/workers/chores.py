# SPDX-License-Identifier: Apache-2.0
"""Scheduled chores, by procrastinate; a task's body is one call. What it missed while it was down runs at its start."""

from __future__ import annotations

import logging
import time

import procrastinate
from django.conf import settings
from django.db import close_old_connections, connection
from procrastinate import PsycopgConnector
from procrastinate.contrib.django import connector_params
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Status

from duaarah.clock.queries import now
from duaarah.headend.firmware.jobs import run_due_jobs
from duaarah.headend.firmware.operations import advance_rollouts
from duaarah.headend.operations import forget_old_keys, rotate_near_end, rotate_next_on_line
from duaarah.headend.operations.missing_days import ask_missing_days
from duaarah.headend.operations.partitions import make_month_partitions
from duaarah.notices.plans import order_sold_plans
from duaarah.readings.operations import forget_months
from duaarah.sms.operations import forget_old_drafts
from duaarah.sms.package.files import CHORE, compare_waiting
from duaarah.vending.operations import book_invoices, settle_due
from duaarah.vending.operations.offers import offer_unloaded
from duaarah.vending.operations.wrong_meter import resume_corrections
from duaarah.wiring.drivers import DriverDirectory
from duaarah.wiring.keystores import MeterKeyring, key_store
from duaarah.wiring.lines import MeterLines
from duaarah.wiring.token_sources import OwnKeys
from duaarah.workers import (
    chores_losses,
    chores_outages,
    chores_quality,
    chores_readings,
    chores_reliability,
    chores_reports,
)
from duaarah.workers.token_folder import run_token_folder

LOG = logging.getLogger(__name__)
QUEUE = "chores"
KEEP_FINISHED_HOURS = 7 * 24
STALLED_AFTER_S = 120
LINES_S = 50.0
PARTS = (chores_reliability, chores_quality, chores_losses, chores_readings, chores_reports, chores_outages)


def make_app() -> procrastinate.App:
    """The chores and their schedules, on the database of the settings."""
    app = procrastinate.App(connector=PsycopgConnector(kwargs=connector_params("default")))

    @app.periodic(cron="*/5 * * * *")
    @app.task(queue=QUEUE, queueing_lock="partitions", name="chores.partitions")
    def partitions(timestamp: int) -> None:
        run_partitions()

    @app.periodic(cron="*/10 * * * *")
    @app.task(queue=QUEUE, queueing_lock="drafts", name="chores.drafts")
    def drafts(timestamp: int) -> None:
        run_drafts()

    @app.periodic(cron="* * * * *")
    @app.task(queue=QUEUE, queueing_lock="stalled", name="chores.stalled")
    async def stalled(timestamp: int) -> None:
        await rescue_stalled(app)

    @app.periodic(cron="*/10 * * * *")
    @app.task(queue=QUEUE, queueing_lock="plans", name="chores.plans")
    def plans(timestamp: int) -> None:
        run_plans()

    @app.periodic(cron="*/10 * * * *")
    @app.task(queue=QUEUE, queueing_lock="days", name="chores.days")
    def days(timestamp: int) -> None:
        run_days()

    @app.periodic(cron="*/10 * * * *")
    @app.task(queue=QUEUE, queueing_lock="keys", name="chores.keys")
    def keys(timestamp: int) -> None:
        run_keys()

    @app.periodic(cron="*/10 * * * *")
    @app.task(queue=QUEUE, queueing_lock="books", name="chores.books")
    def books(timestamp: int) -> None:
        run_books()

    # One at a time: a meter is never asked by two, and the next minute finds what this one leaves.
    @app.periodic(cron="* * * * *")
    @app.task(queue=QUEUE, queueing_lock="lines", lock="lines", name="chores.lines")
    def lines(timestamp: int) -> None:
        run_lines()

    @app.periodic(cron="17 * * * *")
    @app.task(queue=QUEUE, queueing_lock="finished", name="chores.finished")
    async def finished(timestamp: int) -> None:
        await app.job_manager.delete_old_jobs(nb_hours=KEEP_FINISHED_HOURS)

    # One at a time: a file is put away by the one who took it.
    @app.periodic(cron="* * * * *")
    @app.task(queue=QUEUE, queueing_lock="tokens", lock="tokens", name="chores.tokens")
    def tokens(timestamp: int) -> None:
        run_tokens()

    @app.periodic(cron="*/5 * * * *")
    @app.task(queue=QUEUE, queueing_lock="offers", name="chores.offers")
    def offers(timestamp: int) -> None:
        run_offers()

    # Woken by whoever brings a file; the schedule finds what a dead worker left.
    @app.periodic(cron="* * * * *")
    @app.task(queue=QUEUE, name=CHORE)
    def records(timestamp: int) -> None:
        run_records()

    for part in PARTS:
        part.register(app, QUEUE)
    return app


def run_tokens() -> None:
    """Files of tokens that were sold elsewhere; and purchases for wrong meters that somebody died over."""
    try:
        resume_corrections(token_source=OwnKeys(key_store()), now=now())
        if moved := run_token_folder(folder=settings.TOKEN_FOLDER, reader=OwnKeys(key_store()), now=now()):
            LOG.info("%d files of tokens taken", moved)
    finally:
        close_old_connections()


def run_offers() -> None:
    """Tokens that their meters never answered go to them once more."""
    try:
        if offered := offer_unloaded(now=now()):
            LOG.info("%d tokens offered again", offered)
    finally:
        close_old_connections()


def run_records() -> None:
    """Files of records, one after another, until none waits."""
    try:
        while compare_waiting(now=now()):
            pass
    finally:
        close_old_connections()


def run_partitions() -> None:
    """Month partitions by the database's own clock; old months of interval values go."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date")
            today = cursor.fetchone()[0]
        for name in make_month_partitions(today=today):
            LOG.info("partition %s made", name)
        for name in forget_months(today=today):
            LOG.info("partition %s forgotten", name)
    finally:
        close_old_connections()


def run_plans() -> None:
    """Meters whose package says something else than they do are told so."""
    try:
        if ordered := order_sold_plans(now=now()):
            LOG.info("%d reporting plans ordered", ordered)
    finally:
        close_old_connections()


def run_days() -> None:
    """Daily summaries that did not come are asked for."""
    try:
        if asked := ask_missing_days(driver=DriverDirectory(), now=now()):
            LOG.info("%d missing daily summaries asked for", asked)
    finally:
        close_old_connections()


def run_keys() -> None:
    """Counters near their end get new keys; keys that read late frames are forgotten in time."""
    try:
        keys, mark = MeterKeyring(key_store()), settings.COUNTER_MARK
        if ordered := rotate_near_end(driver=DriverDirectory(), keys=keys, mark=mark, now=now()):
            LOG.warning("%d meters get new DLMS keys: their counters near the end", ordered)
        forget_old_keys(now=now())
    finally:
        close_old_connections()


def run_books() -> None:
    """Channels' days that are over are settled; issued invoices of SMS packages get into their books."""
    try:
        if settled := settle_due(now=now()):
            LOG.info("%d days of channels settled", settled)
        if booked := book_invoices(now=now()):
            LOG.info("%d invoices booked", booked)
    finally:
        close_old_connections()


def run_lines() -> None:
    """Sessions over IP that are due, new keys and firmware, for most of a minute; the next minute goes on."""
    until_s = time.monotonic() + LINES_S
    try:
        keys = MeterKeyring(key_store())
        lines = MeterLines(keys)
        while time.monotonic() < until_s and (
            run_due_jobs(lines=lines, now=now())
            + rotate_next_on_line(lines=lines, keys=keys, now=now())
            + advance_rollouts(now=now())
        ):
            pass
    finally:
        close_old_connections()


def run_drafts() -> None:
    """Passwords in proposals of binds that nobody confirmed are forgotten."""
    try:
        if count := forget_old_drafts():
            LOG.info("%d old proposals lost their password", count)
    finally:
        close_old_connections()


async def rescue_stalled(app: procrastinate.App) -> int:
    """
    Jobs whose worker died go back into the queue; one whose next run waits there already only ends, or it would hold its lock
    against it for ever. Returns how many.
    """
    jobs = list(await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER_S))
    for job in jobs:
        try:
            await app.job_manager.retry_job(job)
            LOG.warning("job %s of a dead worker is tried again", job.id)
        except UniqueViolation:
            await app.job_manager.finish_job(job, status=Status.FAILED, delete_job=False)
            LOG.warning("job %s of a dead worker is ended: the next one waits", job.id)
    return len(jobs)


def main() -> int:
    """Run until SIGTERM."""
    with (app := make_app()).open():
        app.run_worker(queues=[QUEUE, "builtin"], concurrency=2, delete_jobs="never", shutdown_graceful_timeout=5)
    return 0
