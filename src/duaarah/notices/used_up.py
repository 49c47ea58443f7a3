# SPDX-License-Identifier: Apache-2.0
"""Who has the meter is told once a month and bucket that its SMS are used up, and what its policy makes of that."""

from __future__ import annotations

import datetime as dt

from duaarah.core.smsplan import Bucket, Overflow
from duaarah.messaging.addressing import language_of, meter_name
from duaarah.messaging.operations import queue_message
from duaarah.messaging.texts import render, rupiah
from duaarah.registry.models import Pairing
from duaarah.sms.models import MessageClass, Priority
from duaarah.sms.operations.enqueue import package_month
from duaarah.sms.package.queries import meter_month

# What comes after the last one. A token is in no row of BLOCK: the terms refuse that policy.
_TEMPLATES = {
    (Bucket.FAULT, Overflow.BLOCK): "faults_used_up_block",
    (Bucket.FAULT, Overflow.BORROW): "faults_used_up_borrow",
    (Bucket.FAULT, Overflow.BILL): "faults_used_up_bill",
    (Bucket.TOKEN, Overflow.BORROW): "tokens_used_up_borrow",
    (Bucket.TOKEN, Overflow.BILL): "tokens_used_up_bill",
}


def tell_used_up(*, pairing: Pairing, bucket: Bucket, now: dt.datetime) -> bool:
    """Joining: one notice (from the social number, it takes nothing) when the bucket is empty; whether one was queued."""
    month_date = package_month(now)
    month = meter_month(pairing.meter_id, month_date)
    if month is None:
        return False
    sold = month.budget.counts[bucket]
    if bucket is Bucket.FAULT and pairing.meter.reporting_plan is not None:
        # What is left then is the customer's own report.
        sold = min(sold, pairing.meter.reporting_plan["fault_sms"])
    policy = month.budget.overflow[bucket]
    if month.spent[bucket].used < sold or (bucket, policy) not in _TEMPLATES:
        return False
    template, language = _TEMPLATES[bucket, policy], language_of(pairing)
    next_month = (month_date + dt.timedelta(days=31)).replace(day=1)
    text = render(
        template,
        language,
        meter=meter_name(pairing),
        price=rupiah(month.sold[0].sms_price_idr, language),
        day=f"{next_month:%d/%m}",
    )
    return queue_message(
        dedupe=f"used_up:{bucket}:{pairing.meter_id}:{month_date:%Y-%m}",
        phone=pairing.phone,
        template=template,
        language=language,
        text=text,
        message_class=MessageClass.NOTICE,
        priority=Priority.DATA,
        meter_id=pairing.meter_id,
        correlation=None,
        now=now,
    )
