"""Explained lines are the booked ones, and the causes of a difference add up to it exactly."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st
from tests.core.tariff.test_quote_properties import INSTALMENT, TERMS, oracle

from duaarah.core.tariff import Discount, Terms, quote, terms
from duaarah.core.tariff.explain import Priced, changes, explain, half_up

NOMINAL = st.integers(20_000, 10_000_000)


def priced(nominal_idr: int, found: Terms, instalment_idr: int = 0, discount: Discount | None = None) -> Priced:
    return Priced.of(quote(nominal_idr, found, instalment_idr=instalment_idr, discount=discount), found)


def looked_up(**changed: object) -> Terms:
    asked = {"group": "R-3", "va": 7700, "region": "Makassar", "nominal_idr": 200_000, "admin_idr": 2500}
    return terms(**{**asked, "date": dt.date(2025, 6, 1), **changed})  # type: ignore[arg-type]


def test_each_line_with_its_figures_and_its_law() -> None:
    found = looked_up()
    lines = explain(priced(200_000, found, 10_000), found.rows, comma=True)
    assert [(line.name, line.amount_sen, line.formula) for line in lines] == [
        ("admin", 2_500_00, "Rp 2.500"),
        ("stamp", 0, "Rp 200.000 → Rp 0"),
        ("instalment", 10_000_00, "Rp 10.000"),
        ("ppj", 15_702_48, "(Rp 200.000 - Rp 10.000) × 0,1 / (1 + 0,1 + 0,11) = Rp 15.702,48"),
        ("ppn", 17_272_73, "(Rp 200.000 - Rp 10.000) × 0,11 / (1 + 0,1 + 0,11) = Rp 17.272,73"),
        ("stroom", 157_024_79, "(Rp 200.000 - Rp 10.000) - Rp 15.702,48 - Rp 17.272,73 = Rp 157.024,79"),
        ("energy", 157_036_57, "Rp 157.024,79 / 1.699,53 Rp/kWh = 92,3931 kWh → 92,4 kWh"),
        ("rounding", 11_78, "(92,4 - 92,3931) kWh × 1.699,53 Rp/kWh = Rp 11,78"),
    ]
    basis = {line.name: line.row.basis for line in lines if line.row}
    assert basis == {
        "admin": "PLN, 2015-10-01",
        "stamp": "UU 10/2020",
        "ppj": "UU 1/2022; Perda",
        "ppn": "UU 7/2021; PMK 131/2024",
        "stroom": "Permen ESDM 28/2016; 7/2024",
        "energy": "Permen ESDM 28/2016; 7/2024",
    }
    english = explain(priced(200_000, found), {}, comma=False)
    assert english[2].formula == "Rp 200,000 × 0.1 / (1 + 0.1 + 0.11) = Rp 16,528.93"
    assert all(line.row is None for line in english)


def test_a_discount_and_a_fee_inside_are_lines_of_their_own() -> None:
    found = replace(looked_up(), admin_inside=True)
    lines = {
        line.name: line.formula
        for line in explain(
            priced(200_000, found, 0, Discount(rate=Decimal("0.5"), limit_wh=10_000)), found.rows, comma=False
        )
    }
    assert lines["stroom"].startswith("(Rp 200,000 - Rp 2,500) - ")
    assert lines["discount"] == "Rp 8,497.65"
    assert lines["energy"].startswith("(Rp 163,223.14 + Rp 8,497.65) / 1,699.53 Rp/kWh = 101.0402 kWh")


@given(NOMINAL, TERMS, INSTALMENT)
def test_what_is_explained_adds_up_to_what_was_paid(nominal_idr: int, found: Terms, instalment_idr: int) -> None:
    assume(oracle(nominal_idr, found, instalment_idr) is not None)
    one = priced(nominal_idr, found, instalment_idr)
    lines = {line.name: line.amount_sen for line in explain(one, {}, comma=True)}
    paid = ("admin", "stamp", "instalment", "ppj", "ppn", "stroom")
    assert sum(lines.get(name, 0) for name in paid) == one.total_paid_idr * 100


DISCOUNT = st.none() | st.builds(Discount, rate=st.just(Decimal("0.5")), limit_wh=st.integers(1, 500_000))


PURCHASE = st.tuples(NOMINAL, TERMS, INSTALMENT, DISCOUNT).filter(lambda p: oracle(*p[:3]) is not None)


@given(PURCHASE, PURCHASE)
def test_the_causes_add_up_to_the_difference(
    earlier: tuple[int, Terms, int, Discount | None], later: tuple[int, Terms, int, Discount | None]
) -> None:
    before, after = priced(*earlier), priced(*later)
    found = changes(before, after)
    assert sum(change.effect_kwh for change in found) == Fraction(after.energy_wh - before.energy_wh, 1000)
    assert len({change.name for change in found}) == len(found)
    for change in found:
        # The same rupiah of a discount are other energy at another rate.
        assert change.name in ("rounding", "discount") or change.before != change.after
    assert changes(before, before) == ()


@given(NOMINAL, TERMS)
def test_one_cause_alone_is_named_alone(nominal_idr: int, found: Terms) -> None:
    dearer = replace(found, rate_idr_per_kwh=found.rate_idr_per_kwh + 1)
    assume(oracle(nominal_idr, found, 0) is not None and oracle(nominal_idr, dearer, 0) is not None)
    names = {change.name for change in changes(priced(nominal_idr, found), priced(nominal_idr, dearer))}
    assert "rate" in names and names <= {"rate", "rounding"}
    (cause,) = [c for c in changes(priced(nominal_idr, found), priced(nominal_idr, dearer)) if c.name == "rate"]
    assert cause.effect_kwh < 0


def test_figures_are_rounded_half_away_from_zero() -> None:
    assert [half_up(Fraction(n, 1000), 2) for n in (5, -5, 4, -4, 0)] == [
        Decimal("0.01"), Decimal("-0.01"), 0, 0, 0,
    ]  # fmt: skip
