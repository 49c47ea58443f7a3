"""Segments are queued in the order given, each with its reservation, in one statement."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from duaarah.people.models import Organisation
from duaarah.sms.models import Bind, MessageClass, OutboundSegment, PackageEntry, Priority
from duaarah.sms.operations import SegmentOrder, enqueue_segments

pytestmark = pytest.mark.slow
# The last evening of January in UTC is February in WIB.
NOW = dt.datetime(2026, 1, 31, 17, 30, tzinfo=dt.UTC)


def test_a_mixed_batch_is_queued_in_order_with_its_reservations(database: str) -> None:
    operator = Organisation.objects.create(code="OPS", name="Opsel", kind="MOBILE_OPERATOR")
    bind = Bind.objects.create(
        name="b", operator=operator, host="127.0.0.1", port=1, system_id="x", password_wrapped=b"", short_codes=["3123"]
    )
    orders = [
        SegmentOrder(
            bind_id=bind.pk,
            meter_id=None,
            message_class=MessageClass.NOTICE if number % 2 else "RECEIPT",
            priority=Priority(4) if number % 2 else 0,
            retry=number == 2,
            source="3123",
            destination=f"62811000000{number}",
            data_coding=4 * (number % 2),
            payload=bytes([number, 0, 255, 0x5C, 0x22]) if number else b"",
            validity_s=600 + number,
            registered=number != 1,
            correlation=uuid.UUID(int=number) if number else None,
        )
        for number in range(5)
    ]
    with transaction.atomic(), CaptureQueriesContext(connection) as asked:
        ids = enqueue_segments(orders, now=NOW)
    assert len(asked) == 1 and ids == sorted(set(ids))
    rows = {row.pk: row for row in OutboundSegment.objects.all()}
    assert list(rows) == ids
    for pk, order in zip(ids, orders, strict=True):
        row = rows[pk]
        assert (
            SegmentOrder(
                bind_id=row.bind_id,
                meter_id=row.meter_id,
                message_class=row.message_class,
                priority=row.priority,
                retry=row.retry,
                source=row.source,
                destination=row.destination,
                data_coding=row.data_coding,
                payload=bytes(row.payload),
                validity_s=row.validity_s,
                registered=row.registered,
                correlation=row.correlation,
            )
            == order
        )
        assert (row.state, row.attempts, row.esm_class, row.smsc_message_id, row.created_at) == (
            "QUEUED",
            0,
            0,
            "",
            NOW,
        )
    booked = PackageEntry.objects.order_by("id").values_list(
        "kind", "segment_id", "message_class", "counts", "retry", "correlation", "at", "month_date"
    )
    month = dt.date(2026, 2, 1)
    assert list(booked) == [
        ("RESERVE", pk, str(o.message_class), o.message_class == "RECEIPT", o.retry, o.correlation, NOW, month)
        for pk, o in zip(ids, orders, strict=True)
    ]
