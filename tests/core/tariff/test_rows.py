"""Rows dated twice: what held, what was known, and that no two rows contradict each other."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from itertools import combinations
from pathlib import Path

import pytest

from duaarah.core.tariff import UnknownRegion, UnknownTariff, group_of, region_of, terms
from duaarah.core.tariff.connection import BP
from duaarah.core.tariff.gaps import gaps
from duaarah.core.tariff.programmes import PROGRAMMES
from duaarah.core.tariff.rows import NO_END, Table
from duaarah.core.tariff.tables import GROUPS, PPJ, PPN, RATES, RULES, STAMP, NoRateAtDate, ppn_row, stamp_row

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "prices.md"
TABLES = (RATES, PPJ, PPN, STAMP, RULES, PROGRAMMES, BP)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_row_has_a_basis_and_a_span(table: Table) -> None:
    for row in table.rows:
        assert row.basis and row.low <= row.high and row.from_date <= row.to_date, row
        assert table is BP or row.known_date <= row.to_date, row


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_no_two_rows_say_different_things_at_once(table: Table) -> None:
    for name in table.names():
        for a, b in combinations(table.of_key(name), 2):
            apart = a.high < b.low or b.high < a.low or a.to_date < b.from_date or b.to_date < a.from_date
            assert apart or a.known_date != b.known_date, (a, b)


def test_rates_lie_within_the_groups() -> None:
    bands = {(group.name, group.va_from, group.va_to) for group in GROUPS}
    for row in RATES.rows:
        assert any(row.key == name and row.low <= low and high <= row.high for name, low, high in bands), row


def at(date: dt.date, as_known_date: dt.date | None = None) -> Decimal:
    return ppn_row(group="R-3", va=7700, date=date, as_known_date=as_known_date).value


def test_ppn_over_time() -> None:
    assert at(dt.date(2014, 8, 1)) == at(dt.date(2022, 3, 31)) == Decimal("0.1")
    assert at(dt.date(2022, 4, 1)) == Decimal("0.11")
    # 12 % of eleven twelfths of the price.
    assert at(dt.date(2025, 1, 1)) == Decimal("0.11")


def test_ppn_of_2025_as_it_was_known_before_its_last_rule() -> None:
    new_year = dt.date(2025, 1, 1)
    assert at(new_year, dt.date(2024, 12, 30)) == Decimal("0.12")
    assert at(new_year, dt.date(2024, 12, 31)) == Decimal("0.11")
    # Before the act of 2021 nobody knew of another rate than 10 %.
    assert at(new_year, dt.date(2021, 10, 28)) == Decimal("0.1")


@pytest.mark.parametrize(("group", "va", "rate"), [("R-3", 6600, "0"), ("R-3", 6601, "0.11"), ("B-2", 7700, "0")])
def test_only_dwellings_above_6600_va_pay_ppn(group: str, va: int, rate: str) -> None:
    assert ppn_row(group=group, va=va, date=dt.date(2024, 5, 1)).value == Decimal(rate)


@pytest.mark.parametrize(
    ("nominal_idr", "before", "since"),
    [
        (250_000, 0, 0),
        (250_001, 3000, 0),
        (1_000_000, 3000, 0),
        (1_000_001, 6000, 0),
        (5_000_000, 6000, 0),
        (5_000_001, 6000, 10_000),
    ],
)
def test_stamp_duty_before_and_since_2021(nominal_idr: int, before: int, since: int) -> None:
    assert stamp_row(nominal_idr=nominal_idr, date=dt.date(2020, 12, 31)).value == before
    assert stamp_row(nominal_idr=nominal_idr, date=dt.date(2021, 1, 1)).value == since
    assert (
        stamp_row(nominal_idr=nominal_idr, date=dt.date(2021, 1, 1), as_known_date=dt.date(2020, 1, 1)).value == before
    )


def terms_at(date: dt.date, *, va: int = 1300, region: str = "Depok", as_known_date: dt.date | None = None) -> object:
    return terms(
        group="R-1", va=va, region=region, nominal_idr=50_000, date=date, admin_idr=0, as_known_date=as_known_date
    )


@pytest.mark.parametrize("day", [(2013, 9, 30), (2014, 1, 1), (2018, 6, 1), (2023, 12, 31), (2026, 4, 1), (2031, 1, 1)])
def test_a_day_without_a_row_is_no_guess(day: tuple[int, int, int]) -> None:
    with pytest.raises(NoRateAtDate):
        terms_at(dt.date(*day))


def test_what_was_not_known_yet_has_no_rate() -> None:
    with pytest.raises(NoRateAtDate, match="as known at 2013-12-31"):
        terms_at(dt.date(2014, 9, 1), as_known_date=dt.date(2013, 12, 31))
    assert terms_at(dt.date(2014, 9, 1), as_known_date=dt.date(2014, 9, 1))


def test_names_of_groups_and_regions() -> None:
    assert [group_of(code) for code in ("R1", "R-1T", "r1t", "R1M", "R1MT", "R3 ", "L")] == [
        "R-1", "R-1", "R-1", "R-1M", "R-1M", "R-3", "L",
    ]  # fmt: skip
    assert [region_of(name) for name in ("Jakarta", "DKI JAKARTA", " depok")] == ["DKI Jakarta", "DKI Jakarta", "Depok"]
    for code in ("", "R-4", "R-2M", "X-1", "R-1-T", "R-11", "P-4"):
        with pytest.raises(UnknownTariff):
            group_of(code)
    with pytest.raises(UnknownRegion):
        region_of("Atlantis")


def test_admin_leaves_the_nominal_in_october_2015() -> None:
    inside = [RULES.find("admin_inside", 0, dt.date(2015, *day)) for day in ((9, 30), (10, 1))]
    assert [row.value for row in inside if row] == [1, 0]


def listed(text: str) -> set[tuple[str, ...]]:
    """The rows of the guide's table of gaps."""
    part = text.split("## What is not loaded")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| `")]
    return {tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines}


def power(low: int, high: int) -> str:
    if low == high:
        return f"{low:,} VA"
    return f"from {low:,} VA" if high == NO_END else f"{low:,} to {high:,} VA"


def as_listed() -> set[tuple[str, ...]]:
    spans: dict[tuple[str, str], list[str]] = {}
    for gap in gaps():
        until = "on" if gap.to_date is None else f"to {gap.to_date}"
        key = (f"`{gap.group.name}`", power(gap.group.va_from, gap.group.va_to))
        spans.setdefault(key, []).append(f"{gap.from_date} {until}")
    return {(*key, "; ".join(days)) for key, days in spans.items()}


def test_the_guide_lists_the_gaps_that_there_are() -> None:
    assert listed(GUIDE.read_text()) == as_listed()
