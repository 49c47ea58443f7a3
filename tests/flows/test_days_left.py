# SPDX-License-Identifier: Apache-2.0
"""Days left follow every reading; the customer asks, and is warned a day before, once a cycle of his credit."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection, transaction

from duaarah.headend.models import MeterEvent
from duaarah.messaging.models import Message
from duaarah.messaging.texts import about_days
from duaarah.notices.day_warnings import compute_due
from duaarah.notices.forecasts import forget_warnings, mark_read
from duaarah.notices.models import Forecast, ReplyCode
from duaarah.notices.preferences import stop_warnings
from duaarah.vending.operations import top_up
from tests.flows.days import daily_house, live
from tests.flows.house import House, Town

pytestmark = pytest.mark.slow


def forecast(house: House) -> Forecast:
    return Forecast.objects.get(pk=house.meter.pk)


def warnings(house: House) -> list[str]:
    return list(Message.objects.filter(meter=house.meter, message_class="WARNING").values_list("text", flat=True))


def test_each_reading_computes_days_left_anew(town: Town) -> None:
    house = daily_house(town)
    live(town, house, 10, 5_000)
    row = forecast(house)
    assert (row.due, row.days_known, row.balance_wh, row.daily_wh) == (False, 10, 50_000, 5_000)
    # Told at two in the morning, counted from there: the credit of then over 5 kWh a day.
    assert row.as_of_at == town.now and row.days_left == pytest.approx(10.0, abs=0.01)
    assert row.low_days < 9 and row.high_days > 11
    assert row.ends_at == town.now + dt.timedelta(days=row.days_left)
    live(town, house, 1, 5_000)
    assert forecast(house).days_left == pytest.approx(9.0, abs=0.05)
    assert row.left_at(row.as_of_at + dt.timedelta(days=4)).days == pytest.approx(6.0, abs=0.01)
    assert row.credit_at_wh(row.as_of_at + dt.timedelta(days=4)) == pytest.approx(30_000, abs=60)


def test_a_reading_that_comes_while_it_is_computed_is_not_left_out(town: Town, database: str) -> None:
    house = daily_house(town)
    live(town, house, 2, 5_000)
    with transaction.atomic():
        mark_read(meter_ids=[house.meter.pk])
    assert compute_due(now=town.now) == 1 and compute_due(now=town.now) == 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM notices_forecast FOR UPDATE")
        # Another worker finds it taken, and does not wait.
        assert forecast(house).due is False


def test_a_mark_joins_the_transaction_of_its_reading(town: Town) -> None:
    with pytest.raises(transaction.TransactionManagementError):
        mark_read(meter_ids=[1])


def test_saldo_says_days_when_they_are_known(town: Town) -> None:
    house = daily_house(town)
    live(town, house, 3, 5_000)
    town.text(house, "SALDO")
    town.run()
    assert "cukup" not in town.words_to(house)[-1]
    live(town, house, 5, 5_000)
    town.text(house, "SALDO")
    town.run()
    assert town.words_to(house)[-1].startswith("Saldo 60,0 kWh, cukup +-12 hari (meter ")


def test_a_warning_comes_a_day_before_whatever_the_threshold_is(town: Town) -> None:
    """The threshold of half a kilowatt-hour is two hours' use: only the forecast can warn in time."""
    house = daily_house(town, credit_wh=60_000, low_credit_threshold_wh=500)
    live(town, house, 9, 6_000)
    row = forecast(house)
    assert 0.9 < row.days_left < 1.1 and row.days_warned_at is not None
    assert row.days_warned_at <= town.now and row.days_left + (town.now - row.days_warned_at).days >= 1
    [text] = warnings(house)
    code = ReplyCode.objects.get(meter=house.meter, used_at=None).code
    assert f"ISI 50000 {code}" in text and "cukup +-" in text


def test_the_meters_own_warning_is_silent_while_the_code_lives(town: Town) -> None:
    """Warned by days at 18 kWh; the threshold is passed a day and a half later and says nothing new."""
    house = daily_house(town, credit_wh=60_000, low_credit_threshold_wh=9_500)
    live(town, house, 9, 6_000)
    assert house.sim.credit_wh < 9_500 and MeterEvent.objects.filter(kind="LOW_CREDIT").count() == 1
    [text] = warnings(house)
    assert text.startswith("Stroom 18,0 kWh, cukup +-3 hari")


def test_an_old_warning_does_not_silence_the_meters(town: Town) -> None:
    house = daily_house(town, credit_wh=60_000, low_credit_threshold_wh=500)
    live(town, house, 9, 6_000)
    live(town, house, 1, 5_800)
    first, second = warnings(house)
    assert first.startswith("Stroom 18,0") and second.startswith("Stroom 0,2 kWh, cukup <1 hari")


def test_after_a_load_the_next_low_credit_is_warned_of_again(town: Town) -> None:
    house = daily_house(town, credit_wh=60_000, low_credit_threshold_wh=500)
    live(town, house, 9, 6_000)
    assert len(warnings(house)) == 1
    top_up(
        pairing=house.pairing,
        amount_idr=20_000,
        channel=town.channel,
        reference="again",
        token_source=town.source,
        now=town.now,
    )
    town.run()
    while compute_due(now=town.now):
        pass
    assert forecast(house).days_warned_at is None or len(warnings(house)) == 2
    live(town, house, 2, 6_000)
    assert len(warnings(house)) == 2


def test_who_stopped_warnings_gets_none_by_days(town: Town) -> None:
    house = daily_house(town, credit_wh=60_000, low_credit_threshold_wh=500)
    stop_warnings(phone=house.pairing.phone, meter_ids=[house.meter.pk], now=town.now)
    live(town, house, 9, 6_000)
    assert warnings(house) == [] and forecast(house).warned_at is None


def test_the_meters_own_warning_says_days_and_is_the_only_one(town: Town) -> None:
    """A threshold of 20 kWh comes before the forecast's day: one warning, with the days."""
    house = daily_house(town, credit_wh=72_000, low_credit_threshold_wh=20_000)
    live(town, house, 11, 6_000)
    [text] = warnings(house)
    assert text.startswith("Stroom ") and "cukup +-3 hari" in text
    assert forecast(house).days_warned_at is None


def test_a_dead_process_warns_once(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after the message and before the commit: nothing of it happened, and the next run says it once."""
    from duaarah.notices import day_warnings

    house = daily_house(town, credit_wh=60_000, low_credit_threshold_wh=500)
    live(town, house, 9, 6_000)
    with transaction.atomic():
        forget_warnings(meter_id=house.meter.pk)
        mark_read(meter_ids=[house.meter.pk])

    def dies(**_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(day_warnings, "note_warning", dies)
        with pytest.raises(SystemExit):
            compute_due(now=town.now)
    assert len(warnings(house)) == 1 and forecast(house).due
    compute_due(now=town.now)
    assert len(warnings(house)) == 2 and not forecast(house).due


@pytest.mark.parametrize(
    ("days", "words"),
    [(0.2, "<1 hari"), (1.0, "+-1 hari"), (2.6, "+-3 hari"), (60.4, "+-60 hari"), (400.0, ">60 hari")],
)
def test_days_are_whole_as_no_forecast_is_better(days: float, words: str) -> None:
    assert about_days(days, "id") == words
    assert about_days(1.2, "en") == "+-1 day" and about_days(2.0, "en") == "+-2 days"
