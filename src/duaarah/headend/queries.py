# SPDX-License-Identifier: Apache-2.0
"""Reading what meters reported."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from duaarah.core.order import OrderKind
from duaarah.headend.models import Attempt, Command, MeterEvent
from duaarah.sms.models import OutboundSegment

_BALANCES = {
    MeterEvent.Kind.TOKEN_RESULT: "balance_wh",
    MeterEvent.Kind.LOW_CREDIT: "remaining_wh",
    MeterEvent.Kind.DATA_BLOCK: "balance_wh",
    MeterEvent.Kind.DAILY_SUMMARY: "balance_wh",
    MeterEvent.Kind.CREDIT_EXHAUSTED: "",
}


@dataclass(frozen=True, kw_only=True)
class ReportedBalance:
    """A balance as the meter itself reported it: `why` is the kind of its report, `at` when that arrived."""

    at: dt.datetime
    balance_wh: int
    why: str


def latest_readings(*, meter_id: int, limit: int) -> list[ReportedBalance]:
    """The latest balances that a meter reported, newest first."""
    events = MeterEvent.objects.filter(meter_id=meter_id, kind__in=list(_BALANCES)).order_by("-pk")[:limit]
    return [
        ReportedBalance(
            at=event.arrived_at,
            balance_wh=event.data.get(_BALANCES[MeterEvent.Kind(event.kind)], 0),
            why=event.get_kind_display(),
        )
        for event in events
    ]


@dataclass(frozen=True, kw_only=True)
class OrderStep:
    """One step of an order's life. `state`: done, now (under way), wait, wrong, skip. `at` is business time."""

    name: str
    state: str
    at: dt.datetime | None = None
    note: str = ""


_ENDS = {
    Command.State.ACKED: ("executed", "done"),
    Command.State.REJECTED: ("refused", "wrong"),
    Command.State.EXPIRED: ("expired", "wrong"),
    Command.State.CANCELLED: ("withdrawn", "skip"),
}


def order_steps(command: Command) -> list[OrderStep]:
    """
    Queued, sent, delivered (the network's word only), executed (the meter's own): what is so, and what is awaited.

    `note` of "sent" counts the frames; that of "refused" is the meter's reason by the standard's name.
    """
    over_ip = Attempt.objects.filter(command=command, bearer=Attempt.Bearer.IP).count()
    attempts = list(
        Attempt.objects.filter(command=command)
        .exclude(bearer=Attempt.Bearer.IP)
        .select_related("segment")
        .order_by("id")
    )
    delivered = any(
        each.segment is not None and each.segment.state == OutboundSegment.State.DELIVERED for each in attempts
    )
    ended = _ENDS.get(Command.State(command.state))
    steps = [OrderStep(name="queued", state="done", at=command.created_at)]
    if over_ip:
        return _steps_with_ip(command, steps, attempts, over_ip, delivered, ended)
    if ended is None:
        sent = "done" if command.state == Command.State.SENT else ("now" if attempts else "wait")
        steps.append(OrderStep(name="sent", state=sent, note=str(len(attempts)) if len(attempts) > 1 else ""))
        steps.append(OrderStep(name="delivered", state="done" if delivered else "wait"))
        steps.append(OrderStep(name="executed", state="now" if attempts else "wait"))
        return steps
    if attempts:
        steps.append(OrderStep(name="sent", state="done", note=str(len(attempts)) if len(attempts) > 1 else ""))
        # A network receipt may come after the meter's answer, or never.
        steps.append(OrderStep(name="delivered", state="done" if delivered else "skip"))
    steps.append(OrderStep(name=ended[0], state=ended[1], at=command.closed_at, note=command.result))
    return steps


def _steps_with_ip(
    command: Command,
    steps: list[OrderStep],
    frames: list[Attempt],
    over_ip: int,
    delivered: bool,
    ended: tuple[str, str] | None,
) -> list[OrderStep]:
    """After frames by SMS, if there were any, the meter was asked over IP, where its answer comes at once."""
    if frames:
        steps.append(OrderStep(name="sent", state="done", note=str(len(frames)) if len(frames) > 1 else ""))
        steps.append(OrderStep(name="delivered", state="done" if delivered else "skip"))
    under_way = ended is None and command.state == Command.State.SENT
    steps.append(
        OrderStep(name="over_ip", state="now" if under_way else "done", note=str(over_ip) if over_ip > 1 else "")
    )
    if ended is None:
        steps.append(OrderStep(name="executed", state="now" if under_way else "wait"))
    else:
        steps.append(OrderStep(name=ended[0], state=ended[1], at=command.closed_at, note=command.result))
    return steps


def orders_of(*, meter_id: int, limit: int) -> list[Command]:
    """The latest orders of a meter (tokens and keys left out), newest first."""
    kinds = [kind.value.upper() for kind in OrderKind]
    return list(Command.objects.filter(meter_id=meter_id, kind__in=kinds).order_by("-pk")[:limit])
