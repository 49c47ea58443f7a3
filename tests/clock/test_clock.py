"""The business clock: forward only, whatever its rate, also for those who ask while it is moved."""

from __future__ import annotations

import datetime as dt
import threading
import time

import pytest
from django.db import IntegrityError, connection, transaction

from duaarah.clock.models import BusinessClock
from duaarah.clock.operations import ClockBackwards, change_rate, move, resume
from duaarah.clock.queries import now

pytestmark = pytest.mark.slow
WIB = dt.timezone(dt.timedelta(hours=7))
FOUNDING = dt.datetime(2026, 2, 16, 8, 0, tzinfo=WIB)
SLACK = dt.timedelta(seconds=2)  # machine time that a busy machine may lose between two statements


def row() -> tuple[object, ...]:
    return BusinessClock.objects.values_list("id", "anchor_at", "machine_anchor_at", "rate").get()


def test_at_first_business_time_is_machine_time(database: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        before = cursor.fetchone()[0]
        instant = now()
        cursor.execute("SELECT clock_timestamp()")
        after = cursor.fetchone()[0]
    assert before <= instant <= after
    assert instant.utcoffset() == dt.timedelta(0)
    assert BusinessClock.objects.get().rate == 1


def test_founding_goes_anywhere_and_moves_after_it_only_forward(database: str) -> None:
    assert now() > FOUNDING
    move(at=FOUNDING, rate=1, founding=True)
    assert FOUNDING <= now() < FOUNDING + SLACK

    before = row()
    for at in (FOUNDING, FOUNDING - dt.timedelta(days=1)):
        with pytest.raises(ClockBackwards) as refused:
            move(at=at, rate=1)
        assert refused.value.code == "clock_backwards"
    assert row() == before

    later = FOUNDING + dt.timedelta(hours=3)
    move(at=later, rate=1)
    assert later <= now() < later + SLACK


def test_the_rate_counts_machine_seconds(database: str) -> None:
    move(at=FOUNDING, rate=60, founding=True)
    started_s = time.monotonic()
    first = now()
    time.sleep(0.25)
    passed = now() - first
    assert dt.timedelta(seconds=0.25 * 60) <= passed <= dt.timedelta(seconds=(time.monotonic() - started_s) * 60)


def test_a_rate_of_nought_stops_it(database: str) -> None:
    move(at=FOUNDING, rate=0, founding=True)
    time.sleep(0.01)
    assert now() == FOUNDING
    move(at=FOUNDING, rate=1)
    assert FOUNDING <= now() < FOUNDING + SLACK


def test_a_change_of_rate_goes_on_from_where_it_was_moved_to(database: str) -> None:
    move(at=FOUNDING, rate=60, founding=True)
    for rate in (1, 60, 3600, 1):
        at = now() + dt.timedelta(hours=2)
        move(at=at, rate=rate)
        assert at <= now() < at + SLACK * rate


def test_after_a_fast_hour_the_anchor_lies_behind_and_cannot_be_gone_back_to(database: str) -> None:
    move(at=FOUNDING, rate=3600, founding=True)
    time.sleep(0.05)
    before, seen = row(), now()
    assert seen > FOUNDING + dt.timedelta(minutes=3)
    with pytest.raises(ClockBackwards):
        move(at=FOUNDING + dt.timedelta(minutes=2), rate=1)
    assert row() == before and now() > seen


@pytest.mark.parametrize("founding", [False, True])
def test_an_instant_without_its_zone_is_refused(database: str, founding: bool) -> None:
    before = row()
    with pytest.raises(ValueError, match="zone"):
        move(at=dt.datetime(2030, 1, 1), rate=1, founding=founding)  # noqa: DTZ001 - the point of this test
    assert row() == before


def test_a_negative_rate_and_a_second_row_are_refused_by_the_database(database: str) -> None:
    before = row()
    with pytest.raises(IntegrityError):
        move(at=now() + dt.timedelta(days=1), rate=-1)
    with pytest.raises(IntegrityError, match="clock_one_row"):
        BusinessClock.objects.create(id=2, anchor_at=FOUNDING, machine_anchor_at=FOUNDING, rate=1)
    assert row() == before


def test_a_move_is_an_entry(database: str) -> None:
    before = row()
    with pytest.raises(RuntimeError), transaction.atomic():
        move(at=now() + dt.timedelta(days=1), rate=1)
    assert row() == before


def test_nobody_who_asks_while_it_is_moved_sees_it_go_back(database: str) -> None:
    """The old rate of 600 runs on until the move commits: the new anchor must not lie behind what was seen till then."""
    move(at=FOUNDING, rate=600, founding=True)
    stop, steps_back, asked = threading.Event(), [], []

    def ask() -> None:
        count, latest = 0, FOUNDING
        try:
            while not stop.is_set():
                seen = now()
                if seen < latest:
                    steps_back.append(latest - seen)
                latest, count = seen, count + 1
        finally:
            asked.append(count)
            connection.close()

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    moved = 0
    try:
        deadline_s = time.monotonic() + 3
        while time.monotonic() < deadline_s:
            for rate in (1, 600):
                try:
                    move(at=now() + dt.timedelta(seconds=0.5), rate=rate)
                    moved += 1
                except ClockBackwards:
                    continue
    finally:
        stop.set()
        for asker in askers:
            asker.join()
    assert moved > 10 and min(asked) > 10
    assert steps_back == []


def test_the_rate_changes_without_a_jump_and_without_going_back(database: str) -> None:
    move(at=FOUNDING, rate=300, founding=True)
    before = now()
    began_at = change_rate(1)
    assert before <= began_at <= now() < began_at + dt.timedelta(seconds=60)


def test_a_world_that_slept_goes_on_where_it_stopped_and_never_before_its_anchor(database: str) -> None:
    move(at=FOUNDING, rate=100_000, founding=True)
    stopped_at = FOUNDING + dt.timedelta(hours=1)
    resume(at=stopped_at, rate=1)
    assert stopped_at <= now() < stopped_at + dt.timedelta(seconds=60)
    with pytest.raises(ClockBackwards):
        resume(at=FOUNDING, rate=1)
    assert now() >= stopped_at
