# SPDX-License-Identifier: Apache-2.0
"""What losses stand on: windows that do not shrink with age, relays that credit closes, customers who were there before."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path

import pyarrow as pa
import pytest
from django.conf import settings
from psycopg.types.range import TimestamptzRange
from tests.analytics.grid import Grid, meters

from duaarah.analytics.losses import firsts, network, signals
from duaarah.analytics.losses.decisions import decide
from duaarah.analytics.losses.network import Place
from duaarah.analytics.losses.sources import WINDOW_DAYS, Sources
from duaarah.analytics.models import LossFinding, LossFirst
from duaarah.people.models import Login, Organisation
from duaarah.readings import landing
from duaarah.readings.days import compact
from duaarah.registry.models import Meter, Modem, NetworkNode, Pairing, Sim

DAY = dt.timedelta(days=1)
NOW = dt.datetime(2026, 3, 31, 3, 0, tzinfo=dt.UTC)


def taken(*told: tuple[str, dict[str, object]]) -> signals._Told:
    one = signals._Told()
    for at_s, (kind, data) in enumerate(told):
        signals._take(one, kind, at_s, data)
    return one


def test_credit_closes_the_relay_that_opened_for_want_of_it_and_no_other() -> None:
    empty = ("CREDIT_EXHAUSTED", {"balance_wh": 0})
    for word in (
        ("TOKEN_RESULT", {"balance_wh": 50_000}),
        ("DATA_BLOCK", {"balance_wh": 1}),
        ("LOW_CREDIT", {"balance_wh": 1, "relay_closed": True}),
    ):
        closed = taken(empty, word)
        assert closed.relay_closed is True and closed.open_since is None and closed.opened == [(0, 1)]
    assert taken(empty, ("TOKEN_RESULT", {"balance_wh": 0})).open_since == 0
    limit = ("RELAY_STATE", {"relay_closed": False, "relay_reason": "limit"})
    assert taken(limit, ("TOKEN_RESULT", {"balance_wh": 50_000})).open_since == 0
    assert taken(limit, ("RELAY_STATE", {"relay_closed": True})).open_since is None
    assert taken(("DATA_BLOCK", {"balance_wh": 9})).relay_closed is None


def test_a_days_window_is_the_same_however_old_the_day_is() -> None:
    first = dt.date(2026, 1, 1)
    told = {first + n * DAY: f"d{n}" for n in range(200)}
    day = first + 100 * DAY
    whole, later = Sources(Place(1, "TRANSFORMER", None), told), dict(list(told.items())[:150])
    assert whole.span(day) == (day - (WINDOW_DAYS - 1) * DAY, day)
    assert whole.of(day) == Sources(Place(1, "TRANSFORMER", None), later).of(day)
    for changed in (day, day - (WINDOW_DAYS - 1) * DAY):
        assert Sources(Place(1, "TRANSFORMER", None), told | {changed: "x"}).of(day) != whole.of(day)
    outside = told | {day + DAY: "x", day - WINDOW_DAYS * DAY: "y"}
    assert Sources(Place(1, "TRANSFORMER", None), outside).of(day) == whole.of(day)
    swapped = told | {day: told[day - DAY], day - DAY: told[day]}
    assert Sources(Place(1, "TRANSFORMER", None), swapped).of(day) != whole.of(day)


def paired(meter_id: int, at: dt.datetime, operator: Organisation) -> None:
    sim = Sim.objects.create(iccid=f"89{meter_id:018d}", msisdn=f"62811{meter_id:07d}", operator=operator)
    modem = Modem.objects.create(imei=f"{meter_id:015d}")
    Pairing.objects.create(meter_id=meter_id, sim=sim, modem=modem, phone="628", valid=TimestamptzRange(at, None))


@pytest.mark.slow
@pytest.mark.usefixtures("database")
def test_a_modem_does_not_make_a_customer_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "readings").mkdir()
    monkeypatch.setattr(settings, "READINGS_FOLDER", tmp_path / "readings")
    node = Grid().transformer(4)
    new, old, silent, before = meters(node)
    operator = Organisation.objects.create(code="OPX", name="Op", kind="MOBILE_OPERATOR")
    at = dt.datetime(2026, 3, 10, 3, 0, tzinfo=dt.UTC)
    for meter_id in (new, old, silent):
        paired(meter_id, at, operator)
    quarter = dt.timedelta(minutes=15)
    rows = [
        (meter_id, at + quarter * n, 900, 100.0, register_wh + 100.0 * n, 220.0)
        for meter_id, register_wh in ((new, 2_000.0), (old, 7_000_000.0), (before, 500.0))
        for n in range(1, 5)
    ]
    names = ("meter_id", "ts", "period_s", "energy_wh", "register_wh", "voltage_v")
    landing.land_columns(pa.table({name: [row[n] for row in rows] for n, name in enumerate(names)}))
    compact(open_too=True)
    early = at + DAY
    assert firsts.note_firsts(now=early, ends=math.inf) == 2
    assert firsts.note_firsts(now=early, ends=math.inf) == 0  # the silent one may still tell
    assert firsts.note_firsts(now=NOW, ends=math.inf) == 1
    assert dict(LossFirst.objects.values_list("meter_id", "register_wh")) == {new: 2_000.0, old: 7e6, silent: None}
    since = {one.meter_id: one.since_s for one in network.places()[node.pk].customers}
    assert since == {new: int(at.timestamp()), old: 0, silent: 0, before: 0}


@pytest.mark.slow
@pytest.mark.usefixtures("database")
def test_the_last_word_on_a_place_and_on_clean_days_counts() -> None:
    grid = Grid()
    node, other = grid.transformer(1), grid.transformer(1)
    [meter_id] = meters(node)
    meter, login = Meter.objects.get(pk=meter_id), Login.objects.create_user("operator")
    LossFinding.objects.create(
        node=node,
        meter=meter,
        kind=LossFinding.Kind.TRANSFORMER,
        detail={"likely": [other.pk, "L1"]},
        version=1,
        computed_at=NOW,
    )

    def say(state: str, about: str, clean: tuple[dt.date, dt.date] | None = None, place: NetworkNode = node) -> None:
        nonlocal count
        count += 1
        at = NOW + dt.timedelta(minutes=count)
        decide(node=place, meter=meter, state=state, note="seen", clean=clean, login=login, now=at, about=about)

    count = 0
    assert network.moved_meters() == {meter_id: other.pk}
    say("DISMISSED", "PLACE", place=other)
    assert network.moved_meters() == {meter_id: other.pk}
    say("DISMISSED", "PLACE")
    assert network.moved_meters() == {}
    say("FOUND", "PLACE")
    assert network.moved_meters() == {meter_id: other.pk}
    days = (dt.date(2026, 3, 1), dt.date(2026, 3, 14))
    say("NOTHING", "SUSPECT", days)
    assert network.places()[node.pk].clean == days
    say("FOUND", "SUSPECT")
    assert network.places()[node.pk].clean is None
