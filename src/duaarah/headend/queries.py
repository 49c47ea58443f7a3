# SPDX-License-Identifier: Apache-2.0
"""Reading what meters reported."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count, Q

from duaarah.core.order import OrderKind
from duaarah.headend.firmware_models import FirmwareJob, FirmwareRollout
from duaarah.headend.key_models import OPEN, KeyRotation
from duaarah.headend.models import Attempt, Command, InvocationCounter, MeterEvent
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


def counters_near_end(*, mark: int, limit: int) -> list[InvocationCounter]:
    """Meters of which a counter, of either direction, has passed the mark; the nearest to the end first."""
    near = InvocationCounter.objects.filter(Q(to_meter_latest__gte=mark) | Q(from_meter_highest__gte=mark))
    found = list(near.select_related("meter")[: 10 * limit])
    return sorted(found, key=lambda row: -max(row.to_meter_latest, row.from_meter_highest))[:limit]


def rotations_under_way(*, limit: int) -> list[KeyRotation]:
    """Rotations of DLMS keys that are not finished, those without an answer first."""
    return list(KeyRotation.objects.filter(state__in=OPEN).select_related("meter").order_by("-state", "pk")[:limit])


_ROTATION_STEPS = ("kept", "sent", "transferred", "proven")
_REACHED = {
    KeyRotation.State.ORDERED: (1, "wait"),
    KeyRotation.State.SENDING: (2, "now"),
    KeyRotation.State.SILENT: (2, "wrong"),
    KeyRotation.State.TRANSFERRED: (3, "now"),
    KeyRotation.State.PROVEN: (4, "done"),
    KeyRotation.State.REFUSED: (2, "wrong"),
    KeyRotation.State.WITHDRAWN: (1, "skip"),
}


def rotation_steps(rotation: KeyRotation) -> list[OrderStep]:
    """Kept, sent, taken by the meter (its word), in force (its frame): what is so, what is awaited, what went wrong."""
    reached, mark = _REACHED[KeyRotation.State(rotation.state)]
    steps = [OrderStep(name="kept", state="done", at=rotation.ordered_at)]
    for place, name in enumerate(_ROTATION_STEPS[1:], start=2):
        state = "done" if place <= reached else (mark if place == reached + 1 else "wait")
        if mark == "skip" and place > reached:
            continue
        note = rotation.result if state == "wrong" else ""
        steps.append(OrderStep(name=name, state=state, at=rotation.closed_at if name == "proven" else None, note=note))
    return steps


@dataclass(frozen=True, kw_only=True)
class RolloutProgress:
    """A roll-out in numbers: its meters, those of the present and former stages, and how many stand where."""

    rollout: FirmwareRollout
    meters: int
    in_stage: int
    done: int
    failed: int
    under_way: int


def rollouts(*, limit: int) -> list[RolloutProgress]:
    """The latest roll-outs, newest first."""
    found = (
        FirmwareRollout.objects.select_related("firmware__maker", "approval__requested_by", "approval__decided_by")
        .defer("firmware__content")
        .order_by("-pk")[:limit]
    )
    return [_progress(rollout) for rollout in found]


def _progress(rollout: FirmwareRollout) -> RolloutProgress:
    counts = rollout.jobs.aggregate(
        meters=Count("pk"),
        in_stage=Count("pk", filter=Q(stage__lte=rollout.stage)),
        done=Count("pk", filter=Q(state=FirmwareJob.State.DONE)),
        failed=Count("pk", filter=Q(state=FirmwareJob.State.FAILED)),
        under_way=Count("pk", filter=Q(state__in=("SENDING", "VERIFIED", "ACTIVATED"))),
    )
    return RolloutProgress(rollout=rollout, **counts)
