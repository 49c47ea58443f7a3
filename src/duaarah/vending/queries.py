# SPDX-License-Identifier: Apache-2.0
"""Reading purchases, their journeys, and wallets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet

from duaarah.headend.models import Command
from duaarah.messaging.models import Message
from duaarah.vending.models import KeyChange, KeyChangePart, Vend, Wallet


def latest_vend(*, meter_id: int) -> Vend | None:
    """The latest vend of a meter that has a token, with the token."""
    return Vend.objects.select_related("token").filter(meter_id=meter_id, token__isnull=False).order_by("-pk").first()


def latest_of_channel(*, channel_id: int, limit: int) -> list[Vend]:
    """What a channel sold last, newest first, with what was paid."""
    sold = Vend.objects.filter(payment__channel_id=channel_id).select_related("payment")
    return list(sold.order_by("-payment_id")[:limit])


def latest_loads(*, meter_id: int, limit: int) -> list[Vend]:
    """The latest vends that this meter accepted, newest first, with what was paid."""
    loaded = Vend.objects.filter(meter_id=meter_id, state=Vend.State.LOADED)
    return list(loaded.select_related("payment", "notification").order_by("-pk")[:limit])


def wallet_balance_idr(*, holder_id: int) -> int:
    """Whole rupiah in a holder's wallet; 0 without one."""
    wallet = Wallet.objects.filter(holder_id=holder_id).first()
    return wallet.balance_sen // 100 if wallet else 0


def vends_of_meters(meter_ids: Iterable[int], limit: int) -> list[Vend]:
    """The latest vends of these meters, newest first, with all that a journey needs."""
    return list(_with_journey().filter(meter_id__in=list(meter_ids)).order_by("-pk")[:limit])


def latest_vends(limit: int) -> list[Vend]:
    """The latest vends of all, newest first, with all that a journey needs."""
    return list(_with_journey().order_by("-pk")[:limit])


def vend_with_journey(vend_id: int) -> Vend:
    """One vend with all that a journey needs. Raises Vend.DoesNotExist."""
    return _with_journey().get(pk=vend_id)


_JOURNEY = (
    *("state", "waits_for", "drn", "encoded_wh", "requested_wh", "paid_at"),
    *("issued_at", "digits_sent_at", "closed_at", "result"),
    *("token__digits", "payment__amount_idr", "payment__channel__name"),
    *("notification__amount_idr", "notification__channel__name", "notification__vend"),
    *("command__state", "command__attempts", "meter__drn", "meter__zone", "meter__customer__name"),
    *("meter__site__alias", "meter__site__meter", "token__vend"),
)


def _with_journey() -> QuerySet[Vend]:
    related = ("token", "payment__channel", "notification__channel", "command", "meter__customer", "meter__site")
    # A list of journeys is asked for every two seconds by every operator: only what it shows is read.
    return Vend.objects.select_related(*related).only(*_JOURNEY)


def amount_idr(vend: Vend) -> int:
    """The nominal, wherever it was paid."""
    return vend.payment.amount_idr if vend.payment is not None else vend.notification.amount_idr


