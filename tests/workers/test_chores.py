"""Scheduled chores: month partitions, jobs of dead workers; the worker itself runs what is due when it starts."""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import os
import pkgutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import procrastinate
import psycopg
import pytest
from django.conf import settings
from django.db import connection
from procrastinate.testing import InMemoryConnector
from tests.flows.house import Town
from tests.flows.lines import served
from tests.vending.test_deposit import bank

from duaarah import workers
from duaarah.clock import operations as clock
from duaarah.headend.models import InvocationCounter, KeyRotation
from duaarah.headend.operations.partitions import make_month_partitions
from duaarah.vending.ledger_models import Settlement
from duaarah.vending.operations import take_payment
from duaarah.workers import chores
from duaarah.workers.chores import make_app, rescue_stalled

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def partitions(conninfo: str) -> set[str]:
    with psycopg.connect(conninfo) as db:
        rows = db.execute("SELECT inhrelid::regclass::text FROM pg_inherits").fetchall()
    return {row[0] for row in rows}


def test_this_month_and_the_next_three_and_only_once(database: str) -> None:
    made = make_month_partitions(today=dt.date(2031, 11, 24))
    assert sorted(made) == [
        f"{table}_{month}"
        for table in ("headend_attempt", "headend_meterevent", "readings_interval", "vending_ppobmessage")
        for month in ("2031_11", "2031_12", "2032_01", "2032_02")
    ]
    assert set(made) <= partitions(database)
    assert make_month_partitions(today=dt.date(2031, 11, 30)) == []


def test_rows_that_came_too_early_move_into_their_month(database: str, tmp_path: Path) -> None:
    town = Town(tmp_path)
    house = town.house()
    town.use(house, 1_200)
    town.run()
    insert = (
        "INSERT INTO headend_meterevent (meter_id, kind, counter, inbound_id, meter_at, arrived_at, recorded_at, data)"
    )
    with connection.cursor() as cursor:
        for at in ("2031-10-31 23:59+00", "2031-11-01 00:00+00", "2031-11-30 23:59+00", "2031-12-01 00:00+00"):
            cursor.execute(
                f"{insert} SELECT meter_id, kind, counter, inbound_id, meter_at, arrived_at, %s, data"
                " FROM headend_meterevent LIMIT 1",
                [at],
            )
    make_month_partitions(today=dt.date(2031, 11, 24), ahead=0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text, count(*) FROM headend_meterevent GROUP BY 1 ORDER BY 1")
        counts = dict(cursor.fetchall())
        assert counts["headend_meterevent_2031_11"] == 2 and counts["headend_meterevent_default"] == 2
        with pytest.raises(Exception, match="append-only"):
            cursor.execute("DELETE FROM headend_meterevent WHERE recorded_at = '2031-12-01 00:00+00'")


def test_the_worker_does_what_is_due_and_ends_on_sigterm(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as db:
        today = dt.datetime.now(dt.UTC).date()
        name = f"headend_attempt_{today:%Y_%m}"
        db.execute(f"DROP TABLE {name}")
    process = subprocess.Popen(
        [sys.executable, "-m", "duaarah", "worker", "chores"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "DUAARAH_DATABASE_URL": database},
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while name not in partitions(database):
            assert time.monotonic() < deadline and process.poll() is None, "the chore did not run"
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()


def test_every_part_that_has_chores_is_registered() -> None:
    names = [each.name for each in pkgutil.iter_modules(workers.__path__) if each.name.startswith("chores_")]
    scheduled = {each.task.name for each in make_app().periodic_registry.periodic_tasks.values()}
    for name in names:
        alone = procrastinate.App(connector=InMemoryConnector())
        importlib.import_module(f"duaarah.workers.{name}").register(alone, "chores")
        own = {each.task.name for each in alone.periodic_registry.periodic_tasks.values()}
        assert own and own <= scheduled, name
    assert {"chores.words", "chores.reliability"} <= scheduled


def test_a_job_of_a_dead_worker_goes_back_into_the_queue(database: str) -> None:
    async def rescue(*, defer: bool) -> int:
        app = make_app()
        async with app.open_async():
            if defer:
                await app.configure_task("chores.partitions", queue="chores").defer_async(timestamp=0)
            return await rescue_stalled(app)

    assert asyncio.run(rescue(defer=True)) == 0
    with psycopg.connect(database, autocommit=True) as db:
        worker = db.execute("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id").fetchone()
        assert worker is not None
        db.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
        db.execute("UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s", [worker[0]])
        assert asyncio.run(rescue(defer=False)) == 1
        assert db.execute("SELECT status FROM procrastinate_jobs").fetchall() == [("todo",)]


def test_a_dead_workers_job_does_not_hold_up_the_next_one_that_waits(database: str) -> None:
    async def play(*, defer: bool) -> int:
        app = make_app()
        async with app.open_async():
            if defer:
                await app.configure_task(
                    "chores.quality", queue="chores", lock="quality", queueing_lock="quality"
                ).defer_async(timestamp=0)
            return await rescue_stalled(app)

    asyncio.run(play(defer=True))
    with psycopg.connect(database, autocommit=True) as db:
        worker = db.execute("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id").fetchone()
        assert worker is not None
        db.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
        db.execute("UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s", [worker[0]])
        asyncio.run(play(defer=True))
        # The next run had been queued meanwhile: it waits, and nothing holds its lock any more.
        assert db.execute("SELECT status FROM procrastinate_jobs ORDER BY id").fetchall() == [("failed",), ("todo",)]
        assert asyncio.run(play(defer=False)) == 0


def test_counters_and_lines_are_looked_after(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    town = Town(tmp_path)
    house, other = town.house(), town.house()
    monkeypatch.setattr(chores, "key_store", lambda: town.store)
    monkeypatch.setattr(settings, "COUNTER_MARK", 100)
    clock.move(at=town.now, rate=0, founding=True)
    InvocationCounter.objects.filter(pk=house.meter.pk).update(to_meter_latest=100)
    with served(town, house):
        chores.run_keys()
        assert KeyRotation.objects.get().meter_id == house.meter.pk != other.meter.pk
        chores.run_lines()
    assert KeyRotation.objects.get().state == "PROVEN"
    assert InvocationCounter.objects.get(pk=house.meter.pk).to_meter_latest < 100 == settings.COUNTER_MARK


def test_the_books_are_looked_after(database: str, tmp_path: Path) -> None:
    town = Town(tmp_path)
    house, channel = town.house(wallet_idr=0), bank(town)
    take_payment(pairing=house.pairing, amount_idr=50_000, channel=channel, reference="r", now=town.now)
    clock.move(at=town.now + dt.timedelta(days=1), rate=0, founding=True)
    for _ in range(2):
        chores.run_books()
    assert list(Settlement.objects.values_list("purchases", flat=True)) == [1]
