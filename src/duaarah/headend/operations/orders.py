# SPDX-License-Identifier: Apache-2.0
"""Orders to a meter: a dangerous one by two people, each one true only when the meter itself has answered."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.core.intent import SettingResult
from duaarah.core.order import DANGEROUS, READS, SLOTS, Order, OrderError, OrderKind
from duaarah.headend.models import Command, MeterReach, MeterState
from duaarah.headend.operations.commands import LIFE_S, cancel_queued, close_command, queue_command, supersede
from duaarah.headend.operations.frames import AcceptedFrame
from duaarah.headend.ports import Driver, OrderNotForThis
from duaarah.people.models import Approval, Login
from duaarah.people.operations import ApprovalRefused, request_approval, use_approval
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Meter
from duaarah.sms.models import Priority

VERB = "headend.carry_out"
TEMPORARY_S_MAX = 90 * 24 * 3600
# An order that was not heard for a day is asked for anew: nobody expects it any more.
ORDER_LIFE_S = 24 * 3600
_SWITCHING = frozenset(
    {OrderKind.RELAY_OPEN, OrderKind.RELAY_CLOSE, OrderKind.TEMPORARY_SUPPLY, OrderKind.TEMPORARY_DISCONNECT}
)
_NAMESPACE = uuid.UUID("b7c5b5f2-5a3e-4a6d-9f30-6f3d1b0a9c11")


class OrderRefused(Exception):
    """The order was not taken; `code` says why. Nothing was changed."""

    code = "order_refused"
    retryable = False


class NeedsSecondPerson(OrderRefused):
    """This order is dangerous: one asks, another decides."""

    code = "needs_second_person"


class OrderUnsupported(OrderRefused):
    """This kind of meter does not know the order, or cannot write its number."""

    code = "order_unsupported"


class MeterMute(OrderRefused):
    """The meter has no modem now: nobody can tell it."""

    code = "meter_does_not_talk"


class OrderEnds(OrderRefused):
    """What is temporary ends in the future, within 90 days."""

    code = "order_ends"


class NoConnection(OrderRefused):
    """What is read needs a connection, and this meter has none."""

    code = "no_ip"


def check_order(*, meter: Meter, order: Order, driver: Driver, now: dt.datetime) -> None:
    """
    Whether this meter can be told this; nothing is written.

    Raises:
        OrderUnsupported, MeterMute, NoConnection, OrderEnds.
    """
    reads = order.kind in READS
    try:
        if reads:
            driver.check_read(profile=meter.profile)
        else:
            driver.check_order(profile=meter.profile, order=order)
    except OrderNotForThis as error:
        raise OrderUnsupported(str(error)) from error
    if pairing_of_meter(meter_id=meter.pk, at=now) is None:
        raise MeterMute("The meter has no modem.")
    if reads and not MeterReach.objects.filter(meter=meter).exclude(host="").exists():
        raise NoConnection("This meter has no address on the network.")
    if order.until_at is not None and not now < order.until_at <= now + dt.timedelta(seconds=TEMPORARY_S_MAX):
        raise OrderEnds("What is temporary ends in the future, within 90 days.")


def place_order(*, meter: Meter, order: Order, reason: str, driver: Driver, actor: str, now: dt.datetime) -> int:
    """
    Entry: queue an order that one person may give; returns the command's id.

    What is on its way already is not ordered again: a form sent twice costs the SMS of one.

    Raises:
        OrderRefused: NeedsSecondPerson, or see check_order; an audit line says so.
    """
    try:
        if order.kind in DANGEROUS:
            raise NeedsSecondPerson("Another person has to agree to this.")
        check_order(meter=meter, order=order, driver=driver, now=now)
    except OrderRefused as error:
        _refused(error.code, str(error), "headend.place_order", meter.pk, actor, now)
        raise
    with transaction.atomic(durable=True):
        Meter.objects.select_for_update(no_key=True).get(pk=meter.pk)
        if (same := _on_its_way(meter.pk, order)) is not None:
            return same
        return queue_order(meter, order, uuid.uuid4(), "headend.place_order", reason, actor, now)


def _on_its_way(meter_id: int, order: Order) -> int | None:
    """The open command that says just this, if nothing was ordered since in its slot."""
    kinds = [kind.value.upper() for kind, slot in SLOTS.items() if slot == SLOTS[order.kind]]
    latest = Command.objects.filter(meter_id=meter_id, kind__in=kinds).order_by("-pk").first()
    open_now = latest is not None and latest.state in (Command.State.QUEUED, Command.State.SENT)
    return latest.pk if latest is not None and open_now and order_of(latest) == order else None


def request_order(
    *, meter: Meter, order: Order, reason: str, driver: Driver, requested_by: Login, now: dt.datetime
) -> Approval:
    """
    Ask a second person for an order; what he approves is written down to the last field.

    Raises:
        OrderRefused: see check_order; an audit line says so.
        ValueError: no reason.
    """
    try:
        check_order(meter=meter, order=order, driver=driver, now=now)
    except OrderRefused as error:
        _refused(error.code, str(error), "headend.request_order", meter.pk, f"login:{requested_by.pk}", now)
        raise
    state = MeterState.objects.filter(pk=meter.pk).first()
    detail = {
        "meter": meter.pk,
        "drn": meter.drn,
        "order": order.kind.value,
        "values": order.values(),
        "was_limit_w": state.limit_w if state else None,
        "was_held_open": state.held_open if state else None,
    }
    return request_approval(
        verb=VERB, subject=f"meter:{meter.pk}", detail=detail, reason=reason, requested_by=requested_by, now=now
    )


def carry_out(*, approval_id: int, driver: Driver, actor: str, now: dt.datetime) -> int:
    """
    Entry: queue what was approved, once; returns the command's id, also when it was queued before.

    Raises:
        ApprovalRefused: not approved, expired, or for another deed.
        OrderRefused: see check_order; an audit line says so, the approval stays unspent.
    """
    approval = Approval.objects.get(pk=approval_id, verb=VERB)
    meter_id = approval.detail["meter"]
    request_id = uuid.uuid5(_NAMESPACE, f"approval:{approval_id}")
    if (queued := Command.objects.filter(request_id=request_id).first()) is not None:
        return queued.pk
    try:
        with transaction.atomic(durable=True):
            meter = Meter.objects.select_for_update(no_key=True).get(pk=meter_id)
            use_approval(approval_id=approval_id, verb=VERB, subject=f"meter:{meter_id}", now=now)
            order = Order.of_values(approval.detail["order"], approval.detail["values"])
            check_order(meter=meter, order=order, driver=driver, now=now)
            return queue_order(meter, order, request_id, VERB, approval.reason, actor, now)
    except (ApprovalRefused, OrderRefused) as error:
        _refused(error.code, str(error), VERB, meter_id, actor, now)
        raise


def queue_order(
    meter: Meter,
    order: Order,
    request_id: uuid.UUID,
    verb: str,
    reason: str,
    actor: str,
    now: dt.datetime,
    *,
    priority: Priority | None = None,
) -> int:
    """Joining: queue an order that was checked and agreed to; the command's id. `priority` None: as the order's kind."""
    # Two who order at once meet here: the later one counts.
    Meter.objects.select_for_update(no_key=True).get(pk=meter.pk)
    for kind, slot in SLOTS.items():
        if slot == SLOTS[order.kind]:
            supersede(meter_id=meter.pk, kind=kind.value.upper(), now=now)
    correlation = uuid.uuid4()
    life_s = min(LIFE_S, ORDER_LIFE_S)
    if order.until_at is not None:
        life_s = min(life_s, int((order.until_at - now).total_seconds()))
    command_id = queue_command(
        request_id=request_id,
        meter_id=meter.pk,
        kind=order.kind.value.upper(),
        payload=order.values(),
        priority=(Priority.TOKEN if order.kind in _SWITCHING else Priority.DATA) if priority is None else priority,
        correlation=correlation,
        now=now,
        life_s=life_s,
    )
    audit.record(
        at=now,
        actor=actor,
        verb=verb,
        subject=f"meter:{meter.pk}",
        reason=reason,
        correlation=correlation,
        detail={"command": command_id, "order": order.kind.value, **order.values()},
    )
    return command_id


def withdraw_order(*, command_id: int, actor: str, now: dt.datetime) -> bool:
    """Entry: take back an order of which no frame was ever sent; False when it is too late (an audit line either way)."""
    with transaction.atomic(durable=True):
        command = Command.objects.get(pk=command_id)
        done = cancel_queued(command_id=command_id, now=now)
        what: dict[str, Any] = {
            "at": now,
            "actor": actor,
            "verb": "headend.withdraw_order",
            "subject": f"meter:{command.meter_id}",
            "correlation": command.correlation,
            "detail": {"command": command_id},
        }
        if done:
            audit.record(**what)
        else:
            audit.record_refusal(code="too_late", **what)
    return done


def order_of(command: Command) -> Order | None:
    """The order that a command carries; None for tokens and settings."""
    try:
        kind = OrderKind(command.kind.lower())
    except ValueError:
        return None
    try:
        return Order.of_values(kind, command.payload)
    except OrderError:
        return None


def record_order(*, accepted: AcceptedFrame, report: SettingResult, now: dt.datetime) -> bool:
    """
    Joining: the meter's answer closes the order, and what it accepted is its state; False when it answers no order.

    An answer that comes after the order was given up is still the meter's word. A second answer changes nothing.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("An answer joins the transaction that read it.")
    if accepted.command_id is None:
        return False
    command = Command.objects.select_for_update().get(pk=accepted.command_id)
    order = order_of(command)
    if order is None:
        return False
    done = report.result == "success"
    state = Command.State.ACKED if done else Command.State.REJECTED
    if not close_command(command_id=command.pk, state=state, result=report.result[:20], now=now):
        return True
    if done and not _newer_confirmed(command, order):
        _confirm(command.meter_id, order, now)
    what: dict[str, Any] = {
        "at": now,
        "actor": f"meter:{command.meter_id}",
        "verb": "headend.record_order",
        "subject": f"meter:{command.meter_id}",
        "correlation": command.correlation,
        "detail": {"command": command.pk, "order": order.kind.value, "result": report.result},
    }
    if done:
        audit.record(**what)
    else:
        audit.record_refusal(code=report.result, **what)
    return True


