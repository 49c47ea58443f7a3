"""
What must be true after every step, asked in SQL of the tables themselves: no verb of the code under test is called here.
"""

from __future__ import annotations

from typing import Any

import psycopg
from django.db import connection

from tests.conformance_ppob.world import COMMISSION_IDR, Broken, Source


def _rows(statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Prepared once a connection: the same few questions are asked after each step."""
    connection.ensure_connection()
    return psycopg.Cursor(connection.connection).execute(statement, values, prepare=True).fetchall()


# Sales that stand: a payment whose token was not given back. A payment of an unsold token has the vend of its first sale.
SALES = """
sale AS (
    SELECT p.id, p.channel_id, p.reference, p.amount_idr, p.admin_idr, p.commission_idr, p.meter_id,
        coalesce(u.vend_id, v.id) AS vend_id, u.id AS resold_id,
        EXISTS (SELECT 1 FROM vending_unsoldtoken k WHERE k.vend_id = coalesce(u.vend_id, v.id)
            AND (u.id IS NULL OR k.id > u.id)) AS given_back
    FROM vending_payment p LEFT JOIN vending_vend v ON v.payment_id = p.id
    LEFT JOIN vending_unsoldtoken u ON u.payment_id = p.id
    WHERE p.channel_id = ANY(%(channels)s)),
live AS (
    SELECT s.*, v.state, v.request_id, v.encoded_wh, t.id AS token_id, t.digits, t.energy_wh, q.energy_wh AS quoted_wh,
        q.stroom_sen + q.rounding_sen AS stroom_sen
    FROM sale s LEFT JOIN vending_vend v ON v.id = s.vend_id LEFT JOIN vending_token t ON t.vend_id = v.id
    LEFT JOIN vending_quote q ON q.payment_id = v.payment_id
    WHERE NOT s.given_back AND v.state <> 'REFUNDED')
"""

# Each statement gives rows only where something is wrong.
CHECKS: dict[str, str] = {
    "ledger_zero": """
        SELECT entry_id, sum(amount_sen) FROM vending_ledgerline WHERE entry_id > %(entry)s
        GROUP BY entry_id HAVING sum(amount_sen) <> 0""",
    "balance_is_ledger": """
        SELECT d.channel_id, d.balance_sen, coalesce(sum(-l.amount_sen), 0)
        FROM vending_deposit d LEFT JOIN vending_account a ON a.code = 'deposit:' || d.channel_id
        LEFT JOIN vending_ledgerline l ON l.account_id = a.id WHERE d.channel_id = ANY(%(channels)s)
        GROUP BY d.channel_id, d.balance_sen HAVING d.balance_sen <> coalesce(sum(-l.amount_sen), 0)""",
    "deposit_not_negative": """
        SELECT channel_id, balance_sen FROM vending_deposit
        WHERE channel_id = ANY(%(channels)s) AND balance_sen + credit_sen < 0""",
    "money_held": """
        SELECT held.sen, booked.sen FROM
        (SELECT coalesce(sum((amount_idr + admin_idr) * 100), 0) AS sen FROM live WHERE state = 'PAID') held,
        (SELECT coalesce(sum(-l.amount_sen), 0) AS sen FROM vending_ledgerline l
            JOIN vending_account a ON a.id = l.account_id
            WHERE a.code = 'vending:pending' AND l.entry_id > %(entry)s) booked
        WHERE held.sen <> booked.sen""",
    "deposit_pays_what_is_sold": """
        SELECT d.channel_id, d.balance_sen, sold.sen, bills.sen, filled.sen FROM vending_deposit d
        CROSS JOIN LATERAL (SELECT coalesce(sum((amount_idr + admin_idr) * 100), 0) AS sen FROM live
            WHERE channel_id = d.channel_id) sold
        CROSS JOIN LATERAL (SELECT coalesce(sum((amount_idr + admin_idr) * 100), 0) AS sen FROM vending_billpayment
            WHERE channel_id = d.channel_id AND reversed_at IS NULL) bills
        CROSS JOIN LATERAL (SELECT coalesce(sum(-l.amount_sen), 0) AS sen FROM vending_ledgerline l
            JOIN vending_ledgerentry e ON e.id = l.entry_id JOIN vending_account a ON a.id = l.account_id
            WHERE a.code = 'deposit:' || d.channel_id AND e.kind = 'DEPOSIT_FILLED') filled
        WHERE d.channel_id = ANY(%(channels)s) AND d.balance_sen <> filled.sen - sold.sen - bills.sen""",
    "one_payment_one_vend": """
        SELECT id, reference FROM sale WHERE vend_id IS NULL""",
    "one_reference_one_payment": """
        SELECT substr(reference, 1, 37), count(*) FROM sale WHERE reference LIKE 'ppob:%%'
        GROUP BY 1 HAVING count(*) > 1""",
    "issued_has_its_token": """
        SELECT id, state FROM live WHERE (state = 'PAID') <> (token_id IS NULL)""",
    "refunded_has_no_token": """
        SELECT v.id FROM vending_vend v JOIN vending_payment p ON p.id = v.payment_id
        JOIN vending_token t ON t.vend_id = v.id
        WHERE p.channel_id = ANY(%(channels)s) AND v.state = 'REFUNDED' AND v.result <> 'unsold'""",
    "token_sold_once": """
        SELECT token_id, count(*) FROM live WHERE token_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1""",
    "energy_issued_is_booked": """
        SELECT id, encoded_wh, energy_wh, quoted_wh FROM live WHERE token_id IS NOT NULL
        AND (energy_wh <> encoded_wh OR energy_wh < quoted_wh OR energy_wh >= quoted_wh + 100)""",
    "stroom_is_booked": """
        SELECT sold.sen, booked.sen FROM
        (SELECT coalesce(sum(stroom_sen), 0) AS sen FROM live WHERE token_id IS NOT NULL) sold,
        (SELECT coalesce(sum(-l.amount_sen), 0) AS sen FROM vending_ledgerline l
            JOIN vending_account a ON a.id = l.account_id WHERE a.code = 'pln:stroom' AND l.entry_id > %(entry)s) booked
        WHERE sold.sen <> booked.sen""",
    "commission_once": """
        SELECT c.id, earned.sen, booked.sen FROM unnest(%(channels)s::bigint[]) AS c (id)
        CROSS JOIN LATERAL (SELECT (SELECT count(*) FROM live WHERE channel_id = c.id AND token_id IS NOT NULL)
            + (SELECT count(*) FROM vending_billpayment WHERE channel_id = c.id AND reversed_at IS NULL) AS n) one
        CROSS JOIN LATERAL (SELECT one.n * %(commission)s AS sen) earned
        CROSS JOIN LATERAL (SELECT coalesce(sum(-l.amount_sen), 0) AS sen FROM vending_ledgerline l
            JOIN vending_account a ON a.id = l.account_id WHERE a.code = 'commission:' || c.id) booked
        WHERE earned.sen <> booked.sen""",
    "bill_is_paid_once": """
        SELECT i.number, count(*) FROM vending_billpayment b JOIN vending_ppobinquiry i ON i.id = b.inquiry_id
        WHERE b.channel_id = ANY(%(channels)s) AND b.reversed_at IS NULL GROUP BY 1 HAVING count(*) > 1""",
    "bill_knows_its_payment": """
        SELECT b.id FROM vending_billpayment b WHERE b.channel_id = ANY(%(channels)s) AND (b.reversed_at IS NULL)
        <> EXISTS (SELECT 1 FROM vending_registration r WHERE r.paid_id = b.id)""",
    "void_is_not_paid": """
        SELECT i.pln_ref FROM vending_ppobinquiry i JOIN live s ON s.reference = 'ppob:' || i.pln_ref
        WHERE i.voided_at IS NOT NULL""",
    "tid_once": """
        SELECT drn, base_date, tid, count(*) FROM vending_vend GROUP BY 1, 2, 3 HAVING count(*) > 1""",
    "cap_of_the_month": """
        SELECT s.meter_id, sum(s.energy_wh) FROM live s JOIN registry_meter m ON m.id = s.meter_id
        WHERE s.token_id IS NOT NULL GROUP BY s.meter_id, m.contracted_va
        HAVING sum(s.quoted_wh) > 720 * m.contracted_va""",
}

_PAID = f"""
WITH {SALES} SELECT coalesce(l.state, 'BACK'), l.digits FROM sale s LEFT JOIN live l ON l.id = s.id
WHERE s.reference = %(reference)s
"""
_ISSUED_FOR = """
SELECT v.request_id, v.state, v.result, t.digits FROM vending_vend v JOIN vending_payment p ON p.id = v.payment_id
LEFT JOIN vending_token t ON t.vend_id = v.id WHERE p.channel_id = ANY(%(channels)s)
"""


def check_books(*, channels: list[int], after_entry: int) -> None:
    """Money, token and ledger of these channels agree. Raises Broken."""
    values = {"channels": channels, "entry": after_entry, "commission": COMMISSION_IDR * 100}
    # One question, so that a step costs one round trip; each name comes back with its first wrong row.
    parts = [
        f"SELECT '{name}' AS name, (SELECT row_to_json(w)::text FROM ({text}) w LIMIT 1) AS wrong"
        for name, text in CHECKS.items()
    ]
    for name, wrong in _rows(f"WITH {SALES} " + " UNION ALL ".join(parts), values):
        if wrong is not None:
            raise Broken(name, wrong)


def check_source(*, channels: list[int], source: Source) -> None:
    """What the source did and what the tables say. Raises Broken."""
    if source.changed:
        raise Broken("request_never_changes", source.changed)
    for request_id, state, result, digits in _rows(_ISSUED_FOR, {"channels": channels}):
        done = source.truth.get(request_id)
        if state == "REFUNDED" and result != "unsold" and source.issued(request_id):
            raise Broken("no_refund_of_an_issued_token", request_id)
        if state == "REFUNDED" and done is None:
            raise Broken("no_refund_of_the_unknown", request_id)
        if digits is not None and (done is None or getattr(done, "digits", None) != digits):
            raise Broken("token_is_the_sources", request_id)


def paid(*, channel: int, reference: str) -> tuple[str, str | None] | None:
    """A sale's state (PAID, ISSUED ... or BACK: the money went back) and digits; None: nothing was ever paid."""
    found = _rows(_PAID, {"channels": [channel], "reference": reference})
    return (found[0][0], found[0][1]) if found else None
