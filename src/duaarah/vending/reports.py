# SPDX-License-Identifier: Apache-2.0
"""
PLN's sales by day, unit and tariff, and how channels do: read from the ledger's own lines, so that sums are the books'.

A unit is the one of the meter's transformer, else the first five digits of its idpel (reference 3.1). A reversed token
counts against the day on which it was reversed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from django.db import connection

from duaarah.vending.balances import day_bounds
from duaarah.vending.operations.books import ADMIN, INSTALMENT, PPJ, PPN, ROUNDING, STAMP, STROOM

CHUNK = 5_000
_ACCOUNTS = {
    "stroom": STROOM,
    "ppj": PPJ,
    "ppn": PPN,
    "stamp": STAMP,
    "instalment": INSTALMENT,
    "admin": ADMIN,
    "rounding": ROUNDING,
}


@dataclass(frozen=True, slots=True)
class SalesRow:
    """
    Tokens of a day (WIB), unit and tariff; money in 1/100 rupiah.

    stroom + PPJ + PPN + stamp + instalment = nominal. `stroom_sen` is the printed line: what the books credit to stroom
    less `rounding_sen`, which is what rounding the energy gave away (negative: kept). `admin_sen` is without the
    channels' commission.
    """

    date: dt.date
    unit: str
    tariff: str
    purchases: int
    energy_wh: int
    nominal_sen: int
    stroom_sen: int
    ppj_sen: int
    ppn_sen: int
    stamp_sen: int
    instalment_sen: int
    rounding_sen: int
    admin_sen: int
    commission_sen: int


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One token of the report in detail; `sign` is -1 where it was reversed."""

    at: dt.datetime
    unit: str
    tariff: str
    drn: str
    idpel: str
    channel: str
    reference: str
    sign: int
    energy_wh: int
    nominal_sen: int
    stroom_sen: int
    ppj_sen: int
    ppn_sen: int
    stamp_sen: int
    instalment_sen: int
    rounding_sen: int
    admin_sen: int
    commission_sen: int


