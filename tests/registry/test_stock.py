"""A SIM's states and alarms; prices from a day on, and never in the past."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import DatabaseError, transaction
from tests.flows.house import START, House, Town

from duaarah.audit.models import AuditRecord
from duaarah.registry.models import CatalogueItem, CataloguePrice, Pairing, Sim
from duaarah.registry.operations import NEXT, PriceRefused, SimStateRefused, change_sim_state, set_price
from duaarah.registry.queries import price_on, sim_alarms, sims_of

pytestmark = pytest.mark.slow
TODAY = START.date()
DAY = dt.timedelta(days=1)


@pytest.fixture
def house(town: Town) -> House:
    made = town.house()
    Sim.objects.update(state="ACTIVE")
    return made


@pytest.fixture
def item(database: str) -> CatalogueItem:
    return CatalogueItem.objects.create(code="SMS-28", kind="PACKAGE", name="28 SMS", segments_monthly=28)


def spare(town: Town, state: str = "IN_STOCK") -> Sim:
    return Sim.objects.create(iccid="8962980000000000017", msisdn="628990001", operator=town.operator, state=state)


def test_a_sim_goes_from_the_drawer_into_a_modem_and_to_its_end(town: Town) -> None:
    sim = spare(town)
    for hours, state in enumerate(("IN_MODEM", "ACTIVE", "SUSPENDED", "ACTIVE", "ENDED")):
        change_sim_state(sim_id=sim.pk, state=state, reason="so it is", actor="login:1", now=START + hours * DAY / 24)
    sim.refresh_from_db()
    assert (sim.state, sim.state_at) == ("ENDED", START + DAY / 6)
    lines = AuditRecord.objects.filter(subject=f"sim:{sim.iccid}").order_by("id")
    assert [(r.verb, r.refused, r.detail["from"], r.detail["to"]) for r in lines][-2:] == [
        ("registry.change_sim_state", False, "SUSPENDED", "ACTIVE"),
        ("registry.change_sim_state", False, "ACTIVE", "ENDED"),
    ]


@pytest.mark.parametrize(
    ("state", "to", "reason"),
    [("IN_STOCK", "ACTIVE", "r"), ("ENDED", "ACTIVE", "r"), ("IN_STOCK", "BOILED", "r"), ("IN_STOCK", "IN_MODEM", " ")],
)
def test_what_does_not_follow_is_refused_and_nothing_moves(town: Town, state: str, to: str, reason: str) -> None:
    sim = spare(town, state)
    with pytest.raises(SimStateRefused):
        change_sim_state(sim_id=sim.pk, state=to, reason=reason, actor="login:1", now=START)
    sim.refresh_from_db()
    assert (sim.state, sim.state_at) == (state, None)
    assert [(r.refused, r.code) for r in AuditRecord.objects.filter(subject=f"sim:{sim.iccid}")] == [
        (True, "sim_state_refused")
    ]


def test_a_sim_that_serves_a_meter_does_not_end(town: Town, house: House) -> None:
    sim = house.pairing.sim
    with pytest.raises(SimStateRefused, match="still serves"):
        change_sim_state(sim_id=sim.pk, state="ENDED", reason="gone", actor="login:1", now=START)
    assert Sim.objects.get(pk=sim.pk).state == "ACTIVE"
    Pairing.objects.filter(sim=sim).update(valid=(START - DAY, START))
    assert change_sim_state(sim_id=sim.pk, state="ENDED", reason="gone", actor="login:1", now=START).state == "ENDED"


def test_an_active_sim_in_the_drawer_is_an_alarm_and_one_in_a_meter_is_none(town: Town, house: House) -> None:
    every = sims_of(operator_ids=None, at=START)
    assert list(sim_alarms(every)) == []
    sim = spare(town, "ACTIVE")
    assert [s.pk for s in sim_alarms(every.all())] == [sim.pk]
    Sim.objects.filter(pk=house.pairing.sim.pk).update(state="IN_STOCK")
    assert {s.pk for s in sim_alarms(every.all())} == {sim.pk, house.pairing.sim.pk}
    assert {s.iccid: s.drn for s in every.all()} == {sim.iccid: None, house.pairing.sim.iccid: house.meter.drn}
    assert list(sims_of(operator_ids=[], at=START)) == []


def test_every_state_says_what_may_follow() -> None:
    assert set(NEXT) == set(Sim.State.values)


def test_a_price_holds_from_its_day_and_the_later_entry_of_a_day_wins(item: CatalogueItem) -> None:
    for amount, days in ((5_000, 1), (6_000, 10), (6_500, 10)):
        set_price(
            item_id=item.pk, amount_idr=amount, valid_from_date=TODAY + days * DAY, reason="r", actor="a", now=START
        )
    found = [price_on(item_id=item.pk, date=TODAY + days * DAY) for days in (0, 1, 9, 10, 400)]
    assert [p.amount_idr if p else None for p in found] == [None, 5_000, 5_000, 6_500, 6_500]
    assert AuditRecord.objects.filter(verb="registry.set_price", refused=False).count() == 3


@pytest.mark.parametrize(
    ("amount", "days", "reason"),
    [(5_000, 0, "r"), (5_000, -1, "r"), (0, 1, "r"), (100_000_001, 1, "r"), (5_000, 1, "")],
)
def test_a_price_of_the_past_or_without_a_reason_is_refused(
    item: CatalogueItem, amount: int, days: int, reason: str
) -> None:
    with pytest.raises(PriceRefused):
        set_price(
            item_id=item.pk, amount_idr=amount, valid_from_date=TODAY + days * DAY, reason=reason, actor="a", now=START
        )
    assert CataloguePrice.objects.count() == 0
    assert [(r.refused, r.code) for r in AuditRecord.objects.filter(verb="registry.set_price")] == [
        (True, "price_refused")
    ]


def test_the_day_is_that_of_western_indonesia(item: CatalogueItem) -> None:
    # 23.30 UTC on the 15th is 06.30 WIB on the 16th.
    late = dt.datetime(2026, 2, 15, 23, 30, tzinfo=dt.UTC)
    with pytest.raises(PriceRefused):
        set_price(item_id=item.pk, amount_idr=1, valid_from_date=dt.date(2026, 2, 16), reason="r", actor="a", now=late)


def test_prices_are_append_only(item: CatalogueItem) -> None:
    price = CataloguePrice.objects.create(item=item, amount_idr=1, valid_from_date=TODAY, set_at=START, set_by="a")
    for deed in (lambda: price.delete(), lambda: CataloguePrice.objects.update(amount_idr=2)):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            deed()
    assert CataloguePrice.objects.get().amount_idr == 1
