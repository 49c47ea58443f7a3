# SPDX-License-Identifier: Apache-2.0
"""Prepaid inquiry: whose meter it is, what it may still buy this month, and the reference that one purchase may use."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import connection, transaction

from duaarah.vending.operations.policy import WIB
from duaarah.vending.operations.ppob import codes
from duaarah.vending.operations.ppob.bill_inquiry import fresh_pln_ref, fresh_switcher_ref
from duaarah.vending.operations.ppob.codes import PPOBRefused
from duaarah.vending.operations.ppob.gate import Gate
from duaarah.vending.operations.statement import run

METER_DIGITS = 11
UNSOLD_MAX = 9
HOURS_OF_CAP = 720
_WH = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Who is at the other end of a meter, as receipts name him. `contracted_va` in VA."""

    meter_no: str
    idpel: str
    name: str
    segment: str
    contracted_va: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An inquiry's answer. `max_kwh`: what this month's cap leaves, in whole kWh; `unsold_idr`: nominals, oldest first."""

    pln_ref: str
    switcher_ref: str
    customer: Customer
    admin_idr: int
    max_kwh: int
    unsold_idr: tuple[int, ...]


# What was sold this month counts when it was taken; a token that went back does not. An unsold token is offered only while
# the meter still has the key that it was made for.
_METER = """
SELECT m.id, m.drn, m.tariff_group, m.contracted_va, coalesce(c.idpel, ''), coalesce(c.name, ''),
    n.inquiries, n.last_at, n.blocked_until_at,
    (SELECT coalesce(sum(coalesce(v.encoded_wh, v.requested_wh)), 0) FROM vending_vend v
        WHERE v.meter_id = m.id AND v.paid_at >= %(month)s AND v.state <> 'REFUNDED')::bigint,
    ARRAY(SELECT u.nominal_idr FROM vending_unsoldtoken u JOIN vending_vend v ON v.id = u.vend_id
        WHERE u.meter_id = m.id AND u.payment_id IS NULL AND
            (v.sts_register, v.dkga, v.ea, v.sgc, v.ti, v.krn, v.kt, v.ken, v.base_date)
            = (m.sts_register, m.dkga, m.ea, m.sgc, m.ti, m.krn, m.kt, m.ken, m.base_date) ORDER BY u.id),
    coalesce((SELECT t.admin_idr FROM vending_channelterms t
        WHERE t.channel_id = %(channel)s AND t.from_date <= %(day)s::date ORDER BY t.from_date DESC LIMIT 1), 0)
FROM registry_meter m LEFT JOIN people_customer c ON c.id = m.customer_id
LEFT JOIN vending_ppobnumber n ON n.meter_id = m.id
"""
_BY_METER = _METER + "WHERE m.drn = %(number)s"
# A customer whose meter was exchanged: the newest.
_BY_IDPEL = _METER + "WHERE c.idpel = %(number)s ORDER BY m.id DESC LIMIT 1"

# One statement, one transaction. A row of inquiries that was silent for the blocking time begins anew; the count is taken
# under the row's lock, so that two inquiries at once are two.
_KEEP = """
WITH counted AS (
    INSERT INTO vending_ppobnumber AS n (meter_id, inquiries, last_at) VALUES (%(meter)s, 1, %(now)s)
    ON CONFLICT (meter_id) DO UPDATE SET last_at = excluded.last_at,
        inquiries = CASE WHEN n.last_at < %(silent)s THEN 1 ELSE n.inquiries + 1 END,
        blocked_until_at = CASE
            WHEN n.last_at >= %(silent)s AND n.inquiries + 1 >= %(max)s THEN %(until)s::timestamptz END
    WHERE n.last_at < %(silent)s OR n.inquiries < %(max)s
    RETURNING 1)
INSERT INTO vending_ppobinquiry (pln_ref, switcher_ref, partner_id, bank, product, meter_id, number, idpel, admin_idr,
    max_kwh, at)
SELECT %(pln_ref)s, %(switcher_ref)s, %(partner)s, %(bank)s, '502', %(meter)s, %(number)s, %(idpel)s, %(admin)s,
    %(max_kwh)s, %(now)s FROM counted
RETURNING id
"""


def inquire(*, gate: Gate, number: str, by_idpel: bool, now: dt.datetime) -> Found:
    """
    Entry: who a meter number or idpel is; the inquiry is stored under a fresh PLN reference.

    Raises:
        PPOBRefused: 0014 unknown, 0016 blocked after too many inquiries in a row. The cap may leave nothing: then max_kwh
            is 0 and a purchase is refused with 0047, a token of little energy may still fit.
    """
    if connection.in_atomic_block:
        raise transaction.TransactionManagementError("An inquiry is a transaction of its own.")
    local = now.astimezone(WIB)
    found = run(
        _BY_IDPEL if by_idpel else _BY_METER,
        {"number": number, "month": month_begin(now), "channel": gate.channel.pk, "day": local.date()},
    )
    if found is None:
        raise PPOBRefused(codes.UNKNOWN_NUMBER, "No meter of this number is known.")
    meter_id, drn, group, va, idpel, name = found[:6]
    sold_wh, unsold_idr, admin_idr = found[9:]
    answer = Found(
        pln_ref=fresh_pln_ref(),
        switcher_ref=fresh_switcher_ref(gate, now),
        customer=Customer(
            meter_no=drn[-METER_DIGITS:],
            idpel=idpel or "0" * 12,
            name=name,
            segment=group,
            contracted_va=va,
        ),
        admin_idr=admin_idr,
        max_kwh=max(0, cap_wh(va) - sold_wh) // _WH,
        unsold_idr=tuple(unsold_idr[:UNSOLD_MAX]),
    )
    kept = run(_KEEP, _row(answer, gate, meter_id, now))
    if kept is None:
        raise PPOBRefused(codes.NUMBER_BLOCKED, "Too many inquiries of this number in a row without a purchase.")
    return answer


def _row(answer: Found, gate: Gate, meter_id: int, now: dt.datetime) -> dict[str, object]:
    return {
        "meter": meter_id,
        "now": now,
        "silent": now - dt.timedelta(seconds=gate.block_s),
        "until": now + dt.timedelta(seconds=gate.block_s),
        "max": gate.inquiries_max,
        "pln_ref": answer.pln_ref,
        "switcher_ref": answer.switcher_ref,
        "partner": gate.partner_id,
        "bank": gate.bank,
        "number": answer.customer.meter_no,
        "idpel": answer.customer.idpel,
        "admin": answer.admin_idr,
        "max_kwh": answer.max_kwh,
    }


def cap_wh(contracted_va: int) -> int:
    """What a connection may buy in a month: 720 hours of its power."""
    return contracted_va * HOURS_OF_CAP


def month_begin(now: dt.datetime) -> dt.datetime:
    """The first instant of the month (WIB)."""
    return now.astimezone(WIB).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