# The books' credits are negative; a report shows them positive. Stroom's line holds the rounding too, whose own line
# takes it back: printed stroom is both.
_SUMS = """
    -sum(l.amount_sen) FILTER (WHERE a.code IN (%(stroom)s, %(rounding)s)) AS stroom_sen,
    -sum(l.amount_sen) FILTER (WHERE a.code = %(ppj)s) AS ppj_sen,
    -sum(l.amount_sen) FILTER (WHERE a.code = %(ppn)s) AS ppn_sen,
    -sum(l.amount_sen) FILTER (WHERE a.code = %(stamp)s) AS stamp_sen,
    -sum(l.amount_sen) FILTER (WHERE a.code = %(instalment)s) AS instalment_sen,
    sum(l.amount_sen) FILTER (WHERE a.code = %(rounding)s) AS rounding_sen,
    -sum(l.amount_sen) FILTER (WHERE a.code = %(admin)s) AS admin_sen,
    -sum(l.amount_sen) FILTER (WHERE a.code LIKE 'commission:%%') AS commission_sen
"""
_ENTRIES = (
    """
WITH codes AS MATERIALIZED (
    SELECT id, code FROM vending_account
    WHERE code IN (%(stroom)s, %(ppj)s, %(ppn)s, %(stamp)s, %(instalment)s, %(rounding)s, %(admin)s)
        OR code LIKE 'commission:%%'),
sold AS MATERIALIZED (
    SELECT e.id, e.at, e.vend_id, CASE e.kind WHEN 'TOKEN_ISSUED' THEN 1 ELSE -1 END AS sign
    FROM vending_ledgerentry e
    WHERE e.book = 'PLN' AND e.at >= %(from)s AND e.at < %(until)s AND (e.kind = 'TOKEN_ISSUED' OR (
        e.kind = 'REVERSAL' AND e.vend_id IS NOT NULL AND EXISTS (
            SELECT FROM vending_ledgerentry o WHERE o.kind = 'TOKEN_ISSUED' AND e.reference = 'reversal:' || o.id))
    )),
lines AS (
    SELECT s.id,"""
    + _SUMS
    + """
    FROM sold s JOIN vending_ledgerline l ON l.entry_id = s.id JOIN codes a ON a.id = l.account_id GROUP BY s.id),
tokens AS (
    SELECT s.id, s.at, s.sign, coalesce(u.code, left(c.idpel, 5), '-') AS unit, q.tariff_group AS tariff, m.drn,
        coalesce(c.idpel, '') AS idpel, ch.code AS channel, p.reference,
        s.sign * v.encoded_wh AS energy_wh, s.sign * p.amount_idr * 100 AS nominal_sen,
        coalesce(lines.stroom_sen, 0) AS stroom_sen, coalesce(lines.ppj_sen, 0) AS ppj_sen, coalesce(lines.ppn_sen, 0) AS ppn_sen,
        coalesce(lines.stamp_sen, 0) AS stamp_sen, coalesce(lines.instalment_sen, 0) AS instalment_sen,
        coalesce(lines.rounding_sen, 0) AS rounding_sen, coalesce(lines.admin_sen, 0) AS admin_sen,
        coalesce(lines.commission_sen, 0) AS commission_sen
    FROM sold s JOIN lines ON lines.id = s.id JOIN vending_vend v ON v.id = s.vend_id
    JOIN vending_payment p ON p.id = v.payment_id JOIN vending_quote q ON q.payment_id = p.id
    JOIN vending_channel ch ON ch.id = p.channel_id JOIN registry_meter m ON m.id = v.meter_id
    LEFT JOIN people_customer c ON c.id = m.customer_id
    LEFT JOIN registry_networknode n ON n.id = m.transformer_id LEFT JOIN people_unit u ON u.id = n.unit_id)
"""
)
_BY_UNIT = (
    _ENTRIES
    + """
SELECT (at AT TIME ZONE 'Asia/Jakarta')::date, unit, tariff, sum(sign)::bigint, sum(energy_wh)::bigint,
    sum(nominal_sen)::bigint, sum(stroom_sen)::bigint, sum(ppj_sen)::bigint, sum(ppn_sen)::bigint,
    sum(stamp_sen)::bigint, sum(instalment_sen)::bigint, sum(rounding_sen)::bigint, sum(admin_sen)::bigint,
    sum(commission_sen)::bigint
FROM tokens GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
)
_DETAIL = (
    _ENTRIES
    + """
SELECT at, unit, tariff, drn, idpel, channel, reference, sign, energy_wh, nominal_sen, stroom_sen::bigint,
    ppj_sen::bigint, ppn_sen::bigint, stamp_sen::bigint, instalment_sen::bigint, rounding_sen::bigint,
    admin_sen::bigint, commission_sen::bigint
FROM tokens ORDER BY at, id
"""
)


def _values(from_date: dt.date, to_date: dt.date) -> dict[str, Any]:
    first, until = day_bounds(from_date, to_date)
    return {**_ACCOUNTS, "from": first, "until": until}


def sales(*, from_date: dt.date, to_date: dt.date) -> list[SalesRow]:
    """Tokens by day, unit and tariff over inclusive days (WIB), in that order."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_UNIT, _values(from_date, to_date))
        return [SalesRow(*row) for row in cursor.fetchall()]


def tokens(*, from_date: dt.date, to_date: dt.date) -> Iterator[TokenRow]:
    """The same tokens one by one, in the order of the books; read in pieces, never all at once by the caller."""
    with connection.cursor() as cursor:
        cursor.execute(_DETAIL, _values(from_date, to_date))
        while rows := cursor.fetchmany(CHUNK):
            for row in rows:
                yield TokenRow(*row)


def total(rows: list[SalesRow]) -> dict[str, int]:
    """The sums of a report's figures by their names."""
    names = [field.name for field in fields(SalesRow)][3:]
    return {name: sum(getattr(row, name) for row in rows) for name in names}


@dataclass(frozen=True, slots=True)
class ChannelFigures:
    """
    How one channel did over some days. Rates are in 1/1,000; `token_s` is the median from payment to token, None
    without a token; `rank` is by nominal sold, 1 the most.
    """

    rank: int
    code: str
    name: str
    unit: str
    purchases: int
    sold_idr: int
    commission_idr: int
    refunded: int
    failed_permille: int
    pending: int
    pending_permille: int
    token_s: int | None


_FIGURES = """
SELECT rank() OVER (ORDER BY sold DESC)::int, code, name, unit, purchases, sold, commission, refunded,
    refunded * 1000 / purchases, pending, pending * 1000 / purchases, token_s
FROM (
    SELECT ch.code, ch.name, coalesce(u.code, '') AS unit, count(*)::int AS purchases,
        coalesce(sum(p.amount_idr) FILTER (WHERE v.state <> 'REFUNDED'), 0)::bigint AS sold,
        coalesce(sum(p.commission_idr) FILTER (WHERE v.state NOT IN ('REFUNDED', 'PAID')), 0)::bigint AS commission,
        count(*) FILTER (WHERE v.state = 'REFUNDED')::int AS refunded,
        count(*) FILTER (WHERE v.state = 'PAID')::int AS pending,
        extract(epoch FROM percentile_disc(0.5) WITHIN GROUP (ORDER BY v.issued_at - v.paid_at)
            FILTER (WHERE v.issued_at IS NOT NULL))::bigint AS token_s
    FROM vending_payment p JOIN vending_vend v ON v.payment_id = p.id JOIN vending_channel ch ON ch.id = p.channel_id
    LEFT JOIN people_unit u ON u.id = ch.unit_id
    WHERE p.taken_at >= %s AND p.taken_at < %s AND ch.kind <> 'COMPENSATION' GROUP BY ch.id, u.code) AS figures
ORDER BY 1, code
"""


def channel_figures(*, from_date: dt.date, to_date: dt.date) -> list[ChannelFigures]:
    """Every channel that took a payment over inclusive days (WIB), the one that sold most first."""
    with connection.cursor() as cursor:
        cursor.execute(_FIGURES, list(day_bounds(from_date, to_date)))
        return [ChannelFigures(*row) for row in cursor.fetchall()]
