# SPDX-License-Identifier: Apache-2.0
"""
The statements of the hot verbs, by name: a top-up is few statements, because each one costs more than the rows it writes.

What they must keep (once per reference, once per TID, zero sum, no negative wallet) the tables' constraints keep.
"""

EARLIER = """
SELECT v.id FROM vending_payment p JOIN vending_vend v ON v.payment_id = p.id
WHERE p.channel_id = %s AND p.reference = %s
"""

# Under the row lock; no row: the wallet holds less, or there is none.
DEBIT = """
UPDATE vending_wallet SET balance_sen = balance_sen - %(total)s
WHERE holder_id = %(holder)s AND balance_sen >= %(total)s RETURNING balance_sen
"""

# The day's sum is kept in the same row, so that a limit of the day costs no other statement.
DEBIT_DEPOSIT = """
UPDATE vending_deposit SET balance_sen = balance_sen - %(total)s,
    day_sen = CASE WHEN day_date = %(day)s THEN day_sen ELSE 0 END + %(nominal)s, day_date = %(day)s
WHERE channel_id = %(channel)s AND balance_sen + credit_sen >= %(total)s RETURNING day_sen
"""

CREDIT_DEPOSIT = """
UPDATE vending_deposit SET balance_sen = balance_sen + %(total)s,
    day_sen = CASE WHEN day_date = %(day)s THEN day_sen - %(nominal)s ELSE day_sen END
WHERE channel_id = %(channel)s
"""

# The rows of the day: the latest of each that has begun.
CHANNEL_TERMS = """
SELECT coalesce(t.admin_idr, 0), coalesce(t.commission_idr, 0), l.purchase_idr, l.day_idr FROM (SELECT) AS one
LEFT JOIN LATERAL (
    SELECT admin_idr, commission_idr FROM vending_channelterms
    WHERE channel_id = %(channel)s AND from_date <= %(day)s ORDER BY from_date DESC LIMIT 1) t ON true
LEFT JOIN LATERAL (
    SELECT purchase_idr, day_idr FROM vending_channellimits
    WHERE channel_id = %(channel)s AND from_date <= %(day)s ORDER BY from_date DESC LIMIT 1) l ON true
"""

# Under the meter's TID row, which a key change takes too: the configuration is compared with the present one (no row: the
# key was changed after the caller read it), and a change whose last part is out makes the vend wait for its end; one under a
# standing approval does so from its beginning.
PAY = """
WITH payment AS (
    INSERT INTO vending_payment
        (channel_id, reference, holder_id, meter_id, amount_idr, admin_idr, commission_idr, taken_at)
    VALUES
        (%(channel)s, %(reference)s, %(holder)s, %(meter)s, %(nominal_idr)s, %(admin_idr)s, %(commission)s, %(now)s)
    RETURNING id),
quote AS (
    INSERT INTO vending_quote (payment_id, tariff_group, rate_idr_per_kwh, ppj_rate, ppn_rate, stamp_sen,
        instalment_sen, ppj_sen, ppn_sen, stroom_sen, rounding_sen, energy_wh, region, contracted_va, discount_sen)
    SELECT id, %(tariff_group)s, %(rate_idr_per_kwh)s, %(ppj_rate)s, %(ppn_rate)s, %(stamp_sen)s, %(instalment_sen)s,
        %(ppj_sen)s, %(ppn_sen)s, %(stroom_sen)s, %(rounding_sen)s, %(energy_wh)s, %(region)s, %(contracted_va)s,
        %(discount_sen)s FROM payment)
INSERT INTO vending_vend (request_id, origin, payment_id, meter_id, phone, state, correlation, drn, pan, base_date, tid,
    rnd, sts_register, dkga, ea, sgc, ti, krn, kt, ken, requested_wh, paid_at, result, obtain_attempts,
    obtain_not_before_at, waits_for_id)
SELECT %(request)s, 'OURS', payment.id, %(meter)s, %(phone)s, 'PAID', %(correlation)s, %(drn)s, %(pan)s, %(base_date)s, %(tid)s,
    %(rnd)s, %(sts_register)s, %(dkga)s, %(ea)s, %(sgc)s, %(ti)s, %(krn)s, %(kt)s, %(ken)s, %(energy_wh)s, %(now)s, '',
    0, clock_timestamp() + %(retry_s)s * interval '1 second',
    (SELECT k.id FROM vending_keychange k WHERE k.meter_id = %(meter)s
        AND (k.state = 'CLOSING' OR (k.state IN ('ORDERED', 'LOADING') AND k.roll_id IS NOT NULL)))
FROM payment JOIN registry_meter m ON m.id = %(meter)s
    AND (m.sts_register, m.dkga, m.ea, m.sgc, m.ti, m.krn, m.kt, m.ken, m.base_date)
      = (%(sts_register)s, %(dkga)s, %(ea)s, %(sgc)s, %(ti)s, %(krn)s, %(kt)s, %(ken)s, %(meter_base_date)s)
RETURNING id, payment_id, obtain_not_before_at, waits_for_id
"""

# Accounts are made when first used; two first users of one account may race, both then read the winner's row. What is set
# is no key: a lock on the code would meet the lines' foreign keys at commit, in another order.
BOOK = """
WITH lines AS (SELECT * FROM unnest(%(codes)s::text[], %(amounts)s::bigint[]) AS l (code, amount_sen)),
known AS (SELECT a.id, a.code FROM vending_account a WHERE a.code = ANY(%(codes)s)),
made AS (
    INSERT INTO vending_account (code, book)
    SELECT code, %(book)s FROM lines WHERE code NOT IN (SELECT code FROM known) ORDER BY code
    ON CONFLICT (code) DO UPDATE SET book = vending_account.book RETURNING id, code),
entry AS (
    INSERT INTO vending_ledgerentry (book, kind, at, vend_id, reference)
    VALUES (%(book)s, %(kind)s, %(at)s, %(vend)s, %(reference)s) RETURNING id)
INSERT INTO vending_ledgerline (entry_id, account_id, amount_sen)
SELECT entry.id, account.id, lines.amount_sen
FROM entry, lines JOIN (SELECT * FROM known UNION ALL SELECT * FROM made) AS account USING (code)
"""

TOKEN = "INSERT INTO vending_token (vend_id, digits, energy_wh, created_at) VALUES (%s, %s, %s, %s)"

ISSUED = """
UPDATE vending_vend SET state = 'ISSUED', encoded_wh = %s, issued_at = %s, command_id = %s, digits_sent_at = %s
WHERE id = %s
"""

ASK_AGAIN = """
UPDATE vending_vend SET obtain_attempts = obtain_attempts + 1,
    obtain_not_before_at = clock_timestamp()
        + least(%s, %s * power(2, least(obtain_attempts, 10))) * interval '1 second'
WHERE id = %s
"""

PAIRED = "SELECT EXISTS (SELECT 1 FROM registry_pairing WHERE meter_id = %s AND valid @> %s::timestamptz)"

CLOSED = "UPDATE vending_vend SET state = %s, result = %s, closed_at = %s WHERE id = %s"