def _newer_confirmed(command: Command, order: Order) -> bool:
    """Whether the meter has confirmed a later order of the same slot: then this late answer tells of the past."""
    kinds = [kind.value.upper() for kind, slot in SLOTS.items() if slot == SLOTS[order.kind]]
    later = Command.objects.filter(meter_id=command.meter_id, kind__in=kinds, pk__gt=command.pk)
    return later.filter(state=Command.State.ACKED).exists()


def _confirm(meter_id: int, order: Order, now: dt.datetime) -> None:
    if order.kind in READS:
        return  # what was read is a row of its own
    state, _ = MeterState.objects.select_for_update().get_or_create(pk=meter_id, defaults={"confirmed_at": now})
    match order.kind:
        case OrderKind.RELAY_OPEN | OrderKind.RELAY_CLOSE:
            state.held_open, state.held_open_until_at = order.kind is OrderKind.RELAY_OPEN, None
        case OrderKind.TEMPORARY_DISCONNECT:
            state.held_open, state.held_open_until_at = True, order.until_at
        case OrderKind.POWER_LIMIT:
            state.limit_w = order.limit_w
        case OrderKind.TEMPORARY_SUPPLY:
            state.temporary_limit_w, state.temporary_until_at = order.limit_w, order.until_at
            state.held_open, state.held_open_until_at = False, None
        case OrderKind.TARIFF:
            state.tariff = order.tariff
        case _:
            pass  # what is cleared, set right or asked for leaves no state here
    state.confirmed_at = now
    state.save()


def _refused(code: str, reason: str, verb: str, meter_id: int, actor: str, now: dt.datetime) -> None:
    with transaction.atomic(durable=True):
        audit.record_refusal(at=now, actor=actor, verb=verb, subject=f"meter:{meter_id}", code=code, reason=reason)
