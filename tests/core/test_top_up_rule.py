# SPDX-License-Identifier: Apache-2.0
"""One verdict from what is known; when nothing may be bought; what a past month would have been."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duaarah.core.forecast import DaysLeft
from duaarah.core.top_up_rule import (
    Past,
    RuleTerms,
    Situation,
    cap_wh,
    closed_until,
    later,
    next_open_at,
    replay,
    verdict,
)

WIB = dt.timezone(dt.timedelta(hours=7))
NOON = dt.datetime(2026, 6, 3, 12, 0, tzinfo=WIB)
BY_KWH = RuleTerms(nominal_idr=50_000, budget_idr=200_000, threshold_wh=5_000)
BY_DAYS = RuleTerms(nominal_idr=50_000, budget_idr=200_000, threshold_days=2)
LOW = Situation(
    now=NOON,
    zone="Asia/Jakarta",
    credit_wh=4_900,
    left=DaysLeft(1.6, 1.2, 2.4),
    in_flight=False,
    energy_wh=33_600,
    cost_idr=50_000,
    spent_idr=0,
    bought_wh=0,
    contracted_va=1_300,
    wallet_idr=50_000,
)


@pytest.mark.parametrize(
    ("terms", "change", "word"),
    [
        (BY_KWH, {}, "buy"),
        (BY_KWH, {"credit_wh": 5_000}, "enough"),
        (BY_KWH, {"credit_wh": None}, "unknown"),
        (BY_DAYS, {}, "buy"),
        (BY_DAYS, {"left": DaysLeft(3.0, 2.1, 4.0)}, "enough"),
        (BY_DAYS, {"left": DaysLeft(3.0, 2.0, 4.0)}, "buy"),
        (BY_DAYS, {"left": DaysLeft(None, None, None)}, "unknown"),
        (BY_KWH, {"in_flight": True}, "in_flight"),
        (BY_KWH, {"spent_idr": 150_000}, "buy"),
        (BY_KWH, {"spent_idr": 150_001}, "budget"),
        (BY_KWH, {"wallet_idr": 49_999}, "wallet"),
        (BY_KWH, {"bought_wh": 936_000 - 33_600}, "buy"),
        (BY_KWH, {"bought_wh": 936_000 - 33_599}, "cap"),
        (BY_KWH, {"sms_left": 5}, "buy"),
        (BY_KWH, {"sms_left": 4}, "sms"),
        (BY_KWH, {"sms_left": 0, "left": DaysLeft(1.4, 0.9, 2.0)}, "buy"),
        (BY_KWH, {"now": NOON.replace(hour=23, minute=29)}, "buy"),
        (BY_KWH, {"now": NOON.replace(hour=23, minute=30)}, "cut_off"),
        (BY_KWH, {"now": NOON.replace(hour=0, minute=29)}, "cut_off"),
        (BY_KWH, {"now": NOON.replace(hour=0, minute=30)}, "buy"),
        # The banks' clock is WIB, wherever the meter hangs.
        (BY_KWH, {"now": NOON.replace(hour=23, minute=30), "zone": "Asia/Jayapura"}, "cut_off"),
        (replace(BY_KWH, quiet=(22 * 60, 6 * 60)), {"now": NOON.replace(hour=22)}, "quiet"),
        (replace(BY_KWH, quiet=(22 * 60, 6 * 60)), {"now": NOON.replace(hour=5, minute=59)}, "quiet"),
        (replace(BY_KWH, quiet=(22 * 60, 6 * 60)), {"now": NOON.replace(hour=6)}, "buy"),
        (replace(BY_KWH, quiet=(13 * 60, 14 * 60)), {"now": NOON.replace(hour=11), "zone": "Asia/Jayapura"}, "quiet"),
    ],
)
def test_the_verdict(terms: RuleTerms, change: dict, word: str) -> None:
    assert verdict(terms, replace(LOW, **change)) == word


def test_who_would_run_low_while_nothing_is_bought_is_filled_before() -> None:
    """At 21:30 with quiet hours from 22:00 to 06:00: five kilowatt-hours are passed at night."""
    night = replace(BY_KWH, quiet=(22 * 60, 6 * 60))
    evening = replace(LOW, now=NOON.replace(hour=21, minute=30), credit_wh=6_000, left=DaysLeft(1.2, 0.9, 2.0))
    assert verdict(night, evening) == "buy"
    assert verdict(night, replace(evening, now=NOON.replace(hour=20))) == "enough"
    assert verdict(night, replace(evening, credit_wh=9_000)) == "enough"
    assert verdict(BY_KWH, evening) == "enough"


def test_closed_hours_end_when_they_end() -> None:
    quiet = replace(BY_KWH, quiet=(0, 6 * 60))
    at = NOON.replace(hour=23, minute=45, second=10)
    assert closed_until(quiet, at, "Asia/Jakarta") == (
        "cut_off",
        NOON.replace(hour=0, minute=30) + dt.timedelta(days=1),
    )
    assert next_open_at(quiet, at, "Asia/Jakarta") == NOON.replace(hour=6) + dt.timedelta(days=1)
    assert next_open_at(quiet, NOON, "Asia/Jakarta") == NOON
    # Windows that leave no minute do not hang: a day later it is looked at again.
    never = replace(BY_KWH, quiet=(30, 29))
    assert next_open_at(never, NOON, "Asia/Jakarta") >= NOON + dt.timedelta(hours=12)


def test_the_cap_is_720_hours_of_the_contract() -> None:
    assert cap_wh(1_300) == 936_000


def test_later_the_credit_has_gone_on() -> None:
    then = later(LOW, NOON + dt.timedelta(hours=19.2))
    assert then.credit_wh == 2_450 and then.left == DaysLeft(pytest.approx(0.8), pytest.approx(0.4), pytest.approx(1.6))
    assert later(LOW, NOON + dt.timedelta(days=9)).credit_wh == 0


# -- the past lived again ---------------------------------------------------------------------------------------------

START = replace(LOW, now=NOON.replace(hour=0), credit_wh=20_000, wallet_idr=1_000_000)


def lived(terms: RuleTerms, used_kwh: float = 5.0, days: int = 30, **start: object):
    past = Past(start=replace(START, **start), daily_kwh=[used_kwh] * (60 + days), weekday_of_first=0)
    [found] = replay(terms, [past], days=days)
    return found


def test_thirty_days_at_five_kilowatt_hours_are_four_tokens() -> None:
    """150 kWh used, 20 there, 33.6 each: four tokens leave 4.4 above nothing, and the fifth would come later."""
    found = lived(RuleTerms(nominal_idr=50_000, budget_idr=400_000, threshold_wh=4_000))
    assert (len(found.purchases), found.spent_idr, found.hours_empty) == (4, 200_000, 0)
    assert 2_000 < found.lowest_wh < 4_000 and "budget" not in found.refused
    assert all(one.credit_wh < 4_600 for one in found.purchases)


def test_a_budget_of_two_tokens_leaves_it_dark_and_says_why() -> None:
    found = lived(RuleTerms(nominal_idr=50_000, budget_idr=100_000, threshold_wh=4_000))
    assert len(found.purchases) == 2 and found.hours_empty > 24 and found.refused["budget"] > 24


def test_an_empty_wallet_buys_nothing() -> None:
    found = lived(RuleTerms(nominal_idr=50_000, budget_idr=400_000, threshold_wh=4_000), wallet_idr=0)
    assert found.purchases == [] and found.refused["wallet"] > 0


def test_by_days_it_buys_before_the_end_and_at_most_a_day_early() -> None:
    found = lived(RuleTerms(nominal_idr=50_000, budget_idr=400_000, threshold_days=1))
    assert found.hours_empty == 0 and all(one.left.low <= 1.1 < one.left.days_left + 1 for one in found.purchases)


def test_many_meters_share_one_budget_in_the_order_of_time() -> None:
    """Three tokens for two sites: the one whose credit ends first is filled first, and the third token is the last."""
    terms = RuleTerms(nominal_idr=50_000, budget_idr=150_000, threshold_wh=4_000)
    pasts = [
        Past(start=replace(START, credit_wh=credit_wh), daily_kwh=[5.0] * 60, weekday_of_first=0)
        for credit_wh in (20_000, 6_000)
    ]
    late, early = replay(terms, pasts, days=30)
    assert late.spent_idr + early.spent_idr == 150_000
    assert early.purchases[0].at < late.purchases[0].at and len(early.purchases) == 2
    assert late.refused["budget"] > 0 < early.refused["budget"]


@settings(max_examples=40, deadline=None)
@given(
    daily=st.lists(st.none() | st.floats(0, 40), min_size=20, max_size=45),
    nominal=st.sampled_from([20_000, 50_000, 100_000]),
    budgets=st.integers(1, 6),
    quiet=st.none() | st.tuples(st.integers(0, 1439), st.integers(0, 1439)),
    wallet_idr=st.integers(0, 500_000),
    credit_wh=st.integers(0, 30_000),
)
def test_whatever_was_used_budget_wallet_cap_and_hours_hold(
    daily: list[float | None], nominal: int, budgets: int, quiet, wallet_idr: int, credit_wh: int
) -> None:
    terms = RuleTerms(nominal_idr=nominal, budget_idr=nominal * budgets, threshold_wh=5_000, quiet=quiet)
    start = replace(START, wallet_idr=wallet_idr, credit_wh=credit_wh, cost_idr=nominal, energy_wh=nominal * 2 // 3)
    [found] = replay(terms, [Past(start=start, daily_kwh=daily, weekday_of_first=3)], days=15)
    assert found.spent_idr == nominal * len(found.purchases) <= min(terms.budget_idr, wallet_idr)
    assert len(found.purchases) * start.energy_wh <= cap_wh(start.contracted_va)
    assert all(closed_until(terms, one.at, start.zone) is None for one in found.purchases)
    hours = [one.at for one in found.purchases]
    assert hours == sorted(set(hours))
