# SPDX-License-Identifier: Apache-2.0
"""Old words go in small batches, and no fact changes: neither by that, nor when a log comes that is older than they are."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import transaction
from tests.outages.conftest import Grid
from tests.outages.test_told import SECOND, current, cut, restore, turn

from duaarah.core.outage import Kind
from duaarah.outages import pruning
from duaarah.outages.evidence import keep_words
from duaarah.outages.inferring import run_outages
from duaarah.outages.models import Interruption, MeterSupply, MeterWord, Outage
from duaarah.outages.pruning import prune_words

pytestmark = pytest.mark.slow
DAY = dt.timedelta(days=1)


def keep(grid: Grid, place: int, kind: Kind, at: dt.datetime, end_at: dt.datetime | None = None) -> None:
    with transaction.atomic():
        keep_words(meter_id=grid.houses[place].meter.pk, words=[(kind, at, end_at)], now=max(at, grid.town.now))


def facts() -> list[object]:
    return [*Interruption.objects.order_by("pk").values(), *Outage.objects.order_by("pk").values()]


def test_old_words_go_and_what_is_read_of_each_meter_stays(grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "BATCH_MAX", 7)
    first = grid.town.now
    for step in range(30):
        keep(grid, 0, Kind.ALIVE, first + step * 600 * SECOND)
    keep(grid, 0, Kind.CREDIT_CLOSED, first)
    keep(grid, 0, Kind.CREDIT_OPEN, first + 60 * SECOND)
    keep(grid, 1, Kind.GASP, first)
    keep(grid, 1, Kind.RESTORE, first + 900 * SECOND)
    grid.town.now = first + 5 * 3600 * SECOND
    assert prune_words(now=grid.town.now + 60 * DAY) == 0  # the inference has not had them
    run_outages(now=grid.town.now)
    before = facts()
    assert prune_words(now=grid.town.now + 44 * DAY) == 0
    assert prune_words(now=grid.town.now + 60 * DAY) == 22 + 1 + 1
    assert prune_words(now=grid.town.now + 60 * DAY) == 0
    left = MeterWord.objects.filter(meter=grid.houses[0].meter).order_by("meter_at")
    assert [word.kind for word in left] == ["CREDIT_OPEN", *["ALIVE"] * 8]
    assert left[8].meter_at == first + 29 * 600 * SECOND
    assert facts() == before


def test_a_log_of_a_forgotten_time_changes_no_fact_and_a_fresh_outage_is_told_as_ever(grid: Grid) -> None:
    first = grid.town.now
    cut(grid, grid.houses[:5])
    turn(grid, 400)
    restore(grid, grid.houses[:5])
    turn(grid, 30)
    assert len(current()) == 5
    before = facts()
    grid.town.now += 60 * DAY
    assert prune_words(now=grid.town.now) > 0
    keep(grid, 0, Kind.LOG, first - 3600 * SECOND, first - 1800 * SECOND)
    keep(grid, 0, Kind.LOG_COVERS, first - 3600 * SECOND, grid.town.now)
    turn(grid, 5)
    assert facts() == before
    cut(grid, grid.houses[:5])
    turn(grid, 40)
    assert [one.ended_at for one in current()].count(None) == 5 and len(current()) == 10
    assert set(MeterSupply.objects.filter(state="PADAM").values_list("pk", flat=True)) == {
        house.meter.pk for house in grid.houses[:5]
    }


def test_an_outage_that_is_older_than_the_horizon_still_ends(grid: Grid) -> None:
    cut(grid, grid.houses[:5])
    turn(grid, 40)
    began_at = current()[0].began_at
    grid.town.now += 60 * DAY
    prune_words(now=grid.town.now)
    run_outages(now=grid.town.now)
    assert Outage.objects.get(state="DECLARED").affected == 5
    restore(grid, grid.houses[:5])
    turn(grid, 40)
    assert {(one.began_at, one.ended_at is not None) for one in current()} == {(began_at, True)}
    assert Outage.objects.exclude(state="WITHDRAWN").get().state == "CLOSED"
