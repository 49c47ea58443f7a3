"""KENAPA: a customer asks why his kWh differ; the answer is the books' own, in one SMS."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.core.gsm7 import one_segment
from duaarah.core.tariff.explain import Change
from duaarah.messaging.price_texts import CAUSES
from duaarah.messaging.texts import TEXTS, render, short_drn
from duaarah.people.models import AccountHolder
from duaarah.registry.models import Meter
from duaarah.texting.why import causes
from duaarah.vending.models import Notification, Quote, Token, Vend
from duaarah.vending.operations import top_up
from duaarah.vending.receipts import difference, receipt_of, token_before, tokens_of_meter
from tests.flows.house import House, Town


def ask(town: Town, house: House, words: str = "KENAPA") -> str:
    before = len(town.words_to(house))
    town.text(house, words)
    town.run()
    (answer,) = town.words_to(house)[before:]
    return answer


def buy(town: Town, house: House, amount_idr: int, reference: str) -> None:
    # Where the meter's row was changed, the purchase is made with the row as it is now.
    house.pairing.meter.refresh_from_db()
    top_up(
        pairing=house.pairing,
        amount_idr=amount_idr,
        channel=town.channel,
        reference=reference,
        token_source=town.source,
        now=town.now,
    )
    town.run()


@pytest.mark.slow
def test_nothing_to_compare_is_said(town: Town) -> None:
    house = town.house()
    name = short_drn(house.meter.drn)
    assert ask(town, house).startswith(f"Belum ada token utk meter {name}.")
    buy(town, house, 50_000, "one")
    words = ask(town, house)
    assert words.startswith(f"Meter {name}: 33,6 kWh utk Rp50.000 (") and "Belum ada token lain" in words
    assert words.endswith("Tarif Rp1.444,7 per kWh.")


@pytest.mark.slow
def test_nothing_changed_is_said(town: Town) -> None:
    house = town.house()
    buy(town, house, 50_000, "one")
    buy(town, house, 50_000, "two")
    words = ask(town, house)
    assert "33,6 kWh utk Rp50.000" in words and "Tarif, PPJ, PPN, meterai dan angsuran tidak berubah." in words
    buy(town, house, 20_000, "three")
    words = ask(town, house, "kok cuma dapat 13 kwh")
    assert "13,4 kWh utk Rp20.000" in words and "dulu 33,6 kWh utk Rp50.000" in words
    assert words.endswith("Hanya nominalnya beda; harga dan pajak tetap.")


@pytest.mark.slow
def test_a_new_region_and_power_are_named_with_what_each_made(town: Town) -> None:
    house = town.house(contracted_va=900)
    AccountHolder.objects.update(language="en")
    buy(town, house, 50_000, "one")
    assert Quote.objects.get().region == "Depok" and Quote.objects.get().contracted_va == 900
    Meter.objects.filter(pk=house.meter.pk).update(region="Bandung", contracted_va=1300)
    buy(town, house, 50_000, "two")

    words = ask(town, house)

    # 50,000 / 1.03 / 605 = 80.2375; / 1.06 = 77.9667; at 1,444.70 = 32.6502 -> 32.7, before 80.2.
    assert words == (
        f"Meter {short_drn(house.meter.drn)}: 32.7 kWh (23/11), before 80.2 kWh (23/11). Why, in kWh:"
        " rate 605->1,444.7/kWh -45.32; PPJ 3%->6% -2.27; rounding +0.09."
    ).replace("23/11", words.split("(")[1][:5])
    latest, first = tokens_of_meter(meter_id=house.meter.pk, limit=5)
    assert token_before(latest) == first and token_before(first) is None
    before, after = receipt_of(first), receipt_of(latest)
    assert before is not None and after is not None
    found = difference(before, after)
    assert sum(change.effect_kwh for change in found) == Fraction(32_700 - 80_200, 1000)
    # The first purchase keeps the rows of its own region and power, though the meter has moved on.
    assert before.rows["ppj"].key == "Depok" and before.rows["rate"].low == 900
    assert after.rows["ppj"].key == "Bandung" and after.booked


@pytest.mark.slow
def test_a_token_bought_elsewhere_is_recomputed_or_said_to_be_unknown(town: Town) -> None:
    house = town.house()
    buy(town, house, 50_000, "one")
    own = Vend.objects.get()
    for number, energy_wh in ((1, 33_600), (2, 29_900)):
        sold = Vend.objects.get(pk=own.pk)
        sold.pk, sold.payment, sold.origin, sold.command = None, None, Vend.Origin.ELSEWHERE, None
        sold.request_id = sold.correlation = f"00000000-0000-4000-8000-{number:012d}"
        sold.tid, sold.requested_wh = own.tid + number, energy_wh
        sold.paid_at = own.paid_at + dt.timedelta(minutes=number)
        sold._state.adding = True
        sold.save()
        Notification.objects.create(
            channel=town.channel,
            notification_id=str(number),
            digest=bytes(32),
            received_at=town.now,
            amount_idr=50_000,
            vend=sold,
        )
        Token.objects.create(vend=sold, digits=f"{number:020d}", energy_wh=energy_wh, created_at=sold.paid_at)
        sold.refresh_from_db()
        found = receipt_of(sold)
        assert (found is None) == (number == 2)
        assert found is None or (not found.booked and found.priced.stroom_sen == 48_543_69)
        words = ask(town, house)
        assert ("dibeli di tempat lain" in words) == (number == 2)
        assert ("tidak berubah" in words) == (number == 1)


@pytest.mark.slow
def test_a_stranger_to_the_meter_learns_nothing(town: Town) -> None:
    house, other = town.house(), town.house()
    buy(town, house, 50_000, "one")
    assert "33,6" not in ask(town, other, f"KENAPA {house.meter.drn}")


CHANGE = st.builds(
    Change,
    name=st.sampled_from(sorted(CAUSES)),
    before=st.integers(0, 9_999_999).map(lambda n: Decimal(n).scaleb(-4)),
    after=st.integers(0, 9_999_999).map(lambda n: Decimal(n).scaleb(-4)),
    effect_kwh=st.fractions(-2000, 2000, max_denominator=10_000),
)


@given(st.lists(CHANGE, min_size=1, max_size=9, unique_by=lambda change: change.name), st.sampled_from(["id", "en"]))
def test_as_many_causes_as_fit_in_one_sms(found: list[Change], language: str) -> None:
    # The host's largest figures: shares are below one, money below ten million.
    found = [
        replace(c, before=c.before / 1000, after=c.after / 1000)
        if c.name in ("ppj", "ppn")
        else replace(c, before=c.before * 10_000, after=c.after * 10_000)
        if c.name not in ("rate", "rounding")
        else c
        for c in found
    ]
    values = {"meter": "ABCDEFGHIJKL", "kwh": "1.234,5", "day": "23/11", "was": "1.234,5", "was_day": "23/10"}
    around = TEXTS["why_changed"][language].format(**values, causes="")
    words = causes(tuple(found), language, around)
    one_segment(render("why_changed", language, **values, causes=words))
    assert not words.startswith("+"), "at least the largest cause is named"
