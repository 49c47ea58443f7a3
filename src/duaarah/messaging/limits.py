# SPDX-License-Identifier: Apache-2.0
"""How often we answer: nobody drains our SMS, and nobody guesses PINs by the hundred. The limits are rows."""

from __future__ import annotations

import datetime as dt

from duaarah.messaging.models import AnswerLimit, ShortCode
from duaarah.sms.models import InboundSms, MessageClass, PackageEntry
from duaarah.sms.operations.enqueue import package_month


def over_phone_limit(*, inbound: InboundSms, paired: bool) -> dt.datetime | None:
    """
    Until when this phone gets no answers, or None while it may ask.

    Counted are its texts of this window before this one: no counter that a crash could count twice.
    """
    limit = AnswerLimit.objects.filter(subject="PHONE" if paired else "STRANGER").first()
    if limit is None:
        return None
    begin_at, end_at = _window(limit, inbound.arrived_at)
    # By the index on source, newest first, and never more rows than the limit.
    earlier = InboundSms.objects.filter(source=inbound.source, id__lt=inbound.pk, kind=InboundSms.Kind.TEXT)
    arrived = list(earlier.order_by("-id").values_list("arrived_at", flat=True)[: limit.answers_max])
    over = sum(at >= begin_at for at in arrived) >= limit.answers_max
    return end_at if over else None


def over_meter_limit(*, inbound: InboundSms, meter_id: int) -> dt.datetime | None:
    """Until when nobody gets answers about this meter, or None. Texts answered at the same instant may pass together."""
    limit = AnswerLimit.objects.filter(subject=AnswerLimit.Subject.METER).first()
    if limit is None:
        return None
    begin_at, end_at = _window(limit, inbound.arrived_at)
    answered = PackageEntry.objects.filter(
        meter_id=meter_id,
        month_date__in={package_month(begin_at), package_month(inbound.arrived_at)},
        message_class=MessageClass.CUSTOMER_MO,
        inbound_id__lt=inbound.pk,
        inbound__arrived_at__gte=begin_at,
    )
    return end_at if answered[: limit.answers_max].count() >= limit.answers_max else None


def _window(limit: AnswerLimit, at: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    begin_s = int(at.timestamp()) // limit.window_s * limit.window_s
    begin_at = dt.datetime.fromtimestamp(begin_s, dt.UTC)
    return begin_at, begin_at + dt.timedelta(seconds=limit.window_s)


def conversation_number(*, instead_of: str) -> str | None:
    """The number to write to when `instead_of` is one of ours that only sends; else None."""
    rows = list(ShortCode.objects.order_by("id").values_list("number", "purpose"))
    if (instead_of, ShortCode.Purpose.NOTICES) not in rows:
        return None
    return next((number for number, purpose in rows if purpose == ShortCode.Purpose.CONVERSATION), None)
