# SPDX-License-Identifier: Apache-2.0
"""Queueing messages (joining), and handing the due ones to the SMS side (entry)."""

from __future__ import annotations

import datetime as dt
import logging
import uuid

from django.db import connection, transaction

from duaarah.core.gsm7 import encode
from duaarah.messaging.models import Message, ShortCode
from duaarah.sms.models import MessageClass, Priority
from duaarah.sms.operations import SegmentOrder, enqueue_segments
from duaarah.sms.queries import NoRoute, route, sendable_codes

Purpose = ShortCode.Purpose
LOG = logging.getLogger(__name__)
VALIDITY_S = {Priority.TOKEN: 24 * 3600, Priority.REPLY: 600}
VALIDITY_DEFAULT_S = 4 * 3600
HAND_BATCH_MAX = 50


_QUEUE = """
INSERT INTO messaging_message (dedupe, meter_id, phone, source, template, language, text, message_class, priority,
    bind_name, correlation, state, created_at, due_at)
VALUES (%(dedupe)s, %(meter)s, %(phone)s,
    coalesce(%(source)s, (SELECT number FROM messaging_shortcode WHERE purpose = %(purpose)s ORDER BY id LIMIT 1)),
    %(template)s, %(language)s, %(text)s, %(class)s, %(priority)s,
    %(bind)s, %(correlation)s, 'QUEUED', %(now)s, %(due)s)
ON CONFLICT (dedupe) DO NOTHING RETURNING id
"""


def queue_message(
    *,
    dedupe: str,
    phone: str,
    template: str,
    language: str,
    text: str,
    message_class: str,
    priority: int,
    meter_id: int | None,
    correlation: uuid.UUID | None,
    now: dt.datetime,
    due_at: dt.datetime | None = None,
    source: str | None = None,
    bind_name: str = "",
) -> bool:
    """
    Joining: queue one message; returns False when `dedupe` was queued before (nothing is changed then).

    Without a `source` it goes from the number of its purpose: notices from one, everything else from the other.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A message is queued in the transaction that makes it true.")
    with connection.cursor() as cursor:
        cursor.execute(
            _QUEUE,
            {
                "dedupe": dedupe,
                "meter": meter_id,
                "phone": phone,
                "source": source,
                "purpose": Purpose.NOTICES if message_class == MessageClass.NOTICE else Purpose.CONVERSATION,
                "template": template,
                "language": language,
                "text": text,
                "class": message_class,
                "priority": priority,
                "bind": bind_name,
                "correlation": correlation,
                "now": now,
                "due": due_at or now,
            },
        )
        return cursor.fetchone() is not None


_HANDED = """
UPDATE messaging_message SET state = 'HANDED', segment_id = v.segment_id
FROM unnest(%s::bigint[], %s::bigint[]) AS v (id, segment_id) WHERE messaging_message.id = v.id
"""


def hand_over(*, now: dt.datetime, limit: int = HAND_BATCH_MAX) -> int:
    """
    Entry: turn due messages into segments, message and segment in one transaction; returns how many.

    A message from a number that no bind serves now waits, and nothing waits behind it.
    """
    with transaction.atomic(durable=True):
        due = Message.objects.filter(state=Message.State.QUEUED, due_at__lte=now)
        messages = list(
            due.select_for_update(skip_locked=True)
            .filter(source__in=sendable_codes())
            .order_by("priority", "id")[:limit]
        )
        if not messages:
            stuck = due.exclude(source__in=sendable_codes()).values_list("source", flat=True).first()
            if stuck is not None:
                LOG.warning("messages wait: no active bind serves %s", stuck)
            return 0
        binds = {key: _bind_id(*key) for key in {(m.source, m.bind_name) for m in messages}}
        routed = [(m, bind_id) for m in messages if (bind_id := binds[(m.source, m.bind_name)]) is not None]
        messages = [message for message, _ in routed]
        orders = [_order(message, bind_id) for message, bind_id in routed]
        ids = enqueue_segments(orders, now=now)
        with connection.cursor() as cursor:
            cursor.execute(_HANDED, [[m.pk for m in messages], ids])
    for message in messages:
        if message.correlation is not None:
            LOG.info(
                "message %d handed over: %s", message.pk, message.template, extra={"correlation": message.correlation}
            )
    return len(messages)


def _bind_id(source: str, bind_name: str) -> int | None:
    try:
        return route(source=source, bind_name=bind_name).pk
    except NoRoute as error:
        LOG.warning("messages wait: %s", error)
        return None


def _order(message: Message, bind_id: int) -> SegmentOrder:
    return SegmentOrder(
        bind_id=bind_id,
        meter_id=message.meter_id,
        message_class=message.message_class,
        priority=message.priority,
        retry=False,
        source=message.source,
        destination=message.phone,
        data_coding=0,
        payload=encode(message.text),
        validity_s=VALIDITY_S.get(Priority(message.priority), VALIDITY_DEFAULT_S),
        registered=message.priority == Priority.TOKEN,
        correlation=message.correlation,
    )
