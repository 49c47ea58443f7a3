# SPDX-License-Identifier: Apache-2.0
"""A person decides what became of a segment that was submitted and never answered."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.sms.models import MessageClass, OutboundSegment
from duaarah.sms.operations.enqueue import SegmentOrder, enqueue_segments


class NotAmbiguous(Exception):
    """The segment is not, or no longer, of unknown outcome."""

    code = "not_ambiguous"
    retryable = False


class WasSent(Exception):
    """What was sent is not sent again as if it were not."""

    code = "was_sent"
    retryable = False


class FrameNotAgain(Exception):
    """A meter's frame goes again by its command, under a new counter; as it was, the meter would refuse it."""

    code = "frame_not_again"
    retryable = False


_BOOK = """
INSERT INTO sms_packageentry (kind, segment_id, meter_id, message_class, counts, retry, correlation, at, month_date)
SELECT %(kind)s, e.segment_id, e.meter_id, e.message_class, e.counts, e.retry, e.correlation, e.at, e.month_date
FROM sms_packageentry e WHERE e.kind = 'RESERVE' AND e.segment_id = %(segment)s
ON CONFLICT DO NOTHING
"""


def decide_ambiguous(
    *, segment_id: int, sent: bool, resend: bool = False, actor: str, reason: str, now: dt.datetime
) -> int | None:
    """
    Entry: "it was sent" settles the segment, "it was not" releases it, with `resend` as a new segment marked as a retry.

    Returns the new segment's id, or None. A refusal leaves one audit line.

    Raises:
        NotAmbiguous: somebody, or a late answer, was first.
        WasSent: `resend` together with `sent`.
        FrameNotAgain: `resend` of a frame to a meter.
    """
    refusal: NotAmbiguous | WasSent | FrameNotAgain | None = None
    again: int | None = None
    subject = f"segment:{segment_id}"
    with transaction.atomic(durable=True):
        segment = OutboundSegment.objects.select_for_update().filter(pk=segment_id).first()
        if sent and resend:
            refusal = WasSent("A segment that was sent is not sent again.")
        elif segment is None or segment.state != OutboundSegment.State.AMBIGUOUS:
            refusal = NotAmbiguous("The outcome of this segment is known by now.")
        elif resend and segment.message_class == MessageClass.METER_FRAME:
            refusal = FrameNotAgain("A frame is sent again by its command, under a new counter.")
        if refusal is not None or segment is None:
            assert refusal is not None
            audit.record_refusal(
                at=now, actor=actor, verb="sms.decide_ambiguous", subject=subject, code=refusal.code, reason=reason
            )
        else:
            again = _decide(segment, sent=sent, resend=resend, now=now)
            detail: dict[str, Any] = {"sent": sent, "resent_as": again}
            audit.record(
                at=now, actor=actor, verb="sms.decide_ambiguous", subject=subject, reason=reason, detail=detail
            )
    if refusal is not None:
        raise refusal
    return again


def _decide(segment: OutboundSegment, *, sent: bool, resend: bool, now: dt.datetime) -> int | None:
    segment.state = OutboundSegment.State.ACCEPTED if sent else OutboundSegment.State.CANCELLED
    segment.save(update_fields=["state"])
    with connection.cursor() as cursor:
        cursor.execute(_BOOK, {"kind": "SETTLE" if sent else "RELEASE", "segment": segment.pk})
    if not resend:
        return None
    order = SegmentOrder(
        bind_id=segment.bind_id,
        meter_id=segment.meter_id,
        message_class=segment.message_class,
        priority=segment.priority,
        retry=True,
        source=segment.source,
        destination=segment.destination,
        data_coding=segment.data_coding,
        payload=bytes(segment.payload),
        message_payload=len(segment.payload) > 254,
        validity_s=segment.validity_s,
        registered=segment.registered,
        correlation=segment.correlation,
    )
    (again,) = enqueue_segments([order], now=now)
    # A part stays a part.
    OutboundSegment.objects.filter(pk=again).update(esm_class=segment.esm_class)
    return again
