# SPDX-License-Identifier: Apache-2.0
"""A text that may be longer than one SMS: parts, each a row and a unit of its own, or whole, where the bind's data say so."""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import replace

from django.db import connection

from duaarah.core.smsparts import UDHI, split
from duaarah.sms.operations.enqueue import SegmentOrder, enqueue_segments, package_month

# The operator charges a message_payload by the SMS that he makes of it, which one row cannot count: only what no package counts
# goes whole.
_WHOLE = """
SELECT b.long_text = 'PAYLOAD' AND NOT coalesce((
    SELECT r.counts FROM sms_packagerule r WHERE r.message_class = %(class)s AND r.valid_from_date <= %(month)s
    ORDER BY r.valid_from_date DESC LIMIT 1), true)
FROM sms_bind b WHERE b.id = %(bind)s
"""
_PARTS = "UPDATE sms_outboundsegment SET esm_class = %s WHERE id = ANY(%s)"


def enqueue_text(order: SegmentOrder, *, now: dt.datetime) -> list[int]:
    """
    Joining: queue a text of up to 4,096 octets and reserve a unit for each SMS of it; returns the ids, first part first.

    Raises:
        TransactionManagementError: outside a transaction.
        ValueError: it is longer.
    """
    parts = split(order.payload, data_coding=order.data_coding, reference=secrets.randbelow(1 << 16))
    if len(parts) == 1:
        return enqueue_segments([order], now=now)
    with connection.cursor() as cursor:
        cursor.execute(_WHOLE, {"class": order.message_class, "month": package_month(now), "bind": order.bind_id})
        if cursor.fetchone() == (True,):
            return enqueue_segments([replace(order, message_payload=True)], now=now)
        ids = enqueue_segments([replace(order, payload=part) for part in parts], now=now)
        cursor.execute(_PARTS, [UDHI, ids])
    return ids
