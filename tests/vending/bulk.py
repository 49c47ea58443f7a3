"""Many purchases at once, by SQL: as the verbs write them, one entry a payment and one a token, every line of its quote."""

from __future__ import annotations

import datetime as dt

from django.db import connection

from duaarah.registry.models import Meter
from duaarah.vending.models import Channel

# A nominal of 100,000 for meters in turn; the odd sen go round so that sums are not multiples of one row.
_BULK = """
CREATE TEMP TABLE bulk ON COMMIT DROP AS
SELECT n, meters.id AS meter, meters.drn, meters.pan, meters.tariff_group,
    %(first)s::timestamptz + n * %(step)s::interval AS at,
    9000000 + n %% 97 AS stroom, 270000 - n %% 97 AS ppj, 720000 + n %% 13 AS ppn, 10000 - n %% 13 AS instalment,
    n %% 7 - 3 AS rounding, 60000 + 100 * (n %% 5) AS energy
FROM generate_series(1, %(count)s) AS n
JOIN (SELECT row_number() OVER (ORDER BY m.id) - 1 AS place, m.* FROM registry_meter m WHERE m.id = ANY(%(meters)s)) meters
    ON meters.place = n %% cardinality(%(meters)s);
INSERT INTO vending_payment (channel_id, reference, meter_id, amount_idr, admin_idr, commission_idr, taken_at)
SELECT %(channel)s, 'b' || n, meter, 100000, 2500, 1000, at FROM bulk ORDER BY n;
INSERT INTO vending_quote (payment_id, tariff_group, rate_idr_per_kwh, ppj_rate, ppn_rate, stamp_sen, instalment_sen, ppj_sen,
    ppn_sen, stroom_sen, rounding_sen, energy_wh)
SELECT p.id, b.tariff_group, 1444.70, 0.03, 0, 0, b.instalment, b.ppj, b.ppn, b.stroom, b.rounding, b.energy
FROM bulk b JOIN vending_payment p ON p.channel_id = %(channel)s AND p.reference = 'b' || b.n;
INSERT INTO vending_vend (request_id, origin, payment_id, meter_id, phone, state, correlation, drn, pan, base_date, tid, rnd,
    sts_register, dkga, ea, sgc, ti, krn, kt, ken, requested_wh, encoded_wh, paid_at, issued_at, result, obtain_attempts,
    obtain_not_before_at)
SELECT gen_random_uuid(), 'OURS', p.id, b.meter, '', 'ISSUED', gen_random_uuid(), b.drn, b.pan, 2014, b.n, 0,
    'test', '04', '07', '999901', '01', 1, 2, 255, b.energy, b.energy, b.at, b.at + interval '2 seconds', '', 0, b.at
FROM bulk b JOIN vending_payment p ON p.channel_id = %(channel)s AND p.reference = 'b' || b.n;
INSERT INTO vending_ledgerentry (book, kind, at, vend_id, reference)
SELECT 'PLN', k.kind, v.paid_at, v.id, k.word || v.id FROM vending_vend v
JOIN vending_payment p ON p.id = v.payment_id AND p.channel_id = %(channel)s AND p.reference LIKE 'b%%'
CROSS JOIN (VALUES ('PAYMENT_TAKEN', 'paid:'), ('TOKEN_ISSUED', 'issued:')) AS k (kind, word);
INSERT INTO vending_account (code, book)
SELECT code, 'PLN' FROM unnest(ARRAY['vending:pending', 'pln:stroom', 'pln:ppj', 'pln:ppn', 'pln:instalment',
    'pln:rounding', 'channel:admin', 'deposit:' || %(channel)s, 'commission:' || %(channel)s]) AS c (code)
ON CONFLICT DO NOTHING;
INSERT INTO vending_ledgerline (entry_id, account_id, amount_sen)
SELECT e.id, a.id, x.amount FROM vending_ledgerentry e JOIN vending_vend v ON v.id = e.vend_id
JOIN vending_payment p ON p.id = v.payment_id AND p.channel_id = %(channel)s AND p.reference LIKE 'b%%'
JOIN vending_quote q ON q.payment_id = p.id
CROSS JOIN LATERAL (VALUES
    ('PAYMENT_TAKEN', 'deposit:' || %(channel)s, 10250000), ('PAYMENT_TAKEN', 'vending:pending', -10250000),
    ('TOKEN_ISSUED', 'vending:pending', 10250000), ('TOKEN_ISSUED', 'pln:stroom', -(q.stroom_sen + q.rounding_sen)),
    ('TOKEN_ISSUED', 'pln:rounding', q.rounding_sen), ('TOKEN_ISSUED', 'pln:ppj', -q.ppj_sen),
    ('TOKEN_ISSUED', 'pln:ppn', -q.ppn_sen), ('TOKEN_ISSUED', 'pln:instalment', -q.instalment_sen),
    ('TOKEN_ISSUED', 'channel:admin', -150000), ('TOKEN_ISSUED', 'commission:' || %(channel)s, -100000)
) AS x (kind, code, amount) JOIN vending_account a ON a.code = x.code
WHERE x.kind = e.kind AND x.amount <> 0;
"""


def purchases(*, channel: Channel, meters: list[Meter], count: int, first: dt.datetime, step_s: int = 0) -> None:
    """`count` purchases of Rp100,000 through a channel, `b1`, `b2` ..., `step_s` apart, each with its token and books."""
    from psycopg import ClientCursor

    values = {
        "channel": channel.pk,
        "meters": [meter.pk for meter in meters],
        "count": count,
        "first": first,
        "step": dt.timedelta(seconds=step_s),
    }
    connection.ensure_connection()
    raw = connection.connection
    with raw.transaction(), ClientCursor(raw) as cursor:
        # The zero-sum triggers fire a line each; a single check of the same sums below takes their place.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(_BULK, values)
        cursor.execute(
            "SELECT count(*) FROM (SELECT FROM vending_ledgerline GROUP BY entry_id HAVING sum(amount_sen) <> 0) x"
        )
        assert cursor.fetchone() == (0,)
    with raw.cursor() as cursor:
        cursor.execute("ANALYZE")
