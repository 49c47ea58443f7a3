# SPDX-License-Identifier: Apache-2.0
"""The cheapest question to a meter: is anybody there. Over its connection where it has one, else one SMS."""

from __future__ import annotations

import datetime as dt
import uuid

from duaarah.audit import operations as audit
from duaarah.core.order import Order, OrderKind
from duaarah.headend.models import Command, MeterReach
from duaarah.headend.operations.commands import queue_command
from duaarah.headend.ports import Driver, OrderNotForThis
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Meter
from duaarah.sms.models import Priority

# A frame that is lost is no new frame: what was not heard is evidence, not a reason to ask until it is.
TRIES = 1


def ask_meter(
    *, meter: Meter, request_id: uuid.UUID, driver: Driver, actor: str, reason: str, life_s: int, now: dt.datetime
) -> int | None:
    """
    Joining: queue one question, idempotent by its request id, and return its command; None when nobody can ask this meter.

    A question of the same kind that is on its way already is this one.
    """
    order = _question(meter, driver)
    if order is None or pairing_of_meter(meter_id=meter.pk, at=now) is None:
        return None
    Meter.objects.select_for_update(no_key=True).get(pk=meter.pk)
    open_now = Command.objects.filter(
        meter=meter, kind=order.kind.value.upper(), state__in=[Command.State.QUEUED, Command.State.SENT]
    ).exclude(request_id=request_id)
    if (same := open_now.order_by("pk").first()) is not None:
        return same.pk
    correlation = uuid.uuid4()
    command_id = queue_command(
        request_id=request_id,
        meter_id=meter.pk,
        kind=order.kind.value.upper(),
        payload=order.values(),
        # Before data, behind tokens: somebody may sit in the dark.
        priority=Priority.FAULT,
        correlation=correlation,
        now=now,
        life_s=life_s,
        attempts_max=TRIES,
    )
    audit.record(
        at=now,
        actor=actor,
        verb="headend.ask_meter",
        subject=f"meter:{meter.pk}",
        reason=reason,
        correlation=correlation,
        detail={"command": command_id, "order": order.kind.value},
    )
    return command_id


def _question(meter: Meter, driver: Driver) -> Order | None:
    if MeterReach.objects.filter(meter=meter).exclude(host="").exists():
        try:
            driver.check_read(profile=meter.profile)
            return Order(kind=OrderKind.READ_METER)
        except OrderNotForThis:
            pass
    order = Order(kind=OrderKind.PUSH_NOW)
    try:
        driver.check_order(profile=meter.profile, order=order)
    except OrderNotForThis:
        return None
    return order
