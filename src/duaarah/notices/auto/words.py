# SPDX-License-Identifier: Apache-2.0
"""What a rule tells its customer: once per pause, once a month for a budget or a cap, never in his quiet hours."""

from __future__ import annotations

import datetime as dt

from duaarah.core.top_up_rule import Situation, cap_wh, next_open_at
from duaarah.messaging.addressing import language_of, meter_name
from duaarah.messaging.operations import queue_message
from duaarah.messaging.texts import kwh, render, rupiah
from duaarah.notices.auto.rules import terms_of
from duaarah.notices.models import AutoRule
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Meter
from duaarah.sms.models import MessageClass, Priority
from duaarah.vending.queries import wallet_balance_idr

# Where a holder's wallet is filled: his customer number behind the biller's prefix.
VA_PREFIX = "888"


def tell_rule(rule: AutoRule, meter: Meter, word: str, situation: Situation | None, now: dt.datetime) -> bool:
    """Joining: queue the one SMS of this occasion to the meter's phone; False when it was said or nobody hears."""
    pairing = pairing_of_meter(meter_id=meter.pk, at=now)
    if pairing is None:
        return False
    language, month = language_of(pairing), f"{now:%Y-%m}"
    values = {
        "meter": meter_name(pairing),
        "nominal": rupiah(rule.nominal_idr, language),
        "budget": rupiah(rule.budget_idr, language),
        "wallet": rupiah(wallet_balance_idr(holder_id=rule.holder_id), language),
        "va": f"{VA_PREFIX}{pairing.meter.customer.idpel}" if pairing.meter.customer else "-",
        "kwh": kwh(cap_wh(meter.contracted_va), language),
    }
    once = {
        "wallet": f"auto_wallet:{rule.pk}:{rule.pauses}",
        "no_price": f"auto_no_price:{rule.pk}:{month}",
        "budget": f"auto_budget:{rule.pk}:{month}",
        "cap": f"auto_cap:{rule.pk}:{meter.pk}:{month}",
    }
    return queue_message(
        dedupe=once[word],
        phone=pairing.phone,
        template=f"auto_{word}",
        language=language,
        text=render(f"auto_{word}", language, **values),
        message_class=MessageClass.WARNING,
        priority=Priority.LOW_CREDIT,
        meter_id=meter.pk,
        correlation=None,
        now=now,
        due_at=next_open_at(terms_of(rule), now, meter.zone),
    )
