# SPDX-License-Identifier: Apache-2.0
"""
Every rupiah of a receipt with its formula and the row behind it; and why one token holds other energy than another.

Pure and exact: what is explained is what was booked, the figures of a formula are shown as people of a language write
them, and the causes of a difference add up to it to the last digit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from duaarah.core.tariff.quote import QuoteLines
from duaarah.core.tariff.rows import Row
from duaarah.core.tariff.tables import Terms

_TIMES, _ARROW = "×", "→"


@dataclass(frozen=True, kw_only=True)
class Priced:
    """A quote with the terms that made it, fresh or as it was stored. Rates are fractions, `_sen` = 1/100 rupiah."""

    nominal_idr: int
    admin_idr: int
    admin_inside: bool
    rate_idr_per_kwh: Decimal
    ppj_rate: Decimal
    ppn_rate: Decimal
    stamp_sen: int
    instalment_sen: int
    ppj_sen: int
    ppn_sen: int
    stroom_sen: int
    rounding_sen: int
    energy_wh: int
    discount_sen: int = 0

    @classmethod
    def of(cls, lines: QuoteLines, found: Terms) -> Priced:
        """A fresh quote under its terms."""
        return cls(
            nominal_idr=lines.nominal_idr,
            admin_idr=lines.admin_idr,
            admin_inside=found.admin_inside,
            rate_idr_per_kwh=lines.rate_idr_per_kwh,
            ppj_rate=found.ppj_rate,
            ppn_rate=found.ppn_rate,
            stamp_sen=lines.stamp_sen,
            instalment_sen=lines.instalment_sen,
            ppj_sen=lines.ppj_sen,
            ppn_sen=lines.ppn_sen,
            stroom_sen=lines.stroom_sen,
            rounding_sen=lines.rounding_sen,
            energy_wh=lines.energy_wh,
            discount_sen=lines.discount_sen,
        )

    @property
    def base_sen(self) -> int:
        """What electricity and its taxes share."""
        inside_sen = self.admin_idr * 100 if self.admin_inside else 0
        return self.nominal_idr * 100 - self.stamp_sen - self.instalment_sen - inside_sen

    @property
    def total_paid_idr(self) -> int:
        return self.nominal_idr + (0 if self.admin_inside else self.admin_idr)

    def paid_kwh(self) -> Fraction:
        """The energy of the paid electricity before it is quantised."""
        divisor = 1 + Fraction(self.ppj_rate) + Fraction(self.ppn_rate)
        return Fraction(self.base_sen, 100) / divisor / Fraction(self.rate_idr_per_kwh)

    def given_kwh(self) -> Fraction:
        """The energy that a programme adds."""
        return Fraction(self.discount_sen, 100) / Fraction(self.rate_idr_per_kwh)


@dataclass(frozen=True, kw_only=True)
class ExplainedLine:
    """
    One line of a receipt. `name`: admin, stamp, instalment, ppj, ppn, stroom, discount, energy, rounding.

    The first six add up to what was paid. `formula` holds the figures; `row` is the loaded row behind it, None where
    there is none.
    """

    name: str
    amount_sen: int
    formula: str
    row: Row | None


def explain(priced: Priced, rows: Mapping[str, Row], *, comma: bool) -> tuple[ExplainedLine, ...]:
    """
    Each line in the order of the calculation; lines of zero rupiah only where a rule makes them zero.

    `rows` as in `Terms.rows`; `comma`: figures as in Indonesian (1.444,70), else as in English.
    """
    show = _Figures(comma=comma)
    lines = []
    if priced.admin_idr:
        lines.append(("admin", priced.admin_idr * 100, show.sen(priced.admin_idr * 100), "admin"))
    lines.append(
        (
            "stamp",
            priced.stamp_sen,
            f"{show.sen(priced.nominal_idr * 100)} {_ARROW} {show.sen(priced.stamp_sen)}",
            "stamp",
        )
    )
    if priced.instalment_sen:
        lines.append(("instalment", priced.instalment_sen, show.sen(priced.instalment_sen), "instalment"))
    base, divisor = show.base(priced), show.divisor(priced)
    for name, rate, amount_sen in (
        ("ppj", priced.ppj_rate, priced.ppj_sen),
        ("ppn", priced.ppn_rate, priced.ppn_sen),
    ):
        formula = f"{base} {_TIMES} {show.number(rate)} / {divisor} = {show.sen(amount_sen)}"
        lines.append((name, amount_sen, formula if rate else show.number(rate), name))
    taxes = "".join(f" - {show.sen(sen)}" for sen in (priced.ppj_sen, priced.ppn_sen) if sen)
    lines.append(("stroom", priced.stroom_sen, f"{base}{taxes} = {show.sen(priced.stroom_sen)}", "rate"))
    if priced.discount_sen:
        lines.append(("discount", priced.discount_sen, show.sen(priced.discount_sen), "discount"))
    lines.append(("energy", priced.stroom_sen + priced.discount_sen + priced.rounding_sen, show.energy(priced), "rate"))
    lines.append(("rounding", priced.rounding_sen, show.rounding(priced), "rounding"))
    return tuple(
        ExplainedLine(name=name, amount_sen=sen, formula=formula, row=rows.get(row))
        for name, sen, formula, row in lines
    )


@dataclass(frozen=True, kw_only=True)
class Change:
    """
    One cause of a difference: what a figure was and is, and how much energy that alone made, in kWh, exact.

    `name`: nominal, admin, stamp, instalment, ppj, ppn, rate, discount, rounding.
    """

    name: str
    before: Decimal
    after: Decimal
    effect_kwh: Fraction


# One after the other, in this order; each from the state that the one before it left.
_FIGURES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("nominal", ("nominal_idr",)),
    ("admin", ("admin_idr", "admin_inside")),
    ("stamp", ("stamp_sen",)),
    ("instalment", ("instalment_sen",)),
    ("ppj", ("ppj_rate",)),
    ("ppn", ("ppn_rate",)),
    ("rate", ("rate_idr_per_kwh",)),
)


def changes(before: Priced, after: Priced) -> tuple[Change, ...]:
    """
    Why `after` holds other energy than `before`: figures that are the same are left out, and the effects of the others
    add up to the difference of the two tokens, exactly. Nothing changed: empty.
    """
    found, state = [], before
    for name, fields in _FIGURES:
        following = replace(state, **{one: getattr(after, one) for one in fields})
        was, now = _figure(name, before), _figure(name, after)
        if was != now:
            effect_kwh = following.paid_kwh() - state.paid_kwh()
            found.append(Change(name=name, before=was, after=now, effect_kwh=effect_kwh))
        state = following
    given_kwh = after.given_kwh() - before.given_kwh()
    if given_kwh:
        was, now = (Decimal(one.discount_sen).scaleb(-2) for one in (before, after))
        found.append(Change(name="discount", before=was, after=now, effect_kwh=given_kwh))
    rounded_kwh = _rounded_kwh(after) - _rounded_kwh(before)
    if rounded_kwh:
        was, now = (Decimal(one.rounding_sen).scaleb(-2) for one in (before, after))
        found.append(Change(name="rounding", before=was, after=now, effect_kwh=rounded_kwh))
    return tuple(found)


def _figure(name: str, priced: Priced) -> Decimal:
    """Rupiah, or a fraction."""
    if name in ("stamp", "instalment"):
        return Decimal(getattr(priced, f"{name}_sen")).scaleb(-2)
    if name == "admin":
        return Decimal(priced.admin_idr if priced.admin_inside else 0)
    return Decimal(getattr(priced, {"nominal": "nominal_idr", "rate": "rate_idr_per_kwh"}.get(name, f"{name}_rate")))


def _rounded_kwh(priced: Priced) -> Fraction:
    return Fraction(priced.energy_wh, 1000) - priced.paid_kwh() - priced.given_kwh()


def half_up(number: Fraction, decimals: int) -> Decimal:
    """A figure to show: half away from zero."""
    scaled = abs(number) * 10**decimals
    whole = int(scaled + Fraction(1, 2))
    return Decimal(whole if number >= 0 else -whole).scaleb(-decimals)


@dataclass(frozen=True)
class _Figures:
    """Figures as a language writes them."""

    comma: bool

    def number(self, number: Decimal) -> str:
        """As many decimals as it has: `1.444,7`, `0,03`."""
        text = f"{number:,f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return self._marks(text)

    def sen(self, amount_sen: int) -> str:
        """`Rp 97.087,38`; whole rupiah without decimals."""
        amount = Decimal(abs(amount_sen)).scaleb(-2)
        text = f"{amount:,.2f}" if amount_sen % 100 else f"{abs(amount_sen) // 100:,}"
        return f"{'-' if amount_sen < 0 else ''}Rp {self._marks(text)}"

    def rate(self, rate: Decimal) -> str:
        return f"{self._marks(f'{rate:,.2f}')} Rp/kWh"

    def base(self, priced: Priced) -> str:
        inside_sen = priced.admin_idr * 100 if priced.admin_inside else 0
        parts = [sen for sen in (priced.stamp_sen, priced.instalment_sen, inside_sen) if sen]
        text = self.sen(priced.nominal_idr * 100) + "".join(f" - {self.sen(sen)}" for sen in parts)
        return f"({text})" if parts else text

    def divisor(self, priced: Priced) -> str:
        rates = [rate for rate in (priced.ppj_rate, priced.ppn_rate) if rate]
        return f"({' + '.join(['1', *(self.number(rate) for rate in rates)])})"

    def energy(self, priced: Priced) -> str:
        value = self.sen(priced.stroom_sen)
        if priced.discount_sen:
            value = f"({value} + {self.sen(priced.discount_sen)})"
        exact = half_up(priced.paid_kwh() + priced.given_kwh(), 4)
        kwh = Decimal(priced.energy_wh).scaleb(-3)
        rate = self.rate(priced.rate_idr_per_kwh)
        return f"{value} / {rate} = {self._marks(f'{exact:,.4f}')} kWh {_ARROW} {self._marks(f'{kwh:,.1f}')} kWh"

    def rounding(self, priced: Priced) -> str:
        exact = half_up(priced.paid_kwh() + priced.given_kwh(), 4)
        kwh = Decimal(priced.energy_wh).scaleb(-3)
        rate = self.rate(priced.rate_idr_per_kwh)
        difference = f"{self._marks(f'{kwh:,.1f}')} - {self._marks(f'{exact:,.4f}')}"
        return f"({difference}) kWh {_TIMES} {rate} = {self.sen(priced.rounding_sen)}"

    def _marks(self, text: str) -> str:
        return text.translate(str.maketrans(",.", ".,")) if self.comma else text
