# SPDX-License-Identifier: Apache-2.0
"""Writing the audit record, and sealing it into a chain."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Iterable
from typing import Any

from django.db import connection, transaction

from duaarah.audit.models import AuditRecord, AuditSeal

SEAL_BATCH_MAX = 500
GENESIS = bytes(32)
_SEALER_LOCK = 0x44554101


def record(
    *,
    at: dt.datetime,
    actor: str,
    verb: str,
    subject: str,
    reason: str = "",
    correlation: uuid.UUID | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Join the caller's transaction with one line of what was done. Raises outside a transaction."""
    _insert(at, actor, verb, subject, reason, False, "", correlation, detail)


def record_refusal(
    *,
    at: dt.datetime,
    actor: str,
    verb: str,
    subject: str,
    code: str,
    reason: str = "",
    correlation: uuid.UUID | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Join the caller's transaction with one line of what was asked and refused, by the error's stable code."""
    _insert(at, actor, verb, subject, reason, True, code, correlation, detail)


_RECORD = """
INSERT INTO audit_auditrecord (at, actor, verb, subject, reason, refused, code, correlation, detail)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


def _insert(
    at: dt.datetime,
    actor: str,
    verb: str,
    subject: str,
    reason: str,
    refused: bool,
    code: str,
    correlation: uuid.UUID | None,
    detail: dict[str, Any] | None,
) -> None:
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("An audit record joins the transaction of the deed.")
    with connection.cursor() as cursor:
        cursor.execute(
            _RECORD,
            [
                at,
                actor[:80],
                verb,
                subject[:120],
                reason[:400],
                refused,
                code,
                correlation,
                json.dumps(detail or {}),
            ],
        )


def chain_hash(previous: bytes, item: AuditRecord) -> bytes:
    """SHA-256(previous hash, canonical JSON of every field of the record)."""
    canonical = json.dumps(
        {
            "id": item.pk,
            "at": item.at.astimezone(dt.UTC).isoformat(),
            "actor": item.actor,
            "verb": item.verb,
            "subject": item.subject,
            "reason": item.reason,
            "refused": item.refused,
            "code": item.code,
            "correlation": str(item.correlation) if item.correlation else None,
            "detail": item.detail,
        },
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    return hashlib.sha256(previous + canonical.encode()).digest()


def seal() -> int:
    """
    Entry: chain the committed, unsealed records in id order; returns how many were sealed.

    One sealer at a time (advisory lock). A record whose transaction commits late is sealed later,
    at a later position: the chain's order is the order of sealing, and it never changes.
    """
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_SEALER_LOCK])
        latest = AuditSeal.objects.order_by("-position").first()
        position, previous = (latest.position, bytes(latest.hash)) if latest else (0, GENESIS)
        seals = []
        for item in AuditRecord.objects.filter(seal=None).order_by("id")[:SEAL_BATCH_MAX]:
            position += 1
            previous = chain_hash(previous, item)
            seals.append(AuditSeal(position=position, record=item, hash=previous))
        AuditSeal.objects.bulk_create(seals)
    return len(seals)


class ChainBroken(Exception):
    """The audit chain does not verify from `position` on."""

    code = "chain_broken"

    def __init__(self, position: int, record_id: int) -> None:
        super().__init__(f"The audit chain breaks at position {position} (record {record_id}).")
        self.position = position


def verify(seals: Iterable[AuditSeal]) -> int:
    """
    Walk the chain (seals with their records, in order of position); returns the count of sealed records.

    Raises:
        ChainBroken: a record was changed, removed, or the order was; with the first position that does not fit.
    """
    previous, count = GENESIS, 0
    for link in seals:
        count += 1
        try:
            previous = chain_hash(previous, link.record)
        except AuditRecord.DoesNotExist:
            raise ChainBroken(count, link.record_id) from None
        if link.position != count or previous != bytes(link.hash):
            raise ChainBroken(count, link.record_id)
    return count
