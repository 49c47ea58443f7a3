# SPDX-License-Identifier: Apache-2.0
"""A channel's message ids: each means one thing for ever, whichever request of its comes first."""

from __future__ import annotations

import datetime as dt
import hashlib
import json

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.vending.models import Vend
from duaarah.vending.operations.vendors.errors import MessageClosed, MessageReused, ScopeRefused
from duaarah.vending.vendor_models import VendorKey, VendorMessage

_CLAIM = """
INSERT INTO vending_vendormessage (channel_id, key_id, message_id, kind, digest, received_at)
VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (channel_id, message_id) DO NOTHING RETURNING id
"""


def claim(
    *, key: VendorKey, message_id: str, kind: str, content: dict[str, str | int], now: dt.datetime
) -> tuple[VendorMessage, bool]:
    """
    Joining: the message of this id, and whether this request is its first. A twin that is under way is waited for.

    Raises:
        MessageReused: the id stands for something else. MessageClosed: an advice closed it.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A message id is claimed in the transaction of its deed.")
    digest = hashlib.sha256(json.dumps([kind, content], sort_keys=True).encode()).digest()
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [key.channel_id, key.pk, message_id, kind, digest, now])
        made = cursor.fetchone()
    row = VendorMessage.objects.get(channel_id=key.channel_id, message_id=message_id)
    if made is None and row.kind == VendorMessage.Kind.CLOSED != kind:
        raise MessageClosed("An advice closed this message id: take a new one.")
    if bytes(row.digest) != digest:
        raise MessageReused("This message id was used for another request.")
    return row, made is not None


def message_of(key: VendorKey, message_id: str) -> VendorMessage | None:
    """What the key's channel has asked for under this id."""
    mine = VendorMessage.objects.select_related("free_issue__approval", "free_issue__vend", "replacement__vend")
    return mine.filter(channel_id=key.channel_id, message_id=message_id).first()


def vend_of(message: VendorMessage) -> Vend | None:
    """What was made under a message; None for one that is closed, or given and not made yet."""
    vends = Vend.objects.select_related("token", "meter__customer", "command", "payment__quote", "payment__channel")
    match message.kind:
        case VendorMessage.Kind.FREE_ISSUE:
            return vends.filter(pk=message.free_issue.vend_id or 0).first()
        case VendorMessage.Kind.CLOSED:
            return None
    # A sale's message id is its payment's reference; a replacement's as well.
    return vends.filter(payment__channel_id=message.channel_id, payment__reference=message.message_id).first()


def allow(key: VendorKey, scope: str) -> None:
    """Raises ScopeRefused."""
    if scope not in key.scopes:
        raise ScopeRefused(f"This key has not the scope {scope}.")


def refused(key: VendorKey, verb: str, subject: str, error: Exception, now: dt.datetime) -> None:
    """Entry: the one audit line of a refusal that has `code`."""
    with transaction.atomic(durable=True):
        audit.record_refusal(
            at=now,
            actor=f"vendorkey:{key.pk}",
            verb=verb,
            subject=subject,
            code=error.code,  # type: ignore[attr-defined]
            reason=str(error),
        )
