# SPDX-License-Identifier: Apache-2.0
"""Putting segments on the way: the row, and its reservation in the package ledger, in the caller's transaction."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
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


# Segments, in the order given, and their reservations; the dated rule in force decides whether a segment counts.
_QUEUE = """
WITH made AS (
    INSERT INTO sms_outboundsegment (bind_id, meter_id, message_class, priority, retry, source, destination, data_coding,
        esm_class, payload, validity_s, registered, correlation, created_at, state, attempts, not_before_at,
        smsc_message_id)
    SELECT bind_id, meter_id, message_class, priority, retry, source, destination, data_coding, 0, payload, validity_s,
        registered, correlation, %s, 'QUEUED', 0, clock_timestamp(), ''
    FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::smallint[], %s::boolean[], %s::text[], %s::text[],
        %s::smallint[], %s::bytea[], %s::integer[], %s::boolean[], %s::uuid[]) WITH ORDINALITY
        AS o (bind_id, meter_id, message_class, priority, retry, source, destination, data_coding, payload, validity_s,
              registered, correlation, number)
    ORDER BY number
    RETURNING id, meter_id, message_class, retry, correlation, created_at)
INSERT INTO sms_packageentry (kind, segment_id, meter_id, message_class, counts, retry, correlation, at, month_date)
SELECT 'RESERVE', s.id, s.meter_id, s.message_class,
    coalesce((SELECT r.counts FROM sms_packagerule r
              WHERE r.message_class = s.message_class AND r.valid_from_date <= %s
              ORDER BY r.valid_from_date DESC LIMIT 1), true),
    s.retry, s.correlation, s.created_at, %s
FROM made s ORDER BY s.id
RETURNING segment_id
"""
# The arrays of _QUEUE; an array has one type, so that a member of an enumeration goes as the text or number that it is.
_COLUMNS: tuple[tuple[str, Callable[[Any], Any] | None], ...] = (
    ("bind_id", int),
    ("meter_id", None),
    ("message_class", str),
    ("priority", int),
    ("retry", bool),
    ("source", str),
    ("destination", str),
    ("data_coding", int),
    ("payload", bytes),
    ("validity_s", int),
    ("registered", bool),
    ("correlation", None),
)


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
    columns = [
        [getattr(order, name) if made is None else made(getattr(order, name)) for order in orders]
        for name, made in _COLUMNS
    ]
    month = package_month(now)
    with connection.cursor() as cursor:
        cursor.execute(_QUEUE, [now, *columns, month, month])
        return sorted(row[0] for row in cursor.fetchall())
