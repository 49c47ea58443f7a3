# SPDX-License-Identifier: Apache-2.0
"""The month in rows: a statement by meter for a customer or an operator, the operator's invoice, and whose it is.

Segments are counted here from settled rows; what is still open is listed and costs nothing until it is decided.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields

from django.db import connection

from duaarah.core.sheets import cell
from duaarah.core.smsplan import Bucket, share_out
from duaarah.registry.models import Meter
from duaarah.sms.models import PackagePlan, PackageTerms, RevenueShare
from duaarah.sms.package.queries import MeterMonth, meter_months

_BASE = PackagePlan.Slot.BASE


@dataclass(frozen=True, slots=True)
class StatementRow:
    """One meter's month. Segments settled by bucket; borrowed, extra and open ones over all buckets; whole rupiah."""

    month: str
    drn: str
    idpel: str
    customer: str
    plans: str
    token_sms: int
    fault_sms: int
    data_sms: int
    borrowed_sms: int
    extra_sms: int
    retries_sms: int
    open_sms: int
    left_sms: int
    package_idr: int
    extra_idr: int
    total_idr: int


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """Something sold in a month under one plan's dated terms: how many, at which price, together (rupiah)."""

    terms_id: int
    plan: str
    of: str
    count: int
    price_idr: int
    amount_idr: int


@dataclass(frozen=True, slots=True)
class ShareLine:
    """What one party gets of one kind of income under one plan's terms."""

    terms_id: int
    plan: str
    of: str
    party: str
    parts: int
    amount_idr: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """An operator's month: lines, whose they are (to the rupiah the same total), and segments nobody decided yet."""

    lines: tuple[InvoiceLine, ...]
    shares: tuple[ShareLine, ...]
    open_sms: int

    @property
    def total_idr(self) -> int:
        return sum(line.amount_idr for line in self.lines)


def customer_statement(*, holder_id: int, month_date: dt.date) -> list[StatementRow]:
    """The rows of all meters that an account holder answers for, by meter; a household has one, a fleet many."""
    meters = Meter.objects.filter(customer__holder_id=holder_id).values_list("pk", flat=True)
    return _rows(meter_months(month_date, meter_ids=list(meters)))


def operator_statement(*, operator_id: int, month_date: dt.date) -> list[StatementRow]:
    """The rows of every meter with a package of this mobile operator, by meter."""
    return _rows(meter_months(month_date, operator_id=operator_id))


def _rows(months: Sequence[MeterMonth]) -> list[StatementRow]:
    meters = Meter.objects.select_related("customer").in_bulk([month.meter_id for month in months])
    plans = dict(PackagePlan.objects.values_list("pk", "code"))
    return [_row(month, meters[month.meter_id], plans) for month in months]


def _row(month: MeterMonth, meter: Meter, plans: dict[int, str]) -> StatementRow:
    booked = month.settled_settlement
    extra = sum(part.billed for part in booked.values())
    package_idr = sum(terms.package_price_idr for terms in month.sold)
    extra_idr = extra * month.sold[0].sms_price_idr
    return StatementRow(
        month=f"{month.month_date:%Y-%m}",
        drn=meter.drn,
        idpel=meter.customer.idpel if meter.customer else "",
        customer=meter.customer.name if meter.customer else "",
        plans=" + ".join(plans[terms.plan_id] for terms in month.sold),
        token_sms=month.spent[Bucket.TOKEN].settled,
        fault_sms=month.spent[Bucket.FAULT].settled,
        data_sms=month.spent[Bucket.DATA].settled,
        borrowed_sms=sum(part.borrowed for part in booked.values()),
        extra_sms=extra,
        retries_sms=sum(spent.retries for spent in month.spent.values()),
        open_sms=month.open,
        left_sms=month.left,
        package_idr=package_idr,
        extra_idr=extra_idr,
        total_idr=package_idr + extra_idr,
    )


