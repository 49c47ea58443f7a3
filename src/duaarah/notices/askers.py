# SPDX-License-Identifier: Apache-2.0
"""Who ordered a setting by SMS is told once what became of it: the meter's word, or that there was none."""

from __future__ import annotations

import datetime as dt

from django.db import connection, transaction

from duaarah.headend.models import Command
from duaarah.messaging.addressing import meter_name
from duaarah.messaging.operations import queue_message
from duaarah.messaging.texts import kwh, render
from duaarah.notices.models import SettingAsk
from duaarah.notices.preferences import wants_no_warning
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Meter
from duaarah.sms.models import MessageClass, Priority

BATCH_MAX = 50


def tell_asker(*, command: Command, template: str, now: dt.datetime) -> bool:
    """
    Joining: queue the answer to the one who ordered this threshold by SMS; False when nobody did.

    Each thing is said once. Who was told that the meter did not answer is told its answer too, should it come later.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("An asker is told in the transaction that knows the answer.")
    ask = SettingAsk.objects.select_for_update().filter(command_id=command.pk).first()
    pairing = pairing_of_meter(meter_id=command.meter_id, at=now)
    if ask is None:
        return False
    ask.told_at = now
    ask.save(update_fields=["told_at"])
    # The phone asked while the meter was his; whoever has the meter now did not ask.
    if pairing is None or pairing.phone != ask.phone:
        return False
    values = {"meter": meter_name(pairing), "kwh": kwh(command.payload["threshold_wh"], ask.language)}
    if template != "threshold_set":
        held = Meter.objects.values_list("low_credit_threshold_wh", flat=True).get(pk=command.meter_id)
        values["was"] = kwh(held, ask.language)
    # "You are told" would not be true for one who stopped the warnings.
    silent = template == "threshold_set" and wants_no_warning(phone=ask.phone, meter_id=command.meter_id)
    words = f"{template}_silent" if silent else template
    return queue_message(
        dedupe=f"{template}:{command.pk}",
        phone=ask.phone,
        template=words,
        language=ask.language,
        text=render(words, ask.language, **values),
        message_class=MessageClass.REPLY,
        priority=Priority.REPLY,
        meter_id=command.meter_id,
        correlation=command.correlation,
        now=now,
        source=ask.source,
        bind_name=ask.bind_name,
    )


def tell_unanswered(*, now: dt.datetime) -> int:
    """Entry: who waits for an order that was given up is told so; a newer order of his own speaks for an older one."""
    given_up = (Command.State.EXPIRED, Command.State.CANCELLED)
    with transaction.atomic(durable=True):
        asks = list(
            SettingAsk.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("command")
            .filter(told_at=None, command__state__in=given_up)
            .order_by("id")[:BATCH_MAX]
        )
        for ask in asks:
            newer = Command.objects.filter(
                meter_id=ask.command.meter_id, kind=Command.Kind.SET_THRESHOLD, pk__gt=ask.command_id
            )
            if newer.exists():
                ask.told_at = now
                ask.save(update_fields=["told_at"])
            else:
                tell_asker(command=ask.command, template="threshold_unanswered", now=now)
    return len(asks)
