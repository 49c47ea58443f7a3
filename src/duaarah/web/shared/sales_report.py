# SPDX-License-Identifier: Apache-2.0
"""PLN's sales and the channels' figures as tables: for a page, a spreadsheet, a printer. Money in rupiah with two decimals."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from duaarah.vending.reports import ChannelFigures, SalesRow, channel_figures, sales, tokens, total
from duaarah.web.shared.export import Table
from duaarah.web.shared.pdf_table import PrintedTable
from duaarah.web.shared.templatetags.duaarah import count, day, permille, rupiah_two

_WIB = ZoneInfo("Asia/Jakarta")
MONEY = (
    *("nominal_sen", "stroom_sen", "ppj_sen", "ppn_sen", "stamp_sen", "instalment_sen"),
    *("rounding_sen", "admin_sen", "commission_sen"),
)


def _money_head() -> tuple[str, ...]:
    return (
        *(_("Nominal"), _("Stroom (energy)"), "PPJ", "PPN", _("Stamp duty"), _("Instalment")),
        *(_("Rounding"), _("Admin fee"), _("Commission")),
    )


def _idr(amount_sen: int) -> Decimal:
    return Decimal(amount_sen).scaleb(-2)


def _kwh(energy_wh: int) -> Decimal:
    return Decimal(energy_wh).scaleb(-3)


def _days(from_date: dt.date, to_date: dt.date) -> str:
    return f"{from_date}" if from_date == to_date else f"{from_date}--{to_date}"


def sales_table(*, from_date: dt.date, to_date: dt.date) -> Table:
    """By day, unit and tariff; the last row is the sum."""
    head = (_("Date"), _("Unit"), _("Tariff"), _("Purchases"), "kWh", *_money_head())

    def rows() -> Iterator[tuple[object, ...]]:
        found = sales(from_date=from_date, to_date=to_date)
        for row in found:
            money = (_idr(getattr(row, name)) for name in MONEY)
            yield (row.date.isoformat(), row.unit, row.tariff, row.purchases, _kwh(row.energy_wh), *money)
        sums = total(found)
        money = (_idr(sums[name]) for name in MONEY)
        yield (_("Sum"), "", "", sums["purchases"], _kwh(sums["energy_wh"]), *money)

    return Table(name=f"penjualan-{_days(from_date, to_date)}", head=head, rows=rows())


def tokens_table(*, from_date: dt.date, to_date: dt.date) -> Table:
    """Each token of these days; without a sum, so that a column can be summed as it is."""
    head = (
        *(_("Time (WIB)"), _("Unit"), _("Tariff"), _("Meter"), "IDPEL", _("Channel"), _("Reference"), _("Count")),
        *("kWh", *_money_head()),
    )

    def rows() -> Iterator[tuple[object, ...]]:
        for row in tokens(from_date=from_date, to_date=to_date):
            at = row.at.astimezone(_WIB).strftime("%Y-%m-%d %H:%M:%S")
            money = (_idr(getattr(row, name)) for name in MONEY)
            what = (row.unit, row.tariff, row.drn, row.idpel, row.channel, row.reference, row.sign)
            yield (at, *what, _kwh(row.energy_wh), *money)

    return Table(name=f"token-{_days(from_date, to_date)}", head=head, rows=rows())


def sales_printed(*, from_date: dt.date, to_date: dt.date) -> PrintedTable:
    """The same as `sales_table`, for a printer."""
    found = sales(from_date=from_date, to_date=to_date)
    sums = total(found)
    until = "" if from_date == to_date else f" - {day(to_date)}"

    def figures(get: Callable[[str], int]) -> tuple[str, ...]:
        return (
            count(get("purchases")),
            f"{_kwh(get('energy_wh')):,.1f}".translate(_marks()),
            *(rupiah_two(get(name)) for name in MONEY),
        )

    def of(row: SalesRow) -> tuple[str, ...]:
        return (day(row.date), row.unit, row.tariff, *figures(lambda name: getattr(row, name)))

    return PrintedTable(
        name=f"penjualan-{_days(from_date, to_date)}",
        title=_("Sales of electricity"),
        under=f"{day(from_date)}{until} · {_('by unit and tariff, in rupiah')}",
        head=(_("Date"), _("Unit"), _("Tariff"), _("Purchases"), "kWh", *_money_head()),
        rows=[of(row) for row in found],
        sums=(_("Sum"), "", "", *figures(sums.__getitem__)),
        figures=frozenset(range(3, 5 + len(MONEY))),
        page=_("Page"),
    )


def _marks() -> dict[int, str]:
    """The reader's marks for thousands and decimals."""
    return {ord(","): ".", ord("."): ","} if rupiah_two(100) == "1,00" else {}


def channels_table(*, from_date: dt.date, to_date: dt.date) -> Table:
    """The channels' figures, as a file."""
    head = (
        *(_("Rank"), _("Channel"), _("Name"), _("Gerai"), _("Purchases"), _("Sold"), _("Commission")),
        *(_("Refunded"), _("Refunded of 1,000"), _("Without a token yet"), _("Without a token yet of 1,000")),
        _("Median time to token (s)"),
    )
    rows = (
        (
            *(x.rank, x.code, x.name, x.unit, x.purchases, x.sold_idr, x.commission_idr, x.refunded),
            *(x.failed_permille, x.pending, x.pending_permille, x.token_s),
        )
        for x in channel_figures(from_date=from_date, to_date=to_date)
    )
    return Table(name=f"kanal-{_days(from_date, to_date)}", head=head, rows=rows)


def shown_figures(row: ChannelFigures) -> dict[str, object]:
    """One channel's figures in words for a page."""
    return {"row": row, "failed": permille(row.failed_permille), "pending": permille(row.pending_permille)}