_INQUIRIES = """
SELECT e.meter_id, count(*) FROM sms_packageentry e
WHERE e.month_date = %s AND e.message_class = 'CUSTOMER_MO' AND e.kind = 'SETTLE' AND e.meter_id = ANY(%s)
GROUP BY e.meter_id
"""


def invoice(*, operator_id: int, month_date: dt.date) -> Invoice:
    """
    What an operator's packages, extras and premium inquiries come to in a month, and each party's share of it.

    Inquiries are those of meters with a base package; extras are charged at that package's price of one SMS.
    """
    months = meter_months(month_date, operator_id=operator_id)
    with connection.cursor() as cursor:
        cursor.execute(_INQUIRIES, [month_date, [month.meter_id for month in months]])
        inquiries = dict(cursor.fetchall())
    packages: Counter[int] = Counter()
    extras: Counter[int] = Counter()
    asked: Counter[int] = Counter()
    for month in months:
        packages.update(terms.terms_id for terms in month.sold)
        first = month.sold[0]
        extras[first.terms_id] += sum(part.billed for part in month.settled_settlement.values())
        if first.slot == _BASE:
            asked[first.terms_id] += inquiries.get(month.meter_id, 0)
    lines: list[InvoiceLine] = []
    shares: list[ShareLine] = []
    for terms in PackageTerms.objects.filter(pk__in=packages).select_related("plan").order_by("plan__code", "pk"):
        counts = {"PACKAGE": packages[terms.pk], "EXTRA": extras[terms.pk], "INQUIRY": asked[terms.pk]}
        lines += _lines(terms, counts)
        shares += _shares(terms, counts)
    return Invoice(tuple(lines), tuple(shares), sum(month.open for month in months))


def _lines(terms: PackageTerms, counts: dict[str, int]) -> list[InvoiceLine]:
    prices = {
        "PACKAGE": terms.package_price_idr,
        "EXTRA": terms.sms_price_idr,
        "INQUIRY": terms.inquiry_price_idr,
    }
    return [
        InvoiceLine(terms.pk, terms.plan.code, of, count, prices[of], count * prices[of])
        for of, count in counts.items()
        if count
    ]


def _shares(terms: PackageTerms, counts: dict[str, int]) -> list[ShareLine]:
    # A package sold under the price of its SMS has no margin: all of it is theirs who carry the SMS.
    in_sms_idr = (terms.token_sms + terms.fault_sms + terms.data_sms) * terms.sms_price_idr
    sms_idr = min(in_sms_idr, terms.package_price_idr)
    amounts = {
        RevenueShare.Of.SMS.value: counts["PACKAGE"] * sms_idr,
        RevenueShare.Of.MARGIN.value: counts["PACKAGE"] * (terms.package_price_idr - sms_idr),
        RevenueShare.Of.EXTRA.value: counts["EXTRA"] * terms.sms_price_idr,
        RevenueShare.Of.INQUIRY.value: counts["INQUIRY"] * terms.inquiry_price_idr,
    }
    made: list[ShareLine] = []
    rows = list(terms.shares.select_related("party").order_by("party_id"))
    for of, amount_idr in amounts.items():
        parties = {row.party_id: row for row in rows if row.of == of}
        if not amount_idr:
            continue
        shared = share_out(amount_idr, {party: row.parts for party, row in parties.items()})
        made += [
            ShareLine(terms.pk, terms.plan.code, of, parties[party].party.code, parties[party].parts, part_idr)
            for party, part_idr in shared.items()
        ]
    return made


def as_csv(rows: Iterable[StatementRow | InvoiceLine | ShareLine], kind: type) -> bytes:
    """Rows of one kind as a file that Excel opens: UTF-8 with its mark, semicolons, a head line; no cell is a formula."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow([field.name for field in fields(kind)])
    writer.writerows([cell(value) for value in astuple(row)] for row in rows)
    return b"\xef\xbb\xbf" + text.getvalue().encode()
