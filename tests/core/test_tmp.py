# SPDX-License-Identifier: Apache-2.0
"""TMP's bands by date, the largest indicator, both begins."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from duaarah.core import tmp

NEW, BANDS, FLAT = (tmp.rules_of(dt.date(year, 6, 1)) for year in (2026, 2021, 2018))
AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("above_s", "percent"),
    [
        (0, 0),
        (1, 50),
        (2 * 3600, 50),
        (2 * 3600 + 1, 75),
        (4 * 3600, 75),
        (4 * 3600 + 1, 100),
        (8 * 3600, 100),
        (8 * 3600 + 1, 200),
        (16 * 3600, 200),
        (16 * 3600 + 1, 300),
        (40 * 3600, 300),
        (40 * 3600 + 1, 500),
    ],
)
def test_bands_of_2019(above_s: int, percent: int) -> None:
    assert tmp.percent_hours(BANDS, interrupted_s=3600 + above_s, declared_h=Decimal(1), subsidised=True) == percent


@pytest.mark.parametrize(("hours", "percent"), [(10, 0), (11, 0), (11.01, 35)])
def test_ten_percent_are_tolerated_in_2017(hours: float, percent: int) -> None:
    said = {"interrupted_s": int(hours * 3600), "declared_h": Decimal(10)}
    assert tmp.percent_hours(FLAT, subsidised=False, **said) == percent
    assert tmp.percent_hours(FLAT, subsidised=True, **said) == (20 if percent else 0)


def test_only_the_largest_indicator_counts() -> None:
    said = {"declared_h": Decimal(1), "declared_times": Decimal(3), "subsidised": False}
    assert tmp.owed(NEW, interrupted_s=3600, times=3, **said) is None
    assert tmp.owed(NEW, interrupted_s=3600, times=4, **said) == tmp.Owed(indicator="COUNT", percent=35)
    assert tmp.owed(NEW, interrupted_s=34 * 3600, times=4, **said) == tmp.Owed(indicator="HOURS", percent=300)
    nothing = {"declared_h": None, "declared_times": None, "subsidised": False}
    assert tmp.owed(NEW, interrupted_s=10**6, times=99, **nothing) is None


def test_from_2025_on_it_runs_from_when_it_was_known() -> None:
    hour = dt.timedelta(hours=1)
    own = tmp.Own(began_at=AT, known_at=AT + hour, ended_at=AT + 3 * hour)
    late = tmp.Own(began_at=AT, known_at=AT + 5 * hour, ended_at=AT + 3 * hour)
    assert tmp.month_of([own, late], BANDS.counts) == (6 * 3600, 2)
    assert tmp.month_of([own, late], NEW.counts) == (2 * 3600, 2)
    early = tmp.Own(began_at=AT, known_at=AT - hour, ended_at=AT + 3 * hour)
    assert tmp.lasted_s(early, NEW.counts) == 3 * 3600


def test_the_base_and_who_is_subsidised() -> None:
    assert tmp.minimum_bill_idr(minimum_wh=40 * 1300, rate_idr_per_kwh=Decimal("1444.70")) == 75124
    assert tmp.amount_idr(75124, 35) == 26293 and tmp.amount_idr(75124, 300) == 225372
    assert tmp.is_subsidised("R-1", 900) and not tmp.is_subsidised("R-1M", 900) and not tmp.is_subsidised("R-1", 1300)
    with pytest.raises(tmp.NoRules):
        tmp.rules_of(dt.date(2016, 12, 1))


def test_subsidised_are_all_groups_but_the_thirteen_that_are_adjusted() -> None:
    """The thirteen of Permen ESDM 28/2016 as amended, as the press prints them (docs/guides/reliability.md)."""
    adjusted = [
        *[("R-1M", 900), ("R-1", 1_300), ("R-1", 2_200), ("R-2", 3_500), ("R-2", 5_500), ("R-3", 6_600)],
        *[("B-2", 6_600), ("B-3", 200_001), ("I-3", 200_001), ("I-4", 30_000_000)],
        *[("P-1", 6_600), ("P-2", 200_001), ("P-3", 450), ("L", 450)],
    ]
    others = [
        *[("S-1", 450), ("S-1", 200_000), ("S-2", 200_001), ("R-1", 450), ("R-1", 900), ("B-1", 450), ("B-1", 5_500)],
        *[("I-1", 14_000), ("I-2", 14_001), ("I-2", 200_000), ("P-1", 450), ("P-1", 5_500)],
    ]
    assert [one for one in adjusted if tmp.is_subsidised(*one)] == []
    assert [one for one in others if not tmp.is_subsidised(*one)] == []
