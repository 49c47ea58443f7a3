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


class RecordTaken(Exception):
    """The operator's record is another segment's already; one record pays for one SMS."""

    code = "record_taken"
    retryable = False


_RECORD_LOCK = 0x44554105
# As an answer would have booked it: in the month and at the instant of the reservation, whenever it is decided.
_BOOK = """
INSERT INTO sms_packageentry (kind, segment_id, meter_id, message_class, counts, retry, correlation, at, month_date)
SELECT %(kind)s, e.segment_id, e.meter_id, e.message_class, e.counts, e.retry, e.correlation, e.at, e.month_date
FROM sms_packageentry e WHERE e.kind = 'RESERVE' AND e.segment_id = %(segment)s
ON CONFLICT DO NOTHING
"""
_VERB = "sms.decide_ambiguous"


def decide_ambiguous(
    *,
    segment_id: int,
    sent: bool,
    smsc_message_id: str = "",
    resend: bool = False,
    actor: str,
    reason: str,
    now: dt.datetime,
) -> int | None:
    """
    Entry: "it was sent" settles the segment, "it was not" releases it, with `resend` as a new segment marked as a retry.

    `smsc_message_id` is what the operator's record calls it, where one is known. Returns the new segment's id, or None.
    A refusal leaves one audit line.

    Raises:
        NotAmbiguous: somebody, or a late answer, was first.
        WasSent: `resend` together with `sent`.
        FrameNotAgain: `resend` of a frame to a meter.
        RecordTaken: another segment of this link has that message id.
    """
    try:
        with transaction.atomic(durable=True):
            return decide_segment(
                segment_id=segment_id,
                sent=sent,
                smsc_message_id=smsc_message_id,
                resend=resend,
                actor=actor,
                reason=reason,
                now=now,
            )
    except (NotAmbiguous, WasSent, FrameNotAgain, RecordTaken) as refusal:
        with transaction.atomic(durable=True):
            audit.record_refusal(
                at=now, actor=actor, verb=_VERB, subject=f"segment:{segment_id}", code=refusal.code, reason=reason
            )
        raise


def decide_segment(
    *,
    segment_id: int,
    sent: bool,
    smsc_message_id: str = "",
    resend: bool = False,
    actor: str,
    reason: str,
    now: dt.datetime,
) -> int | None:
    """
    Joining: the same in the transaction of a comparison that decides many. The caller audits a refusal.

    Raises:
        TransactionManagementError: outside a transaction.
        NotAmbiguous, WasSent, FrameNotAgain, RecordTaken: as above; nothing moved.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A segment is decided in the transaction that knows why.")
    segment = OutboundSegment.objects.select_for_update().filter(pk=segment_id).first()
    if sent and resend:
        raise WasSent("A segment that was sent is not sent again.")
    if segment is None or segment.state != OutboundSegment.State.AMBIGUOUS:
        raise NotAmbiguous("The outcome of this segment is known by now.")
    if resend and segment.message_class == MessageClass.METER_FRAME:
        raise FrameNotAgain("A frame is sent again by its command, under a new counter.")
    if sent and smsc_message_id:
        _take_record(segment, smsc_message_id)
    again = _decide(segment, sent=sent, smsc_message_id=smsc_message_id, resend=resend, now=now)
    detail: dict[str, Any] = {"sent": sent, "resent_as": again}
    if smsc_message_id:
        detail["message_id"] = smsc_message_id
    audit.record(at=now, actor=actor, verb=_VERB, subject=f"segment:{segment_id}", reason=reason, detail=detail)
    return again


def _take_record(segment: OutboundSegment, message_id: str) -> None:
    with connection.cursor() as cursor:
        # Two who give one record to two segments at once wait for each other.
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_RECORD_LOCK, message_id])
    if OutboundSegment.objects.filter(bind_id=segment.bind_id, smsc_message_id=message_id).exists():
        raise RecordTaken("This record is another segment's.")


def _decide(
    segment: OutboundSegment, *, sent: bool, smsc_message_id: str, resend: bool, now: dt.datetime
) -> int | None:
    segment.state = OutboundSegment.State.ACCEPTED if sent else OutboundSegment.State.CANCELLED
    if sent and smsc_message_id:
        segment.smsc_message_id = smsc_message_id
    segment.save(update_fields=["state", "smsc_message_id"])
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
