# SPDX-License-Identifier: Apache-2.0
"""Ambiguous segments decided: it went (and is paid), or the operator never had it (and the reservation ends)."""

from __future__ import annotations

import datetime as dt

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.sms.models import OutboundSegment


class NotHeld(Exception):
    """The segment is not ambiguous: its response came, or somebody decided it before."""

    code = "not_held"
    retryable = False


# At the month of the reservation, whenever it is decided.
_OUTCOME = """
INSERT INTO sms_packageentry (kind, segment_id, meter_id, message_class, counts, retry, correlation, at, month_date)
SELECT %(kind)s, e.segment_id, e.meter_id, e.message_class, e.counts, e.retry, e.correlation, %(now)s, e.month_date
FROM sms_packageentry e WHERE e.kind = 'RESERVE' AND e.segment_id = %(segment)s
ON CONFLICT DO NOTHING
"""


def settle_held(*, segment_id: int, smsc_message_id: str, reason: str, actor: str, now: dt.datetime) -> None:
    """
    Joining: the SMSC had it. The segment becomes ACCEPTED and its package unit is settled in its own month.

    Raises:
        TransactionManagementError: outside a transaction.
        NotHeld: it is not ambiguous; nothing moved. The caller audits the refusal.
    """
    segment = _held(segment_id)
    segment.state = OutboundSegment.State.ACCEPTED
    segment.smsc_message_id = smsc_message_id
    segment.save(update_fields=["state", "smsc_message_id"])
    _decided("SETTLE", "sms.settle_held", segment_id, reason, actor, now)


def release_held(*, segment_id: int, reason: str, actor: str, now: dt.datetime) -> None:
    """
    Joining: the SMSC never had it. The segment becomes REFUSED and its package unit comes back.

    Raises:
        TransactionManagementError: outside a transaction.
        NotHeld: it is not ambiguous; nothing moved. The caller audits the refusal.
    """
    segment = _held(segment_id)
    segment.state = OutboundSegment.State.REFUSED
    segment.save(update_fields=["state"])
    _decided("RELEASE", "sms.release_held", segment_id, reason, actor, now)


def _held(segment_id: int) -> OutboundSegment:
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A held segment is decided in the transaction that knows why.")
    segment = OutboundSegment.objects.select_for_update().filter(pk=segment_id).first()
    if segment is None or segment.state != OutboundSegment.State.AMBIGUOUS:
        raise NotHeld("This segment is not waiting for a decision.")
    return segment


def _decided(kind: str, verb: str, segment_id: int, reason: str, actor: str, now: dt.datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_OUTCOME, {"kind": kind, "now": now, "segment": segment_id})
    audit.record(at=now, actor=actor, verb=verb, subject=f"segment:{segment_id}", reason=reason)
