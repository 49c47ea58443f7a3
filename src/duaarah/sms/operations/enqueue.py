# SPDX-License-Identifier: Apache-2.0
"""Putting segments on the way: the row, and its reservation in the package ledger, in the caller's transaction."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction

BATCH_MAX = 200
_WIB = ZoneInfo("Asia/Jakarta")


@dataclass(frozen=True, kw_only=True)
class SegmentOrder:
    """
    One segment to submit; `payload` is the short_message as it goes on the wire (at most 254 octets), with `message_payload`
    a longer text that the SMSC cuts itself.
    """

    bind_id: int
    meter_id: int | None
    message_class: str
    priority: int
    retry: bool
    source: str
    destination: str
    data_coding: int
    payload: bytes
    message_payload: bool = False
    validity_s: int
    registered: bool
    correlation: uuid.UUID | None


_SEGMENT = """
INSERT INTO sms_outboundsegment (id, bind_id, meter_id, message_class, priority, retry, source, destination,
    data_coding, esm_class, payload, validity_s, registered, correlation, created_at, state, attempts,
    not_before_at, smsc_message_id)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 0, %s, %s, %s, %s, %s, 'QUEUED', 0, clock_timestamp(), '')
"""

# The dated rule in force decides whether the segment counts.
_RESERVE = """
INSERT INTO sms_packageentry (kind, segment_id, meter_id, message_class, counts, retry, correlation, at, month_date)
SELECT 'RESERVE', s.id, s.meter_id, s.message_class,
    coalesce((SELECT r.counts FROM sms_packagerule r
              WHERE r.message_class = s.message_class AND r.valid_from_date <= %(month)s
              ORDER BY r.valid_from_date DESC LIMIT 1), true),
    s.retry, s.correlation, s.created_at, %(month)s
FROM sms_outboundsegment s WHERE s.id = ANY(%(ids)s)
"""


def package_month(now: dt.datetime) -> dt.date:
    """First day of the package month that `now` falls in; package months are WIB months."""
    return now.astimezone(_WIB).date().replace(day=1)


def enqueue_segments(orders: Sequence[SegmentOrder], *, now: dt.datetime) -> list[int]:
    """
    Joining: queue segments and reserve their package units; returns their ids in the order given.

    Raises:
        TransactionManagementError: outside a transaction.
        ValueError: more than BATCH_MAX orders, or a payload over 254 octets.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Segments are queued in the transaction that makes them true.")
    if len(orders) > BATCH_MAX or any(len(o.payload) > (4096 if o.message_payload else 254) for o in orders):
        raise ValueError("Too many segments in one batch, or one is too long.")
    if not orders:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence('sms_outboundsegment', 'id')) FROM generate_series(1, %s)",
            [len(orders)],
        )
        ids = [row[0] for row in cursor.fetchall()]
        cursor.executemany(_SEGMENT, [_row(i, o, now) for i, o in zip(ids, orders, strict=True)])
        cursor.execute(_RESERVE, {"ids": ids, "month": package_month(now)})
    return ids


def _row(segment_id: int, order: SegmentOrder, now: dt.datetime) -> list[Any]:
    return [
        segment_id,
        order.bind_id,
        order.meter_id,
        order.message_class,
        order.priority,
        order.retry,
        order.source,
        order.destination,
        order.data_coding,
        order.payload,
        order.validity_s,
        order.registered,
        order.correlation,
        now,
    ]
