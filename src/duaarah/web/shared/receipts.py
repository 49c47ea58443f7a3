# SPDX-License-Identifier: Apache-2.0
"""An explained receipt: each line with its rule, its formula and its legal basis; as rows of a page and as a PDF."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.http import FileResponse
from django.utils.translation import get_language, gettext, gettext_lazy
from django.utils.translation import gettext as _

from duaarah.core.tariff.explain import Change, ExplainedLine, explain, half_up
from duaarah.vending.receipts import Receipt, difference, receipt_of, token_before
from duaarah.web.shared.pdf import Grid, Words, as_pdf
from duaarah.web.shared.templatetags.duaarah import drn, instant, kwh, rupiah, sen

LINES = {
    "admin": gettext_lazy("Payment point's fee"),
    "stamp": gettext_lazy("Stamp duty"),
    "instalment": gettext_lazy("Instalment"),
    "ppj": gettext_lazy("Street lighting tax (PPJ)"),
    "ppn": gettext_lazy("Value added tax (PPN)"),
    "stroom": gettext_lazy("Electricity"),
    "discount": gettext_lazy("Discount"),
    "energy": gettext_lazy("Energy"),
    "rounding": gettext_lazy("Rounding"),
    "nominal": gettext_lazy("Nominal"),
    "rate": gettext_lazy("Rate"),
}
RULES = {
    "admin": gettext_lazy("What the payment point takes: inside the nominal before October 2015, on top of it since."),
    "stamp": gettext_lazy("Due above a limit of the nominal; the law of that day sets both."),
    "instalment": gettext_lazy("As agreed with PLN; it is taken before the taxes are reckoned."),
    "ppj": gettext_lazy("Your region's share on the electricity, 10 % at most."),
    "ppn": gettext_lazy("Only homes above 6,600 VA pay it."),
    "stroom": gettext_lazy("What is left: so the lines add up to what you paid, exactly."),
    "discount": gettext_lazy("Paid by a programme, not by you."),
    "energy": gettext_lazy("Electricity by the rate of your tariff group, rounded once to 0.1 kWh."),
    "rounding": gettext_lazy("What rounding the energy is worth. It is booked; you pay nothing for it."),
}
# What comes after it (discount, energy, rounding) is no rupiah of the customer's.
_LAST_PAID = "stroom"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line in words of the reader's language."""

    name: str
    label: str
    amount: str
    formula: str
    rule: str
    basis: str


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One cause of a difference in words: what was, what is, and the energy that it made."""

    label: str
    before: str
    after: str
    effect: str


def _comma() -> bool:
    return not (get_language() or "id").startswith("en")


def rows_of(receipt: Receipt) -> list[Row]:
    """Every line of a receipt; behind the last one that the customer pays stands what they add up to."""
    rows = [_row(line, receipt) for line in explain(receipt.priced, receipt.rows, comma=_comma())]
    paid = rupiah(receipt.priced.total_paid_idr)
    place = [row.name for row in rows].index(_LAST_PAID) + 1
    rows.insert(place, Row(name="paid", label=_("Paid"), amount=paid, formula="", rule="", basis=""))
    return rows


def _row(line: ExplainedLine, receipt: Receipt) -> Row:
    energy = line.name == "energy"
    return Row(
        name=line.name,
        label=str(LINES[line.name]),
        amount=kwh(receipt.priced.energy_wh) if energy else sen(line.amount_sen),
        formula=line.formula,
        rule=str(RULES[line.name]),
        basis=line.row.basis if line.row is not None else "",
    )


def causes_of(found: tuple[Change, ...]) -> list[Cause]:
    """Each cause with its figures; the effects are shown to 0.01 kWh."""
    return [
        Cause(
            label=str(LINES[change.name]),
            before=_figure(change.name, change.before),
            after=_figure(change.name, change.after),
            effect=f"{_marks(f'{half_up(change.effect_kwh, 2):+,.2f}')} kWh",
        )
        for change in found
    ]


def _figure(name: str, number: Decimal) -> str:
    if name in ("ppj", "ppn"):
        return f"{_marks(f'{(number * 100).normalize():f}')} %"
    if name == "rate":
        return f"{_marks(f'{number:,.2f}')} Rp/kWh"
    return sen(int(number * 100))


def _marks(text: str) -> str:
    return text.translate(str.maketrans(",.", ".,")) if _comma() else text


@dataclass(frozen=True, kw_only=True)
class Explained:
    """A receipt for a page: its lines, and the comparison with the meter's token before (None: there is none)."""

    receipt: Receipt
    rows: list[Row]
    before: Receipt | None
    causes: list[Cause]


def explained(receipt: Receipt) -> Explained:
    """All that the page and the PDF say."""
    earlier = token_before(receipt.vend)
    before = receipt_of(earlier) if earlier is not None else None
    causes = causes_of(difference(before, receipt)) if before is not None else []
    return Explained(receipt=receipt, rows=rows_of(receipt), before=before, causes=causes)


def receipt_pdf(page: Explained) -> FileResponse:
    """The explained receipt as a file."""
    receipt = page.receipt
    vend, priced = receipt.vend, receipt.priced
    title = _("Receipt explained")
    paid_at = instant(vend.paid_at, vend.meter.zone)
    # No line breaks between Rp and its figure.
    lines = [
        [row.label, row.amount, row.formula.replace("Rp ", "Rp\xa0"), f"{row.rule}\n{row.basis}".strip()]
        for row in page.rows
    ]
    parts: list[Words | Grid] = [
        Words(text=title, kind="title"),
        Words(text=f"{gettext('Meter')} {drn(vend.drn)} · {paid_at}"),
        Words(
            text=f"{gettext('Paid')}: {rupiah(priced.total_paid_idr)} · {gettext('Energy')}: {kwh(priced.energy_wh)}"
        ),
    ]
    if not receipt.booked:
        parts.append(Words(text=_("Bought elsewhere: recomputed from the rates of that day, to exactly this energy.")))
    parts.append(
        Grid(
            head=[_("Line"), _("Amount"), _("How it is reckoned"), _("Rule and legal basis")],
            rows=lines,
            widths=[18, 16, 36, 38],
            right=frozenset({1}),
        )
    )
    parts += _comparison(page)
    return as_pdf(name=f"struk-{vend.pk}", title=title, parts=parts)


def _comparison(page: Explained) -> list[Words | Grid]:
    if page.before is None:
        return []
    before = page.before
    head = Words(text=_("Compared with the token before"), kind="head")
    was = f"{instant(before.vend.paid_at, before.vend.meter.zone)}: {rupiah(before.priced.nominal_idr)}"
    parts: list[Words | Grid] = [head, Words(text=f"{was}, {kwh(before.priced.energy_wh)}")]
    if not page.causes:
        return [*parts, Words(text=_("Nothing changed: the same rate, taxes, stamp duty and instalment."))]
    rows = [[cause.label, cause.before, cause.after, cause.effect] for cause in page.causes]
    grid = Grid(
        head=[_("Cause"), _("Before"), _("Now"), _("Energy")],
        rows=rows,
        widths=[1, 1, 1, 1],
        right=frozenset({1, 2, 3}),
    )
    return [*parts, grid]