def channel_name(vend: Vend) -> str:
    """Where it was paid."""
    return vend.payment.channel.name if vend.payment is not None else vend.notification.channel.name


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a journey. `state`: done, now (under way), wait, wrong, skip. `at` is business time."""

    name: str
    state: str
    at: dt.datetime | None = None
    note: str = ""


def journey(vend: Vend) -> list[Step]:
    """
    Paid, token made, sent to the meter, answered by the meter; `name` is a stable word that the pages translate.

    Five steps at most, in order; a later step is never done before an earlier one.
    """
    state, command = vend.state, vend.command
    steps = [Step(name="paid", state="done", at=vend.paid_at, note=channel_name(vend))]
    if state == Vend.State.REFUNDED:
        return [*steps, Step(name="refunded", state="wrong", at=vend.closed_at, note=vend.result)]
    if state == Vend.State.PAID:
        return [
            *steps,
            Step(name="token", state="now"),
            Step(name="sent", state="wait"),
            Step(name="answer", state="wait"),
        ]
    steps.append(Step(name="token", state="done", at=vend.issued_at))
    closed = state in (Vend.State.LOADED, Vend.State.REJECTED)
    if command is not None:
        tried = command.attempts > 0
        steps.append(
            Step(
                name="sent",
                state="done" if closed or tried else "now",
                note=str(command.attempts) if command.attempts > 1 else "",
            )
        )
    if vend.digits_sent_at is not None:
        steps.append(Step(name="digits", state="done", at=vend.digits_sent_at))
    if state == Vend.State.LOADED:
        steps.append(Step(name="loaded", state="done", at=vend.closed_at))
    elif state == Vend.State.REJECTED:
        steps.append(Step(name="rejected", state="wrong", at=vend.closed_at, note=vend.result))
    else:
        steps.append(Step(name="answer", state="now"))
    return steps


def messages_of_meters(meter_ids: Iterable[int], limit: int) -> QuerySet[Message]:
    """The latest SMS to the customers of these meters, newest first."""
    return Message.objects.filter(meter_id__in=list(meter_ids)).select_related("segment").order_by("-pk")[:limit]


LATE_S = 120


def late_vends(now: dt.datetime, limit: int) -> list[Vend]:
    """Vends that are open longer than two business minutes, oldest first."""
    edge = now - dt.timedelta(seconds=LATE_S)
    return list(
        _with_journey()
        .filter(state__in=[Vend.State.PAID, Vend.State.ISSUED], paid_at__lt=edge)
        .order_by("paid_at")[:limit]
    )


def reason_of_delay(vend: Vend) -> str:
    """Why a vend is late, as a stable word: key_change, no_token, not_sent, no_answer, one_way, given_up."""
    if vend.state == Vend.State.PAID:
        return "no_token" if vend.waits_for_id is None else "key_change"
    command = vend.command
    if command is None:
        return "one_way"
    if command.state == Command.State.EXPIRED:
        return "given_up"
    return "no_answer" if command.attempts else "not_sent"


def vends_by_reference(*, holder_id: int, prefix: str, limit: int) -> list[Vend]:
    """A holder's vends whose payment references begin alike: those of one action."""
    return list(
        _with_journey()
        .filter(payment__holder_id=holder_id, payment__reference__startswith=prefix)
        .order_by("pk")[:limit]
    )


def key_changes_of(*, meter_id: int, limit: int) -> list[KeyChange]:
    """A meter's key changes, the latest first."""
    return list(
        KeyChange.objects.filter(meter_id=meter_id)
        .select_related("approval__requested_by", "approval__decided_by")
        .prefetch_related("parts__command")
        .order_by("-pk")[:limit]
    )


def key_change_steps(change: KeyChange) -> list[Step]:
    """
    Approved, tokens made, each part by its class and subclass, the proof, the end; `name` is a stable word.

    `note` is the meter's word, or how often an unanswered part was sent.
    """
    steps = [Step(name="approved", state="done", at=change.ordered_at)]
    parts = list(change.parts.all())
    if not parts:
        failed = change.closed_at is not None
        return [*steps, Step(name="parts", state="wrong" if failed else "now", at=change.closed_at, note=change.result)]
    steps += [_part_step(part, change) for part in sorted(parts, key=lambda part: part.pk)]
    if change.state == KeyChange.State.CHANGED:
        return [*steps, Step(name="changed", state="done", at=change.closed_at)]
    if change.closed_at is not None:
        name = "withdrawn" if change.state == KeyChange.State.WITHDRAWN else "failed"
        return [*steps, Step(name=name, state="wrong", at=change.closed_at, note=change.result)]
    return steps


def _part_step(part: KeyChangePart, change: KeyChange) -> Step:
    command = part.command
    if command is None:
        return Step(name=part.step, state="wait")
    if command.state == Command.State.ACKED:
        return Step(name=part.step, state="done", at=command.closed_at, note=command.result)
    if command.state == Command.State.REJECTED:
        # A copy that came after the change cannot be read any more: that is how it must be.
        fine = change.state == KeyChange.State.CHANGED
        return Step(name=part.step, state="done" if fine else "wrong", at=command.closed_at, note=command.result)
    open_ = change.closed_at is None
    return Step(name=part.step, state="now" if open_ else "wait", note=str(command.attempts) if open_ else "")
