# SPDX-License-Identifier: Apache-2.0
"""Meters that are asked whether they have supply: who, how often, what the answer does, and what a dead process leaves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import pytest
from django.db import transaction
from tests.flows.house import House
from tests.outages.conftest import Grid
from tests.outages.test_told import SECOND, cut

from duaarah.core.order import Order, OrderKind
from duaarah.core.outage import Evidence, Kind, Network, Picture
from duaarah.headend.models import Attempt, Command, MeterReach
from duaarah.headend.operations import end_leases, place_order
from duaarah.headend.operations.sessions import claim_sessions, session_failed
from duaarah.outages import inferring, pings
from duaarah.outages.evidence import keep_words
from duaarah.outages.inferring import run_outages
from duaarah.outages.models import MeterSupply, MeterWord, Outage, Ping, Watch
from duaarah.outages.pings import send_pings, settle_pings

pytestmark = pytest.mark.slow
MINUTE = dt.timedelta(minutes=1)


def step(grid: Grid, seconds: int, *, to_meters: bool = True) -> None:
    """Time passes, then the sweeper goes round and the frames go out."""
    grid.town.now += seconds * SECOND
    now = grid.town.now
    settle_pings(now=now)
    run_outages(now=now)
    send_pings(driver=grid.town.driver, now=now)
    grid.town.run(to_meters=to_meters)
    settle_pings(now=now)
    run_outages(now=now)


def give_up(grid: Grid) -> None:
    """The answers did not come: the leases of the frames end."""
    grid.town.end_leases_now()
    end_leases(now=grid.town.now, backoff_s=60)


def standing() -> list[tuple[str, str]]:
    rows = Outage.objects.exclude(state="WITHDRAWN").order_by("level", "pk")
    return [(row.level, row.state) for row in rows]


def states(houses: list[House]) -> set[str]:
    return set(MeterSupply.objects.filter(meter__in=[h.meter for h in houses]).values_list("state", flat=True))


def speak(grid: Grid, houses: list[House], *, times: int = 8) -> None:
    """They spoke every ten minutes, the last time just now."""
    for back in range(times - 1, -1, -1):
        at = grid.town.now - back * 10 * MINUTE
        for house in houses:
            with transaction.atomic():
                keep_words(meter_id=house.meter.pk, words=[(Kind.ALIVE, at, None)], now=at)


def test_the_neighbours_of_a_lone_gasp_do_not_answer_so_it_is_the_transformer(grid: Grid) -> None:
    mine, others = grid.houses[:5], grid.houses[5:]
    cut(grid, mine[:1])
    step(grid, 10, to_meters=False)
    assert not Ping.objects.exists()  # other gasps may come
    step(grid, 20, to_meters=False)
    assert standing() == [("METER", "DECLARED")]
    asked = Ping.objects.filter(state="ASKED")
    assert {ping.meter_id for ping in asked} == {house.meter.pk for house in mine[1:]}
    assert set(Command.objects.values_list("kind", "attempts", "state")) == {("PUSH_NOW", 1, "SENT")}
    step(grid, 60, to_meters=False)
    assert Command.objects.count() == 4
    give_up(grid)
    step(grid, 60, to_meters=False)
    assert set(Ping.objects.values_list("state", flat=True)) == {"LOST"}
    assert standing() == [("TRANSFORMER", "DECLARED")]
    assert Outage.objects.get(level="TRANSFORMER").evidence["unanswered"] == 4
    assert states(mine) == {"PADAM"} and states(others) <= {"NYALA"}
    # All of them are known to be off: nobody is asked any more.
    for _ in range(5):
        step(grid, 120, to_meters=False)
    assert Command.objects.count() == 4 and Attempt.objects.count() == 4


def test_neighbours_that_answer_leave_it_one_house(grid: Grid) -> None:
    cut(grid, grid.houses[:1])
    step(grid, 30)
    assert set(Ping.objects.values_list("state", flat=True)) == {"ANSWERED"}
    assert MeterWord.objects.filter(kind="PING_ANSWERED").count() == 4
    for _ in range(3):
        step(grid, 60)
    assert standing() == [("METER", "DECLARED")] and Ping.objects.count() == 4
    assert MeterSupply.objects.filter(state="PADAM").count() == 1


def test_a_tree_of_which_nobody_speaks_is_looked_at_again_and_stays_what_it_is(grid: Grid) -> None:
    speak(grid, grid.houses)
    first = grid.town.now
    for seconds in (1, 61):
        step(grid, seconds, to_meters=False)
    assert Watch.objects.get().due_at == first + 11 * MINUTE
    step(grid, 9 * 60, to_meters=False)
    assert not Ping.objects.exists()
    step(grid, 61, to_meters=False)
    asked = Ping.objects.values_list("node__code", "why")
    assert sorted(asked) == [("T1", "silent")] * 4 + [("T2", "silent")] * 4
    give_up(grid)
    step(grid, 60, to_meters=False)
    assert standing() == [("TRANSFORMER", "SUSPECTED")] * 2
    assert states(grid.houses) == {"MODEM_DIAM"}
    # Hours later their last words are old, and still say that they are silent; they are asked now and then.
    for _ in range(8):
        grid.town.now += 60 * MINUTE
        run_outages(now=grid.town.now)
    assert states(grid.houses) == {"MODEM_DIAM"} and standing() == [("TRANSFORMER", "SUSPECTED")] * 2
    speak(grid, grid.houses[:5], times=1)
    step(grid, 1)
    assert standing() == [("TRANSFORMER", "SUSPECTED")]
    assert states(grid.houses[:5]) == {"NYALA"}


def test_heartbeats_of_a_calm_tree_cost_no_inference_and_its_silence_is_still_seen(
    grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[dt.datetime] = []
    real = inferring.infer

    def counted(network: Network, words: Iterable[Evidence], now: dt.datetime) -> Picture:
        looked.append(now)
        return real(network, words, now)

    monkeypatch.setattr(inferring, "infer", counted)
    first = grid.town.now
    for beat in range(30):
        grid.town.now = first + beat * MINUTE
        speak(grid, [grid.houses[beat % 10]], times=1)
        for _ in range(3):
            run_outages(now=grid.town.now)
            grid.town.now += SECOND
    assert not MeterWord.objects.filter(seen=False).exists()
    assert len(looked) <= 30  # of ninety times that somebody looked: once a minute at most
    speak(grid, grid.houses)
    run_outages(now=grid.town.now)
    looked.clear()
    grid.town.now += 11 * MINUTE
    run_outages(now=grid.town.now)
    assert len(looked) == 1 and Ping.objects.filter(why="silent").exists()
    # Intervals that come an hour late too, as long as nothing was off then.
    looked.clear()
    for back in (40, 70):
        with transaction.atomic():
            at = grid.town.now - back * MINUTE
            keep_words(meter_id=grid.houses[3].meter.pk, words=[(Kind.INTERVAL, at, None)], now=grid.town.now)
        run_outages(now=grid.town.now + SECOND)
    assert looked == []
    past = Outage.objects.create(
        level="METER",
        meter=grid.houses[4].meter,
        state="CLOSED",
        began_at=grid.town.now - 90 * MINUTE,
        ended_at=grid.town.now - 60 * MINUTE,
        known_at=grid.town.now,
    )
    with transaction.atomic():
        at = grid.town.now - 75 * MINUTE
        keep_words(meter_id=grid.houses[3].meter.pk, words=[(Kind.INTERVAL, at, None)], now=grid.town.now)
    run_outages(now=grid.town.now + SECOND)
    assert len(looked) == 1
    past.delete()
    looked.clear()
    # What a meter says that was held for silent is looked at at once; and every word while its tree has an outage.
    MeterSupply.objects.update_or_create(
        pk=grid.houses[9].meter.pk, defaults={"state": "MODEM_DIAM", "since_at": grid.town.now}
    )
    speak(grid, [grid.houses[9]], times=1)
    run_outages(now=grid.town.now)
    assert len(looked) == 1 and MeterSupply.objects.get(pk=grid.houses[9].meter.pk).state == "NYALA"


def test_a_meter_that_can_not_be_asked_says_nothing(grid: Grid) -> None:
    speak(grid, grid.houses[:5])
    grid.houses[0].pairing.valid = (grid.town.now - dt.timedelta(days=1), grid.town.now)
    grid.houses[0].pairing.save()
    cut(grid, grid.houses[1:2])
    grid.town.now += 30 * SECOND
    run_outages(now=grid.town.now)
    send_pings(driver=grid.town.driver, now=grid.town.now)
    assert Ping.objects.get(meter=grid.houses[0].meter).state == "NO_WAY"
    # The radio is so busy that no frame leaves: the commands end without an attempt.
    grid.town.now += 11 * MINUTE
    end_leases(now=grid.town.now, backoff_s=60)
    assert set(Command.objects.values_list("state", flat=True)) == {"EXPIRED"} and not Attempt.objects.exists()
    settle_pings(now=grid.town.now)
    assert set(Ping.objects.values_list("state", flat=True)) == {"UNASKED", "NO_WAY"}
    assert not MeterWord.objects.filter(kind__startswith="PING").exists()


def test_a_meter_on_the_network_is_read_and_a_question_under_way_is_not_put_twice(grid: Grid) -> None:
    read, told = grid.houses[1], grid.houses[2]
    MeterReach.objects.create(meter=read.meter, host="192.0.2.1", sms_tries=2)
    mine = place_order(
        meter=told.meter,
        order=Order(kind=OrderKind.PUSH_NOW),
        reason="",
        driver=grid.town.driver,
        actor="operator",
        now=grid.town.now,
    )
    cut(grid, grid.houses[:1])
    Command.objects.filter(pk=mine).update(state="QUEUED", closed_at=None, result="")
    grid.town.now += 30 * SECOND
    run_outages(now=grid.town.now)
    send_pings(driver=grid.town.driver, now=grid.town.now)
    assert Command.objects.get(meter=read.meter).kind == "READ_METER"
    assert (
        Ping.objects.get(meter=told.meter).command_id == mine and Command.objects.filter(meter=told.meter).count() == 1
    )
    # No connection comes about: that is an answer too, and it comes at once.
    [session] = claim_sessions(driver=grid.town.driver, keys=grid.town.keys, now=grid.town.now, lease_s=60, limit=5)
    session_failed(claimed=session, window=session.call.window, why="refused", now=grid.town.now)
    end_leases(now=grid.town.now, backoff_s=60)
    settle_pings(now=grid.town.now)
    assert Ping.objects.get(meter=read.meter).state == "LOST"


def look(grid: Grid, minutes: int) -> None:
    """Time passes, the tree is looked at and the questions become commands, but no frame finds its way out."""
    grid.town.now += minutes * MINUTE
    end_leases(now=grid.town.now, backoff_s=60)
    settle_pings(now=grid.town.now)
    Watch.objects.update(due_at=grid.town.now)
    run_outages(now=grid.town.now)
    send_pings(driver=grid.town.driver, now=grid.town.now)


def test_who_can_not_be_asked_is_left_alone_for_hours_and_others_are_asked_in_its_place(grid: Grid) -> None:
    mine = grid.houses[:5]
    speak(grid, mine)
    for house in mine[:3]:
        house.pairing.valid = (grid.town.now - dt.timedelta(days=1), grid.town.now)
        house.pairing.save()
    look(grid, 12)
    for _ in range(5):
        look(grid, 1)
    assert sorted(Ping.objects.values_list("meter", "state")) == sorted(
        [(house.meter.pk, "NO_WAY") for house in mine[:3]] + [(house.meter.pk, "ASKED") for house in mine[3:]]
    )
    # Whoever has a modem again is found, hours later.
    for _ in range(7):
        look(grid, 60)
    assert {Ping.objects.filter(meter=house.meter).count() for house in mine[:3]} == {2}


def test_a_radio_without_room_is_not_asked_the_more_for_it(grid: Grid) -> None:
    speak(grid, grid.houses[:5])
    look(grid, 12)
    assert Ping.objects.filter(state="ASKED").count() == 4
    look(grid, 11)
    look(grid, 5)
    assert Ping.objects.count() == Ping.objects.filter(state="UNASKED").count() == 4
    look(grid, 15)  # half an hour after the first four: the fifth one's turn, and soon theirs
    assert list(Ping.objects.filter(state="ASKED").values_list("meter", flat=True)) == [grid.houses[4].meter.pk]
    look(grid, 11)
    assert Ping.objects.filter(state="ASKED").count() == 3 and Command.objects.count() == 8


def want(grid: Grid, houses: list[House], wanted_at: dt.datetime) -> None:
    for house in houses:
        Ping.objects.create(
            meter=house.meter,
            node=grid.transformers[0],
            why="silent",
            about_at=wanted_at,
            wanted_at=wanted_at,
            state="WANTED",
        )


def test_what_waited_too_long_takes_no_room_from_what_can_still_be_asked(
    grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pings, "BATCH_MAX", 2)
    old, off, fresh = grid.houses[:4], grid.houses[4:6], grid.houses[6:9]
    want(grid, old, grid.town.now - 5 * MINUTE)
    want(grid, off, grid.town.now - MINUTE)
    for house in off:
        MeterSupply.objects.update_or_create(pk=house.meter.pk, defaults={"state": "PADAM", "since_at": grid.town.now})
    want(grid, fresh, grid.town.now - 4 * MINUTE)
    assert send_pings(driver=grid.town.driver, now=grid.town.now) == 8
    asked = Ping.objects.filter(state="ASKED").values_list("meter", flat=True)
    assert set(asked) == {house.meter.pk for house in fresh[:2]}
    closed = Ping.objects.filter(state="UNASKED", closed_at=grid.town.now, command=None)
    assert set(closed.values_list("meter", flat=True)) == {house.meter.pk for house in old + off}
    # Also when there is no room at all.
    monkeypatch.setattr(pings, "OPEN_MAX", 2)
    assert send_pings(driver=grid.town.driver, now=grid.town.now + MINUTE) == 1
    assert not Ping.objects.filter(state="WANTED").exists() and Command.objects.count() == 2


def test_meters_are_locked_in_their_order(grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    want(grid, grid.houses[::-1], grid.town.now)
    real, locked = pings.ask_meter, []

    def asks(**values: Any) -> int | None:
        locked.append(values["meter"].pk)
        return real(**values)

    monkeypatch.setattr(pings, "ask_meter", asks)
    assert send_pings(driver=grid.town.driver, now=grid.town.now) == 10
    assert locked == sorted(house.meter.pk for house in grid.houses)
    assert Ping.objects.filter(state="ASKED").count() == 10


def test_a_storm_asks_no_more_at_once_and_who_went_off_meanwhile_is_not_asked(
    grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pings, "OPEN_MAX", 3)
    speak(grid, grid.houses)
    step(grid, 12 * 60, to_meters=False)
    assert Ping.objects.filter(state="ASKED").count() == 3
    assert Ping.objects.filter(state="WANTED").count() == 5
    waiting = Ping.objects.filter(state="WANTED").order_by("pk").first()
    assert waiting is not None
    MeterSupply.objects.update_or_create(pk=waiting.meter_id, defaults={"state": "PADAM", "since_at": grid.town.now})
    give_up(grid)
    settle_pings(now=grid.town.now)
    send_pings(driver=grid.town.driver, now=grid.town.now)
    waiting.refresh_from_db()
    assert waiting.state == "UNASKED" and waiting.command is None
    # What waited too long is asked no more.
    grid.town.now += 6 * MINUTE
    while send_pings(driver=grid.town.driver, now=grid.town.now):
        pass
    assert not Ping.objects.filter(state="WANTED").exists()
    assert Command.objects.count() == 6


def test_a_process_that_dies_anywhere_asks_once_and_hears_once(grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    cut(grid, grid.houses[:1])
    grid.town.now += 30 * SECOND
    run_outages(now=grid.town.now)
    MeterWord.objects.update(seen=False)
    run_outages(now=grid.town.now)  # died before it could say that it had seen them
    assert Ping.objects.filter(state="WANTED").count() == 4
    real, calls = pings.ask_meter, []

    def dies(**values: object) -> int | None:
        calls.append(values)
        if len(calls) == 3:
            raise SystemExit
        return real(**values)  # type: ignore[arg-type]

    monkeypatch.setattr(pings, "ask_meter", dies)
    with pytest.raises(SystemExit):
        send_pings(driver=grid.town.driver, now=grid.town.now)
    assert Ping.objects.filter(state="WANTED").count() == 4 and not Command.objects.exists()
    monkeypatch.undo()
    send_pings(driver=grid.town.driver, now=grid.town.now)
    send_pings(driver=grid.town.driver, now=grid.town.now)
    assert Command.objects.count() == 4
    grid.town.run(to_meters=False)
    give_up(grid)
    kept: list[object] = []

    def dies_too(**values: object) -> None:
        kept.append(values)
        if len(kept) == 2:
            raise SystemExit
        keep_words(**values)  # type: ignore[arg-type]

    monkeypatch.setattr(pings, "keep_words", dies_too)
    with pytest.raises(SystemExit):
        settle_pings(now=grid.town.now)
    assert not MeterWord.objects.filter(kind="PING_LOST").exists()
    monkeypatch.undo()
    settle_pings(now=grid.town.now)
    settle_pings(now=grid.town.now + SECOND)
    assert MeterWord.objects.filter(kind="PING_LOST").count() == 4
    run_outages(now=grid.town.now + SECOND)
    before = list(Outage.objects.exclude(state="WITHDRAWN").values("level", "state", "affected"))
    MeterWord.objects.update(seen=False)
    run_outages(now=grid.town.now + SECOND)
    assert list(Outage.objects.exclude(state="WITHDRAWN").values("level", "state", "affected")) == before
    assert before == [{"level": "TRANSFORMER", "state": "DECLARED", "affected": 5}]
