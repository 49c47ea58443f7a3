# SPDX-License-Identifier: Apache-2.0
"""Segments whose response was lost, and receipts that came before their response. Never a silent resend."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from duaarah.sms.operations.enqueue import package_month

# The SMSC may have it or not: the table sms_ambiguityrule decides per class. Frames are sent again by their command under a
# new counter; a receipt with digits goes once more, because a second SMS is better than a lost token; the rest is listed.
# A lease that ends later than one that begins now was given before the clock was set back.
_AMBIGUOUS = """
UPDATE sms_outboundsegment SET state = 'AMBIGUOUS', lease_until_at = NULL
WHERE id IN (SELECT id FROM sms_outboundsegment
             WHERE state = 'SUBMITTING' AND (lease_until_at < clock_timestamp()
                 OR lease_until_at > clock_timestamp() + %(lease)s * interval '1 second')
             ORDER BY id LIMIT 200 FOR UPDATE SKIP LOCKED)
RETURNING id
"""

_HOLD = """
INSERT INTO sms_packageentry (kind, segment_id, meter_id, message_class, counts, retry, correlation, at, month_date)
SELECT 'HOLD', e.segment_id, e.meter_id, e.message_class, e.counts, e.retry, e.correlation, %(now)s, e.month_date
FROM sms_packageentry e WHERE e.kind = 'RESERVE' AND e.segment_id = ANY(%(ids)s)
ON CONFLICT DO NOTHING
"""

_AGAIN = """
WITH again AS (
    INSERT INTO sms_outboundsegment (bind_id, meter_id, message_class, priority, retry, source, destination, data_coding,
        esm_class, payload, validity_s, registered, correlation, created_at, state, attempts, not_before_at,
        smsc_message_id)
    SELECT bind_id, meter_id, message_class, priority, true, source, destination, data_coding, esm_class, payload,
        validity_s, registered, correlation, %(now)s, 'QUEUED', 0, clock_timestamp(), ''
    FROM sms_outboundsegment s WHERE id = ANY(%(ids)s) AND NOT retry
        AND EXISTS (SELECT 1 FROM sms_ambiguityrule r
                    WHERE r.message_class = s.message_class AND r.action = 'ONCE_MORE')
    RETURNING id, meter_id, message_class, correlation)
INSERT INTO sms_packageentry (kind, segment_id, meter_id, message_class, counts, retry, correlation, at, month_date)
SELECT 'RESERVE', a.id, a.meter_id, a.message_class,
    coalesce((SELECT r.counts FROM sms_packagerule r
              WHERE r.message_class = a.message_class AND r.valid_from_date <= %(month)s
              ORDER BY r.valid_from_date DESC LIMIT 1), true),
    true, a.correlation, %(now)s, %(month)s
FROM again a
"""

# SMPP message_state: 2 delivered; 3 expired, 4 deleted, 5 undeliverable, 8 rejected. States only move forward. The receipt
# may come by another bind of the group; the likeliest spelling of an id is tried first.
_MATCH = """
WITH found AS (
    SELECT DISTINCT ON (r.id) r.id AS receipt_id, s.id AS segment_id, r.state
    FROM sms_receipt r
    JOIN sms_bind rb ON rb.id = r.bind_id
    JOIN sms_outboundsegment s ON s.message_key = ANY(r.message_ids) AND s.message_key <> ''
    JOIN sms_bind sb ON sb.id = s.bind_id
        AND coalesce(nullif(sb.bind_group, ''), sb.name) = coalesce(nullif(rb.bind_group, ''), rb.name)
    WHERE r.segment_id IS NULL
    ORDER BY r.id, array_position(r.message_ids, s.message_key), s.id DESC LIMIT 500),
final AS (
    SELECT DISTINCT ON (segment_id) segment_id, state FROM found WHERE state IN (2, 3, 4, 5, 8)
    ORDER BY segment_id, receipt_id),
moved AS (
    UPDATE sms_outboundsegment s SET state = CASE WHEN f.state = 2 THEN 'DELIVERED' ELSE 'FAILED' END
    FROM final f WHERE s.id = f.segment_id AND s.state = 'ACCEPTED'
    RETURNING s.id)
UPDATE sms_receipt r SET segment_id = f.segment_id FROM found f WHERE r.id = f.receipt_id
"""

# A response was lost, but a receipt names the handset and the short code: when exactly one segment between the two is of
# unknown outcome and nothing else is on its way, the receipt is about that one.
_RESOLVE = """
WITH lone AS (
    SELECT min(s.id) AS segment_id, coalesce(nullif(b.bind_group, ''), b.name) AS pool, s.destination, s.source
    FROM sms_outboundsegment s JOIN sms_bind b ON b.id = s.bind_id
    WHERE s.state = 'AMBIGUOUS' AND s.registered
    GROUP BY pool, s.destination, s.source HAVING count(*) = 1),
found AS (
    SELECT DISTINCT ON (l.segment_id) l.segment_id, r.id AS receipt_id, r.state, r.message_ids[1] AS message_key
    FROM lone l JOIN sms_outboundsegment s ON s.id = l.segment_id
    JOIN sms_receipt r ON r.segment_id IS NULL AND cardinality(r.message_ids) > 0
        AND r.handset = l.destination AND r.short_code = l.source
        AND r.received_at > s.submitted_at AND r.received_at < clock_timestamp() - 5 * interval '1 second'
    JOIN sms_bind rb ON rb.id = r.bind_id AND coalesce(nullif(rb.bind_group, ''), rb.name) = l.pool
    WHERE NOT EXISTS (SELECT 1 FROM sms_outboundsegment o
        WHERE o.destination = l.destination AND o.source = l.source AND o.state = 'SUBMITTING')
    ORDER BY l.segment_id, r.id)
UPDATE sms_outboundsegment s SET state = 'ACCEPTED', message_key = f.message_key
FROM found f WHERE s.id = f.segment_id AND s.state = 'AMBIGUOUS'
RETURNING s.id
"""

_SETTLE = """
INSERT INTO sms_packageentry (kind, segment_id, meter_id, message_class, counts, retry, correlation, at, month_date)
SELECT 'SETTLE', e.segment_id, e.meter_id, e.message_class, e.counts, e.retry, e.correlation, e.at, e.month_date
FROM sms_packageentry e WHERE e.kind = 'RESERVE' AND e.segment_id = ANY(%s)
ON CONFLICT DO NOTHING
"""


def judge_stale_segments(*, now: dt.datetime) -> int:
    """Entry: segments whose link died between write and response become AMBIGUOUS; returns how many."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_AMBIGUOUS, {"lease": settings.SEGMENT_LEASE_S + 1})
        ids = [row[0] for row in cursor.fetchall()]
        if ids:
            values: dict[str, Any] = {"ids": ids, "now": now, "month": package_month(now)}
            cursor.execute(_HOLD, values)
            cursor.execute(_AGAIN, values)
    return len(ids)


def match_parked_receipts() -> int:
    """Entry: join receipts to their segments once the response's message id is known; returns how many."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_MATCH)
        matched = max(cursor.rowcount, 0)
        cursor.execute(_RESOLVE)
        if resolved := [row[0] for row in cursor.fetchall()]:
            # The next round joins the receipt by the key that it brought.
            cursor.execute(_SETTLE, [resolved])
    return matched
