# SPDX-License-Identifier: Apache-2.0
"""The SMS package as pages show it: what is left of a month, statements, an operator's invoice and whose it is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from duaarah.people.models import Organisation
from duaarah.sms.models import IssuedInvoice, IssuedLine, PackageBucket, RevenueShare
from duaarah.sms.package.invoices import digest_of, latest_issued
from duaarah.sms.package.queries import MeterMonth, meter_months
from duaarah.sms.package.statement import Invoice, StatementRow, invoice
from duaarah.web.shared.export import Table

_NUMBERS = ("token_sms", "fault_sms", "data_sms", "borrowed_sms", "extra_sms", "retries_sms", "open_sms", "left_sms")
SUMMED = (*_NUMBERS, "package_idr", "extra_idr", "total_idr")


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bucket: `left` of `held` segments."""

    name: str
    left: int
    held: int


@dataclass(frozen=True, kw_only=True)
class Left:
    """What a meter's package still holds this month. `billed` segments went past it and are paid one by one."""

    bars: tuple[Bar, ...]
    left: int
    held: int
    billed: int
    next_month_date: dt.date


def next_month(month_date: dt.date) -> dt.date:
    """The first day of the month after."""
    return (month_date + dt.timedelta(days=31)).replace(day=1)


def left_of(*, meter_ids: Sequence[int], month_date: dt.date) -> dict[int, Left]:
    """By meter what is left; a meter without a package is not in it."""
    return {month.meter_id: _left(month) for month in meter_months(month_date, meter_ids=meter_ids)}


def _left(month: MeterMonth) -> Left:
    parts = month.settlement
    bars = tuple(
        Bar(name=PackageBucket(bucket.value).label, left=part.left, held=month.budget.counts[bucket])
        for bucket, part in parts.items()
    )
    return Left(
        bars=bars,
        left=sum(bar.left for bar in bars),
        held=sum(bar.held for bar in bars),
        billed=sum(part.billed for part in parts.values()),
        next_month_date=next_month(month.month_date),
    )


def months_beside(month_date: dt.date) -> dict[str, dt.date]:
    """`month`, and the ones before and after it, for the switch above a page."""
    before = (month_date - dt.timedelta(days=1)).replace(day=1)
    return {"month": month_date, "before": before, "after": next_month(month_date)}


def sums(rows: Sequence[StatementRow]) -> dict[str, int]:
    """The foot of a statement."""
    return {name: sum(getattr(row, name) for row in rows) for name in SUMMED}


def statement_table(name: str, rows: Sequence[StatementRow]) -> Table:
    """A statement as a file; the order of StatementRow."""
    head = (
        *(_("Month"), _("Meter"), _("Customer number (idpel)"), _("Customer"), _("Plan")),
        *(_("Top-up SMS"), _("Fault SMS"), _("Data SMS"), _("Borrowed"), _("Past the package"), _("Sent again")),
        *(_("Not decided yet"), _("Left"), _("Package (Rp)"), _("Past the package (Rp)"), _("Together (Rp)")),
    )
    return Table(name=name, head=head, rows=[astuple(row) for row in rows])


def _of(code: str) -> str:
    """A line's kind in the reader's language."""
    return _(IssuedLine.Of(code).label)


def _share_of(code: str) -> str:
    return _(RevenueShare.Of(code).label)


def drafted(operator: Organisation, month_date: dt.date) -> dict[str, Any]:
    """The month's invoice as it would be now, what was issued of it, and whether the two differ."""
    made = invoice(operator_id=operator.pk, month_date=month_date)
    issued = latest_issued(operator_id=operator.pk, month_date=month_date)
    digest = digest_of(made)
    return {
        "operator": operator,
        "made": made,
        "digest": digest,
        "lines": [{"line": line, "of": _of(line.of)} for line in made.lines],
        "shares": share_rows(made),
        "issued": issued,
        "differs": issued is not None and issued.digest != digest,
        "difference_idr": made.total_idr - issued.total_idr if issued else 0,
        "counts": {of: sum(x.count for x in made.lines if x.of == of) for of in IssuedLine.Of.values},
    }


def share_rows(made: Invoice) -> list[dict[str, Any]]:
    """Each share with its kind in words and its per cent to two digits."""
    names = dict(Organisation.objects.filter(code__in={x.party for x in made.shares}).values_list("code", "name"))
    return [
        {
            "share": x,
            "of": _share_of(x.of),
            "party": names[x.party],
            "percent": percent(x.parts),
            "amount_idr": x.amount_idr,
        }
        for x in made.shares
    ]


def issued_context(row: IssuedInvoice) -> dict[str, Any]:
    """An issued invoice with its lines, shares and its place among corrections."""
    shares = row.shares.select_related("party").order_by("pk")
    return {
        "row": row,
        "lines": [{"line": line, "of": _of(line.of)} for line in row.lines.order_by("pk")],
        "shares": [
            {
                "share": x,
                "of": _share_of(x.of),
                "party": x.party.name,
                "percent": percent(x.parts),
                "amount_idr": x.amount_idr,
            }
            for x in shares
        ],
        "difference_idr": row.total_idr - row.corrects.total_idr if row.corrects else None,
        "corrected_by": IssuedInvoice.objects.filter(corrects=row).first(),
    }


def percent(parts: int) -> str:
    """Of 10,000 -> `75`, `66.67`, `66,67`."""
    comma = "." if (get_language() or "id").startswith("en") else ","
    return f"{parts // 100}" if parts % 100 == 0 else f"{parts // 100}{comma}{parts % 100:02d}"


def invoice_table(name: str, lines: Sequence[dict[str, Any]], shares: Sequence[dict[str, Any]]) -> Table:
    """Lines and then shares, as a file: the column `What` says which."""
    head = (_("What"), _("Plan"), _("Kind"), _("To whom"), _("Number"), _("Price (Rp)"), _("Amount (Rp)"))
    rows: list[tuple[object, ...]] = [
        (_("Line"), x["line"].plan, x["of"], "", x["line"].count, x["line"].price_idr, x["line"].amount_idr)
        for x in lines
    ]
    rows += [(_("Share"), x["share"].plan, x["of"], x["party"], None, None, x["amount_idr"]) for x in shares]
    return Table(name=name, head=head, rows=rows)
