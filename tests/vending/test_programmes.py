"""A programme pays a part of the electricity: more energy for the nominal, booked as what it is, up to its limit."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import transaction
from django.db.models import Sum
from tests.flows.house import Town

from duaarah.core.tariff import Discount
from duaarah.vending.models import LedgerLine, Quote, Vend
from duaarah.vending.operations import arrears, pricing, top_up
from duaarah.vending.operations.top_up import take_payment

pytestmark = pytest.mark.slow


class HalfFor2026:
    """A programme as the tables might hold one: half the price, to a limit a month."""

    def __init__(self, limit_wh: int) -> None:
        self.limit_wh = limit_wh

    def discount(self, *, va: int, had_wh: int) -> Discount | None:
        left_wh = self.limit_wh - had_wh
        return Discount(rate=Decimal("0.5"), limit_wh=left_wh) if left_wh > 0 else None


@pytest.fixture
def town(database: str, tmp_path: Path) -> Town:
    return Town(tmp_path)


def test_half_price_to_its_limit_and_the_books_say_who_paid(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    house = town.house(wallet_idr=500_000)
    monkeypatch.setattr(pricing, "programme_for", lambda **said: HalfFor2026(200_000))
    said = {"pairing": house.pairing, "amount_idr": 100_000, "channel": town.channel, "token_source": town.source}
    for number, energy_wh in ((1, 134_400), (2, 100_000), (3, 67_200)):
        top_up(reference=f"r{number}", now=town.now, **said)
        assert Vend.objects.latest("pk").requested_wh == energy_wh
        if number == 2:
            # 65,600 Wh were left at half the price: 32,800 Wh of them were given.
            assert Quote.objects.latest("pk").discount_sen == 32_800 * 144_470 // 1000
    given = LedgerLine.objects.filter(account__code="pln:discount").aggregate(sen=Sum("amount_sen"))["sen"]
    assert given == Quote.objects.aggregate(sen=Sum("discount_sen"))["sen"] > 0
    assert LedgerLine.objects.aggregate(sen=Sum("amount_sen"))["sen"] == 0
    stroom = LedgerLine.objects.filter(account__code="pln:stroom").aggregate(sen=Sum("amount_sen"))["sen"]
    # What stroom was sold for is the energy at its rate, to the rounding of each line.
    assert abs(-stroom - 301_600 * 144_470 // 1000) <= 3


def test_the_month_begins_anew_and_a_refund_gives_back_what_it_took(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = town.house(wallet_idr=500_000)
    monkeypatch.setattr(pricing, "programme_for", lambda **said: HalfFor2026(134_400))
    said = {"pairing": house.pairing, "amount_idr": 100_000, "channel": town.channel}
    vend, _ = take_payment(reference="r1", now=town.now, **said)
    assert pricing.price(house.meter, 100_000, town.now).energy_wh == 67_200
    assert pricing.price(house.meter, 100_000, town.now + dt.timedelta(days=14)).energy_wh == 134_400
    Vend.objects.filter(pk=vend.pk).update(state="REFUNDED")
    assert pricing.price(house.meter, 100_000, town.now).energy_wh == 134_400
    with transaction.atomic():
        assert arrears.due(meter=house.meter, nominal_idr=100_000, date=dt.date(2026, 2, 16), lock=True) == []
