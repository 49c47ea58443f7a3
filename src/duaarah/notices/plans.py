# SPDX-License-Identifier: Apache-2.0
"""The reporting plan of a meter: follows from the package it was sold, told by radio, true when the meter has answered."""

from __future__ import annotations

import datetime as dt
import uuid

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.core.smsplan import ReportingPlan
from duaarah.headend.models import Command
from duaarah.headend.operations import queue_command, supersede
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Meter
from duaarah.sms.models import Priority
from duaarah.sms.operations.enqueue import package_month
from duaarah.sms.package.plans import NOTHING_SOLD, sold_plans

BATCH_MAX = 200
# A meter that did not answer, or refused, is not asked again for so long: each order takes SMS.
AGAIN_AFTER = dt.timedelta(days=7)


class PlanRefused(Exception):
    """The order was not taken; nothing was changed."""

    code = "meter_does_not_talk"


def order_plan(*, meter: Meter, plan: ReportingPlan, actor: str, now: dt.datetime) -> int:
    """
    Entry: tell a meter what to send on its own; returns the command's id. The latest order counts.

    Raises:
        PlanRefused: the meter has no modem; an audit line says so.
    """
    try:
        with transaction.atomic(durable=True):
            if pairing_of_meter(meter_id=meter.pk, at=now) is None:
                raise PlanRefused("The meter has no modem.")
            return queue_plan(meter_id=meter.pk, plan=plan, actor=actor, now=now)
    except PlanRefused as error:
        with transaction.atomic(durable=True):
            audit.record_refusal(
                at=now, actor=actor, verb="notices.order_plan", subject=f"meter:{meter.pk}", code=error.code
            )
        raise


def queue_plan(*, meter_id: int, plan: ReportingPlan, actor: str, now: dt.datetime) -> int:
    """Joining: the command that writes the plan; an older one that is still open acts no more."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A plan is ordered in the transaction that makes it true.")
    held = Meter.objects.select_for_update().values_list("reporting_plan", flat=True).get(pk=meter_id)
    supersede(meter_id=meter_id, kind=Command.Kind.SET_PLAN, now=now)
    correlation = uuid.uuid4()
    command_id = queue_command(
        request_id=uuid.uuid4(),
        meter_id=meter_id,
        kind=Command.Kind.SET_PLAN,
        payload={"plan": plan.values()},
        priority=Priority.DATA,
        correlation=correlation,
        now=now,
    )
    audit.record(
        at=now,
        actor=actor,
        verb="notices.order_plan",
        subject=f"meter:{meter_id}",
        correlation=correlation,
        detail={"command": command_id, "plan": plan.values(), "was": held},
    )
    return command_id


def order_sold_plans(*, now: dt.datetime, limit: int = BATCH_MAX) -> int:
    """
    Entry: order the plan of this month's package for up to `limit` meters that hold another one; returns how many.

    Who has no package (any more) but holds a plan is told to send nothing on its own.
    """
    if connection.in_atomic_block:
        raise transaction.TransactionManagementError("Each meter's order is a transaction of its own.")
    ordered = 0
    for meter_id, plan in _differing(now)[:limit]:
        with transaction.atomic(durable=True):
            queue_plan(meter_id=meter_id, plan=plan, actor="packages", now=now)
        ordered += 1
    return ordered


def _differing(now: dt.datetime) -> list[tuple[int, ReportingPlan]]:
    sold = sold_plans(package_month(now))
    wanted = []
    meters = Meter.objects.filter(pairings__valid__contains=now).order_by("pk")
    for meter_id, held in meters.values_list("pk", "reporting_plan"):
        plan = sold.get(meter_id, NOTHING_SOLD if held is not None else None)
        if plan is not None and plan.values() != held:
            wanted.append((meter_id, plan))
    tried = _tried([meter_id for meter_id, _ in wanted], now)
    return [(meter_id, plan) for meter_id, plan in wanted if plan.values() not in tried.get(meter_id, [])]


def _tried(meter_ids: list[int], now: dt.datetime) -> dict[int, list[object]]:
    """Plans that are on their way, or failed a short while ago."""
    tried: dict[int, list[object]] = {}
    states = (Command.State.QUEUED, Command.State.SENT, Command.State.EXPIRED, Command.State.REJECTED)
    orders = Command.objects.filter(
        meter_id__in=meter_ids, kind=Command.Kind.SET_PLAN, state__in=states, created_at__gt=now - AGAIN_AFTER
    )
    for meter_id, payload in orders.values_list("meter_id", "payload"):
        tried.setdefault(meter_id, []).append(payload["plan"])
    return tried
