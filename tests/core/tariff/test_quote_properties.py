"""What holds for every quote, against an oracle of fractions that shares no line with the engine."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from duaarah.core.tariff import AmountOutOfRange, Discount, QuoteLines, Terms, quote
from duaarah.core.tariff.quote import NOMINAL_MAX_IDR

FRACTION = st.integers(0, 2000).map(lambda n: Decimal(n).scaleb(-4))
TERMS = st.builds(
    Terms,
    rate_idr_per_kwh=st.integers(100_00, 3000_00).map(lambda n: Decimal(n).scaleb(-2)),
    ppj_rate=FRACTION,
    ppn_rate=FRACTION,
    stamp_idr=st.sampled_from([0, 3000, 6000, 10_000]),
    admin_idr=st.integers(0, 5000),
    admin_inside=st.booleans(),
    rounding=st.sampled_from(["half_up", "down"]),
)
NOMINAL = st.one_of(st.integers(1, 1_000_000), st.integers(1, NOMINAL_MAX_IDR))
INSTALMENT = st.integers(0, 100_000)


def half_up(number: Fraction) -> int:
    """The nearest integer, halves away from zero, without Decimal."""
    sign = -1 if number < 0 else 1
    doubled = abs(number) * 2
    return sign * ((doubled.numerator // doubled.denominator + 1) // 2)


def oracle(nominal_idr: int, found: Terms, instalment_idr: int) -> dict[str, int] | None:
    """The contract's sentences, one after the other; None where there is nothing to sell."""
    base = Fraction(nominal_idr) - found.stamp_idr - instalment_idr - (found.admin_idr if found.admin_inside else 0)
    if base <= 0:
        return None
    ppj, ppn, rate = (Fraction(str(n)) for n in (found.ppj_rate, found.ppn_rate, found.rate_idr_per_kwh))
    exact = base / (1 + ppj + ppn) / rate
    tenths = half_up(exact * 10) if found.rounding == "half_up" else exact * 10 // 1
    if tenths <= 0:
        return None
    ppj_sen, ppn_sen = (half_up(base * tax / (1 + ppj + ppn) * 100) for tax in (ppj, ppn))
    return {
        "ppj_sen": ppj_sen,
        "ppn_sen": ppn_sen,
        "stroom_sen": int(base * 100) - ppj_sen - ppn_sen,
        "energy_wh": int(tenths) * 100,
        "rounding_sen": half_up((Fraction(int(tenths), 10) - exact) * rate * 100),
        "exact_kwh_10000": half_up(exact * 10_000),
        "total_paid_idr": nominal_idr + (0 if found.admin_inside else found.admin_idr),
    }


def shown(lines: QuoteLines) -> dict[str, int]:
    names = ("ppj_sen", "ppn_sen", "stroom_sen", "energy_wh", "rounding_sen", "total_paid_idr")
    return {**{name: getattr(lines, name) for name in names}, "exact_kwh_10000": int(lines.exact_kwh * 10_000)}


@given(NOMINAL, TERMS, INSTALMENT)
def test_the_oracle_says_the_same(nominal_idr: int, found: Terms, instalment_idr: int) -> None:
    expected = oracle(nominal_idr, found, instalment_idr)
    if expected is None:
        with pytest.raises(AmountOutOfRange):
            quote(nominal_idr, found, instalment_idr=instalment_idr)
        return
    assert shown(quote(nominal_idr, found, instalment_idr=instalment_idr)) == expected


@given(NOMINAL, TERMS, INSTALMENT)
def test_the_lines_add_to_the_nominal(nominal_idr: int, found: Terms, instalment_idr: int) -> None:
    assume(oracle(nominal_idr, found, instalment_idr) is not None)
    lines = quote(nominal_idr, found, instalment_idr=instalment_idr)
    inside_sen = found.admin_idr * 100 if found.admin_inside else 0
    added = lines.stroom_sen + lines.ppj_sen + lines.ppn_sen + lines.stamp_sen + lines.instalment_sen + inside_sen
    assert added == nominal_idr * 100
    assert abs(lines.rounding_sen) <= lines.rate_idr_per_kwh * 10 + 1


@given(st.integers(50_000, 10_000_000), st.integers(0, 1_000_000), TERMS)
def test_more_money_is_never_less_energy(nominal_idr: int, more_idr: int, found: Terms) -> None:
    assert quote(nominal_idr + more_idr, found).energy_wh >= quote(nominal_idr, found).energy_wh


@given(st.integers(50_000, 10_000_000), TERMS, st.integers(0, 9900), st.none() | st.integers(1, 2_000_000))
def test_a_discount_adds_energy_and_changes_no_line(
    nominal_idr: int, found: Terms, rate: int, limit_wh: int | None
) -> None:
    plain = quote(nominal_idr, found)
    lines = quote(nominal_idr, found, discount=Discount(rate=Decimal(rate).scaleb(-4), limit_wh=limit_wh))
    same = {"rounding_sen": 0, "energy_wh": 0, "exact_kwh": Decimal(0), "discount_sen": 0}
    assert replace(lines, **same) == replace(plain, **same)
    assert lines.energy_wh >= plain.energy_wh and lines.discount_sen >= 0
    value = Fraction(lines.energy_wh, 1000) * Fraction(str(lines.rate_idr_per_kwh)) * 100
    unrounded = Fraction(str(found.rate_idr_per_kwh)) * 100 * (Fraction(plain.energy_wh, 1000)) - plain.rounding_sen
    assert abs(value - (unrounded + lines.discount_sen + lines.rounding_sen)) <= 2
    if limit_wh is not None:
        assert lines.discount_sen <= Fraction(str(lines.rate_idr_per_kwh)) * limit_wh * rate / 100_000 + 1


@pytest.mark.parametrize("nominal_idr", [0, 3000, NOMINAL_MAX_IDR + 1])
def test_out_of_range(nominal_idr: int) -> None:
    found = Terms(
        rate_idr_per_kwh=Decimal("1444.70"),
        ppj_rate=Decimal(0),
        ppn_rate=Decimal(0),
        stamp_idr=3000,
        admin_idr=0,
        admin_inside=False,
    )
    with pytest.raises(AmountOutOfRange):
        quote(nominal_idr, found)
    with pytest.raises(AmountOutOfRange):
        quote(3000 + 72, found)
    assert quote(3000 + 73, found).energy_wh == 100
