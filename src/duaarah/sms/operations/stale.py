# SPDX-License-Identifier: Apache-2.0
"""Segments whose response was lost, and receipts that came before their response. Never a silent resend."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import connection, transaction

from duaarah.sms.operations.enqueue import package_month

# The SMSC may have it or not. Frames are sent again by their command under a new counter; a receipt with digits goes once
# more, marked as a retry, because a second SMS is better than a lost token; everything else stays listed for a person.
_AMBIGUOUS = """
UPDATE sms_outboundsegment SET state = 'AMBIGUOUS', lease_until_at = NULL
WHERE id IN (SELECT id FROM sms_outboundsegment
             WHERE state = 'SUBMITTING' AND lease_until_at < clock_timestamp()
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
    FROM sms_outboundsegment WHERE id = ANY(%(ids)s) AND message_class = 'RECEIPT' AND NOT retry
    RETURNING id, meter_id, message_class, correlation)
INSERT INTO sms_packageentry (kind, segment_id, meter_id, message_class, counts, retry, correlation, at, month_date)
SELECT 'RESERVE', a.id, a.meter_id, a.message_class,
    coalesce((SELECT r.counts FROM sms_packagerule r
              WHERE r.message_class = a.message_class AND r.valid_from_date <= %(month)s
              ORDER BY r.valid_from_date DESC LIMIT 1), true),
    true, a.correlation, %(now)s, %(month)s
FROM again a
"""

# SMPP message_state: 2 delivered; 3 expired, 4 deleted, 5 undeliverable, 8 rejected. States only move forward.
_MATCH = """
WITH found AS (
    SELECT r.id AS receipt_id, s.id AS segment_id, r.state
    FROM sms_receipt r
    JOIN sms_outboundsegment s ON s.bind_id = r.bind_id AND s.smsc_message_id = ANY(r.message_ids)
    WHERE r.segment_id IS NULL AND s.smsc_message_id <> ''
    ORDER BY r.id LIMIT 200),
moved AS (
    UPDATE sms_outboundsegment s SET state = CASE WHEN f.state = 2 THEN 'DELIVERED' ELSE 'FAILED' END
    FROM found f WHERE s.id = f.segment_id AND s.state = 'ACCEPTED' AND f.state IN (2, 3, 4, 5, 8)
    RETURNING s.id)
UPDATE sms_receipt r SET segment_id = f.segment_id FROM found f WHERE r.id = f.receipt_id
"""


def judge_stale_segments(*, now: dt.datetime) -> int:
    """Entry: segments whose link died between write and response become AMBIGUOUS; returns how many."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_AMBIGUOUS)
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
        return max(cursor.rowcount, 0)
