# SPDX-License-Identifier: Apache-2.0
"""Days from what a meter tells: told days, credit between reports, what is excluded."""

from __future__ import annotations

import datetime as dt

import pytest

from duaarah.core.daily_use import CreditReport, DailyUse, Span, daily_use

WIB = dt.timezone(dt.timedelta(hours=7))
DAY = dt.date(2026, 6, 1)  # a Monday


def at(day: int, hour: float = 0) -> dt.datetime:
    return dt.datetime.combine(DAY, dt.time(), WIB) + dt.timedelta(days=day, hours=hour)


def use(before: int, *reports: CreditReport, told=None, off=None, spans=()) -> DailyUse:
    return daily_use(
        told_wh={DAY + dt.timedelta(days=n): wh for n, wh in (told or {}).items()},
        off_s={DAY + dt.timedelta(days=n): s for n, s in (off or {}).items()},
        reports=reports,
        spans=spans,
        zone="Asia/Jakarta",
        before_date=DAY + dt.timedelta(days=before),
        days=30,
    )


def test_told_days_are_taken_and_missing_ones_are_excluded() -> None:
    assert use(4, told={0: 5_000, 1: 6_500, 3: 7_000}) == DailyUse(0, [5.0, 6.5, None, 7.0])


def test_credit_between_two_reports_is_spread_over_its_days() -> None:
    """From 40 kWh on Monday noon to 20 kWh on Friday noon: five kWh a day; Monday and Friday are not covered."""
    found = use(5, CreditReport(at(0, 12), 40_000), CreditReport(at(4, 12), 20_000))
    assert found.weekday_of_first == 1 and found.daily_kwh == [pytest.approx(5.0)] * 3 + [None]


def test_a_token_between_is_added_to_what_was_used() -> None:
    """10 kWh left, 33.6 loaded makes 41.2 at that report: 2.4 were used before it."""
    loaded = CreditReport(at(0, 12), 41_200, loaded_wh=33_600)
    found = use(1, CreditReport(at(0), 10_000), loaded, CreditReport(at(1), 39_000))
    assert found.daily_kwh == [pytest.approx(2.4 + 2.2)]


def test_credit_that_rose_by_itself_excludes_its_days() -> None:
    found = use(4, CreditReport(at(0), 10_000), CreditReport(at(1), 8_000), CreditReport(at(3), 30_000))
    assert found.daily_kwh == [pytest.approx(2.0), None, None, None]


def test_a_day_mostly_without_supply_is_excluded_and_not_a_day_of_little_use() -> None:
    told = {0: 5_000, 1: 400, 2: 4_900}
    assert use(3, told=told, off={1: 20 * 3600, 2: 600}).daily_kwh == [5.0, None, 4.9]
    assert use(3, told=told, spans=[Span(at(1, 2), at(1, 23))]).daily_kwh == [5.0, None, 4.9]


def test_time_without_supply_carries_no_use() -> None:
    """24 kWh from Monday to Thursday midnight, Tuesday dark: twelve on each of the two others."""
    reports = CreditReport(at(0), 30_000), CreditReport(at(3), 6_000)
    found = use(3, *reports, spans=[Span(at(1), at(2))])
    assert found.daily_kwh == [pytest.approx(12.0), None, pytest.approx(12.0)]


def test_reports_too_far_apart_say_nothing_of_days() -> None:
    assert use(20, CreditReport(at(0), 90_000), CreditReport(at(20), 1_000)) == DailyUse(6, [])


def test_nothing_told_is_no_day() -> None:
    assert use(3).daily_kwh == [] and use(3).days_known == 0
