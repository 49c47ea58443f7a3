# SPDX-License-Identifier: Apache-2.0
"""From last gasps over the radio to what the customers read: each once, in seconds, and never of credit and padam both."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection, transaction
from tests.flows.house import House
from tests.outages.conftest import Grid

from duaarah.core.intent import CreditExhausted, LastGasp, PowerRestored
from duaarah.core.reports import LoggedOutage, PowerFailureLog
from duaarah.notices import padam
from duaarah.notices.models import OutageNotice
from duaarah.notices.padam import note_outages, tell_outages
from duaarah.outages.evidence import note_report
from duaarah.outages.inferring import run_outages
from duaarah.outages.models import Interruption, MeterSupply, MeterWord, Outage
from duaarah.registry.models import Delegation

pytestmark = pytest.mark.slow
SECOND = dt.timedelta(seconds=1)


def turn(grid: Grid, seconds: int = 0) -> None:
    """Time passes, and every crank that the workers turn is turned."""
    for step in range(0, seconds + 1, 5):
        if step:
            grid.town.now += 5 * SECOND
        run_outages(now=grid.town.now)
        note_outages(now=grid.town.now)
        tell_outages(now=grid.town.now)
    grid.town.run()


def cut(grid: Grid, houses: list[House]) -> None:
    for house in houses:
        grid.town.push(house, house.sim.power_cut(grid.town.now))
    grid.town.run()


def restore(grid: Grid, houses: list[House]) -> None:
    for house in houses:
        grid.town.push(house, house.sim.power_restored(grid.town.now))
    grid.town.run()


def current() -> list[Interruption]:
    return list(Interruption.objects.filter(superseded_at=None).order_by("meter_id"))


def test_a_dead_transformer_is_told_once_within_two_minutes_and_its_end_once(grid: Grid) -> None:
    mine, others = grid.houses[:5], grid.houses[5:]
    cut(grid, mine[:4])  # the fifth one's last gasp is lost
    turn(grid, 40)
    [outage] = Outage.objects.exclude(state="WITHDRAWN")
    assert (outage.level, outage.node, outage.state, outage.affected) == (
        *("TRANSFORMER", grid.transformers[0], "DECLARED", 5),
    )
    for house in mine:
        [text] = grid.town.words_to(house)
        assert text.startswith("Listrik padam di wilayah Anda sejak 16/02 08.00")
        assert MeterSupply.objects.get(pk=house.meter.pk).state == "PADAM"
    assert all(not grid.town.words_to(house) for house in others)
    sent = OutageNotice.objects.get(meter=mine[4].meter)
    assert sent.sent_at is not None and sent.sent_at - outage.known_at <= dt.timedelta(minutes=2)
    turn(grid, 300)
    restore(grid, mine)
    turn(grid, 30)
    assert {one.ended_at for one in current()} == {grid.town.now - 30 * SECOND}
    for house in mine:
        assert [text[:30] for text in grid.town.words_to(house)][1:] == ["Listrik di wilayah Anda sudah "]
        assert MeterSupply.objects.get(pk=house.meter.pk).state == "NYALA"
    turn(grid, 200)
    assert OutageNotice.objects.count() == 10


def test_delegates_are_told_too(grid: Grid) -> None:
    house = grid.houses[0]
    Delegation.objects.create(
        meter=house.meter, holder=house.holder, phone="6281299999999", right="READ", valid=(grid.town.now, None)
    )
    cut(grid, grid.houses[:5])
    turn(grid, 40)
    assert len(grid.town.inbox["6281299999999"]) == 1


def test_credit_that_is_gone_is_never_padam_too(grid: Grid) -> None:
    first, second = grid.houses[0], grid.houses[5]
    at = grid.town.now
    with transaction.atomic():
        note_report(meter_id=first.meter.pk, report=CreditExhausted(False, at), now=at)
        note_report(meter_id=first.meter.pk, report=LastGasp(at + 20 * SECOND), now=at + 25 * SECOND)
        note_report(meter_id=second.meter.pk, report=LastGasp(at), now=at)
        note_report(meter_id=second.meter.pk, report=CreditExhausted(False, at + 15 * SECOND), now=at + 20 * SECOND)
    turn(grid, 120)
    assert current() == []
    assert OutageNotice.objects.count() == 0
    assert grid.town.words_to(first) == grid.town.words_to(second) == []


def test_who_was_told_of_padam_is_not_told_of_credit_for_the_same_dark(grid: Grid) -> None:
    house = grid.houses[0]
    cut(grid, [house])
    turn(grid, 60)
    assert len(grid.town.words_to(house)) == 1
    grid.town.push(house, house.sim.consume(7_000_000, grid.town.now))
    turn(grid, 60)
    told = grid.town.words_to(house)
    assert not any("Stroom habis" in text for text in told)


def test_the_same_words_again_change_nothing(grid: Grid) -> None:
    cut(grid, grid.houses[:5])
    turn(grid, 60)
    before = list(Interruption.objects.order_by("pk").values())
    MeterWord.objects.update(seen=False)
    turn(grid, 60)
    assert list(Interruption.objects.order_by("pk").values()) == before
    assert OutageNotice.objects.count() == 5


def test_the_meters_log_corrects_and_what_a_person_decided_stays(grid: Grid) -> None:
    house = grid.houses[0]
    at = grid.town.now
    cut(grid, grid.houses[:5])
    turn(grid, 400)
    restore(grid, grid.houses[:5])
    turn(grid, 60)
    Interruption.objects.filter(meter=house.meter, superseded_at=None).update(excluded="Gempa")
    begin_at = at - 4 * SECOND
    log = PowerFailureLog((LoggedOutage(begin_at, 390),), grid.town.now)
    with transaction.atomic():
        note_report(meter_id=house.meter.pk, report=log, now=grid.town.now)
    turn(grid, 5)
    one = Interruption.objects.get(meter=house.meter, superseded_at=None)
    assert (one.began_at, one.ended_at, one.source, one.excluded) == (
        *(begin_at, begin_at + 390 * SECOND, "LOG", "Gempa"),
    )
    assert one.version == Interruption.objects.filter(meter=house.meter).count() > 1
    assert one.known_at == at
    empty = PowerFailureLog((), grid.town.now)
    with transaction.atomic():
        note_report(meter_id=grid.houses[1].meter.pk, report=empty, now=grid.town.now)
    turn(grid, 5)
    assert not Interruption.objects.filter(meter=grid.houses[1].meter, superseded_at=None).exists()


def test_a_kill_between_the_steps_loses_and_doubles_nothing(grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    cut(grid, grid.houses[:5])
    grid.town.now += 30 * SECOND
    run_outages(now=grid.town.now)
    note_outages(now=grid.town.now)
    real, calls = padam.queue_message, []

    def dies(**values: object) -> bool:
        calls.append(values)
        if len(calls) == 3:
            raise SystemExit
        return real(**values)  # type: ignore[arg-type]

    monkeypatch.setattr(padam, "queue_message", dies)
    with pytest.raises(SystemExit):
        tell_outages(now=grid.town.now)
    assert set(OutageNotice.objects.values_list("state", flat=True)) == {"WAITING"}
    monkeypatch.undo()
    turn(grid, 10)
    assert [len(grid.town.words_to(house)) for house in grid.houses] == [1] * 5 + [0] * 5


def test_a_wide_outage_is_paced_and_who_is_lit_again_hears_nothing_stale(
    grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(padam, "BURST", 2)
    monkeypatch.setattr(padam, "PACE_PER_S", 0.02)
    cut(grid, grid.houses)
    turn(grid, 35)
    [outage] = Outage.objects.exclude(state="WITHDRAWN")
    assert (outage.level, outage.node) == ("FEEDER", grid.feeder)
    assert OutageNotice.objects.filter(state="SENT").count() == 2
    restore(grid, grid.houses)
    turn(grid, 5)
    assert OutageNotice.objects.filter(kind="PADAM", state="DROPPED").count() == 8
    turn(grid, 300)
    told = [len(grid.town.words_to(house)) for house in grid.houses]
    assert sorted(told) == [0] * 8 + [2] * 2


def test_a_word_outside_a_transaction_is_refused(grid: Grid) -> None:
    with pytest.raises(transaction.TransactionManagementError):
        note_report(meter_id=grid.houses[0].meter.pk, report=PowerRestored(), now=grid.town.now)
    assert not MeterWord.objects.exists()
    assert connection.in_atomic_block is False
