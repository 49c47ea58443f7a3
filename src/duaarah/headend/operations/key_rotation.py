# SPDX-License-Identifier: Apache-2.0
"""
New DLMS keys for a meter (security setup, class 64, key transfer under the master key), by two people or by a counter.

The new keys are kept, wrapped, before anything is sent. The transfer is an ACTION under the old keys; without an answer the
next frame asks under the new ones, and so on in turns. The meter's first frame under the new keys puts them in force
(`sealing.put_in_force`), whoever asked for that frame; until then the old ones are the meter's.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from duaarah.audit import operations as audit
from duaarah.core.intent import SettingResult
from duaarah.core.order import Order, OrderKind
from duaarah.headend.key_models import OPEN, KeyRotation
from duaarah.headend.line_models import MeterLine
from duaarah.headend.models import Command, InvocationCounter
from duaarah.headend.operations.commands import cancel_queued, close_command, queue_command
from duaarah.headend.operations.frames import AcceptedFrame
from duaarah.headend.operations.sealing import OLD_KEYS_READ_S
from duaarah.headend.ports import Driver, KeyMaker, NoMasterKey, OrderNotForThis
from duaarah.people.models import Approval, Login
from duaarah.people.operations import ApprovalRefused, request_approval, use_approval
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Meter
from duaarah.sms.models import Priority

VERB = "headend.rotate_keys"
BATCH_MAX = 50
LINE_TRIES_MAX = 4
AGAIN_S = 30 * 24 * 3600
_NAMESPACE = uuid.UUID("0c2a6f64-1b53-49d7-8f0c-6c1d6f1e2a70")
_ENDED = (Command.State.EXPIRED, Command.State.CANCELLED)


class RotationRefused(Exception):
    """The key rotation was not taken; `code` says why. Nothing was changed."""

    code = "rotation_refused"
    retryable = False


class RotationUnderWay(RotationRefused):
    """Another rotation of this meter's keys is not finished."""

    code = "rotation_under_way"


class RotationImpossible(RotationRefused):
    """Nobody has this meter's master key, or its kind cannot be asked for a frame: the change could not be proven."""

    code = "no_master_key"


class MeterMute(RotationRefused):
    """The meter has no modem now: nobody can tell it."""

    code = "meter_does_not_talk"


class NotWithdrawable(RotationRefused):
    """Something was sent: only the meter can say now which keys it has."""

    code = "not_withdrawable"


def check_rotation(*, meter: Meter, driver: Driver, keys: KeyMaker, now: dt.datetime) -> None:
    """
    Whether this meter's keys can be changed now; nothing is written.

    Raises:
        RotationRefused: RotationImpossible, MeterMute, RotationUnderWay.
    """
    try:
        driver.check_order(profile=meter.profile, order=Order(kind=OrderKind.PUSH_NOW))
        keys.check_master(drn=meter.drn, wrapped=bytes(meter.dlms_keys_wrapped))
    except (OrderNotForThis, NoMasterKey) as error:
        raise RotationImpossible(str(error)) from error
    if not _on_line(meter.pk) and pairing_of_meter(meter_id=meter.pk, at=now) is None:
        raise MeterMute("The meter has no modem.")
    if KeyRotation.objects.filter(meter=meter, state__in=OPEN).exclude(state=KeyRotation.State.SILENT).exists():
        raise RotationUnderWay("A rotation of this meter's keys is under way.")


def request_key_rotation(
    *, meter: Meter, reason: str, driver: Driver, keys: KeyMaker, requested_by: Login, now: dt.datetime
) -> Approval:
    """
    Ask a second person for new keys.

    Raises:
        RotationRefused: see check_rotation; an audit line says so.
        ValueError: no reason.
    """
    try:
        check_rotation(meter=meter, driver=driver, keys=keys, now=now)
    except RotationRefused as error:
        _refused(error, "headend.request_key_rotation", meter.pk, f"login:{requested_by.pk}", now)
        raise
    number = InvocationCounter.objects.values_list("key_number", flat=True).get(pk=meter.pk)
    detail = {"meter": meter.pk, "drn": meter.drn, "key_number": number}
    return request_approval(
        verb=VERB, subject=f"meter:{meter.pk}", detail=detail, reason=reason, requested_by=requested_by, now=now
    )


def rotate_keys(*, approval_id: int, driver: Driver, keys: KeyMaker, actor: str, now: dt.datetime) -> KeyRotation:
    """
    Entry: draw, keep and order what was approved, once; a repeat gives the same rotation.

    Raises:
        ApprovalRefused: not approved, expired, used.
        RotationRefused: see check_rotation; an audit line says so, the approval stays unspent.
    """
    approval = Approval.objects.get(pk=approval_id, verb=VERB)
    meter_id, request_id = approval.detail["meter"], uuid.uuid5(_NAMESPACE, f"approval:{approval_id}")
    if (done := KeyRotation.objects.filter(approval_id=approval_id).first()) is not None:
        return done
    try:
        with transaction.atomic(durable=True):
            Meter.objects.select_for_update(no_key=True).get(pk=meter_id)
            use_approval(approval_id=approval_id, verb=VERB, subject=f"meter:{meter_id}", now=now)
            return order_key_rotation(
                meter_id=meter_id,
                request_id=request_id,
                reason=approval.reason,
                driver=driver,
                keys=keys,
                actor=actor,
                now=now,
                approval=approval,
            )
    except (ApprovalRefused, RotationRefused) as error:
        _refused(error, VERB, meter_id, actor, now)
        raise


def order_key_rotation(
    *,
    meter_id: int,
    request_id: uuid.UUID,
    reason: str,
    driver: Driver,
    keys: KeyMaker,
    actor: str,
    now: dt.datetime,
    approval: Approval | None = None,
) -> KeyRotation:
    """
    Joining: draw new keys, keep them wrapped and queue their transfer; idempotent by `request_id`.

    A rotation that got no answer goes on with the keys that it has: the meter may have them already. Whoever calls has a
    second person's consent (a campaign's covers all its meters), or a counter near its end.

    Raises:
        RotationRefused: see check_rotation.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Keys are ordered in the transaction that may do so.")
    if (known := KeyRotation.objects.filter(request_id=request_id).first()) is not None:
        return known
    meter = Meter.objects.select_for_update(no_key=True).get(pk=meter_id)
    check_rotation(meter=meter, driver=driver, keys=keys, now=now)
    rotation = KeyRotation.objects.select_for_update().filter(meter=meter, state=KeyRotation.State.SILENT).first()
    if rotation is None:
        latest = KeyRotation.objects.filter(meter=meter).order_by("-number").values_list("number", flat=True).first()
        rotation = KeyRotation.objects.create(
            request_id=request_id,
            meter=meter,
            approval=approval,
            state=KeyRotation.State.ORDERED,
            number=(latest or 0) + 1,
            keys_wrapped=keys.draw(drn=meter.drn, wrapped=bytes(meter.dlms_keys_wrapped)),
            reason=reason[:400],
            ordered_by=actor,
            ordered_at=now,
            correlation=uuid.uuid4(),
        )
    command_id = None
    if _on_line(meter.pk):
        # `line_rotation` takes it up, and comes back to SMS when the line fails.
        KeyRotation.objects.filter(pk=rotation.pk).update(line_tries=0, line_not_before_at=None)
        if rotation.state == KeyRotation.State.SILENT:
            KeyRotation.objects.filter(pk=rotation.pk).update(state=KeyRotation.State.SENDING)
    else:
        command_id = queue_transfer(rotation, now)
    audit.record(
        at=now,
        actor=actor,
        verb=VERB,
        subject=f"meter:{meter.pk}",
        reason=reason,
        correlation=rotation.correlation,
        detail={"rotation": rotation.pk, "number": rotation.number, "command": command_id},
    )
    return rotation


def _on_line(meter_id: int) -> bool:
    return MeterLine.objects.filter(pk=meter_id).exists()


def queue_transfer(rotation: KeyRotation, now: dt.datetime) -> int:
    """Joining: the new keys go by SMS; returns the command's id."""
    return _queue(rotation, Command.Kind.ROTATE_KEYS, now)


def _queue(rotation: KeyRotation, kind: str, now: dt.datetime) -> int:
    return queue_command(
        request_id=uuid.uuid4(),
        meter_id=rotation.meter_id,
        kind=kind,
        payload={"rotation": rotation.pk},
        # What a customer waits for goes first, under whichever keys.
        priority=Priority.DATA if kind == Command.Kind.ROTATE_KEYS else Priority.REPLY,
        correlation=rotation.correlation,
        now=now,
    )


def record_key_transfer(*, accepted: AcceptedFrame, report: SettingResult, now: dt.datetime) -> bool:
    """
    Joining (T4): the meter's answer to a transfer or to the question behind it; False when it answers neither.

    Success under the old keys is its word, not yet the proof: it is asked once more, under the new ones.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("An answer joins the transaction that read it.")
    command = Command.objects.filter(pk=accepted.command_id).first() if accepted.command_id else None
    if command is None or command.kind not in (Command.Kind.ROTATE_KEYS, Command.Kind.PROVE_KEYS):
        return False
    rotation = KeyRotation.objects.select_for_update().get(pk=command.payload["rotation"])
    fine = report.result == "success"
    word = Command.State.ACKED if fine else Command.State.REJECTED
    closed = close_command(command_id=command.pk, state=word, result=report.result[:20], now=now)
    if not closed or rotation.state not in OPEN:
        return True
    what: dict[str, Any] = {
        "at": now,
        "actor": f"meter:{command.meter_id}",
        "verb": "headend.record_key_transfer",
        "subject": f"meter:{command.meter_id}",
        "correlation": rotation.correlation,
        "detail": {"rotation": rotation.pk, "command": command.pk, "result": report.result},
    }
    if command.kind == Command.Kind.PROVE_KEYS:
        # Asked for a frame, the meter answered under the old keys: it took the new ones and does not use them.
        rotation.state, rotation.result = KeyRotation.State.SILENT, "old_keys_used"
        audit.record_refusal(code="old_keys_used", **what)
    elif fine:
        rotation.state = KeyRotation.State.TRANSFERRED
        _queue(rotation, Command.Kind.PROVE_KEYS, now)
        audit.record(**what)
    else:
        # The new keys are kept for a while: an earlier frame of this order may have reached the meter after all.
        rotation.state, rotation.result, rotation.closed_at = KeyRotation.State.REFUSED, report.result[:40], now
        audit.record_refusal(code=report.result, **what)
    rotation.save(update_fields=["state", "result", "closed_at"])
    return True


def withdraw_rotation(*, rotation_id: int, actor: str, now: dt.datetime) -> None:
    """
    Entry: give up a rotation of which nothing was sent; its keys are forgotten.

    Raises:
        NotWithdrawable: an audit line says so.
    """
    meter_id = KeyRotation.objects.values_list("meter_id", flat=True).get(pk=rotation_id)
    try:
        with transaction.atomic(durable=True):
            # The sender holds this row while it chooses keys.
            InvocationCounter.objects.select_for_update().get(pk=meter_id)
            rotation = KeyRotation.objects.select_for_update().get(pk=rotation_id)
            waiting = Command.objects.filter(
                meter_id=meter_id, kind=Command.Kind.ROTATE_KEYS, state=Command.State.QUEUED, attempts=0
            ).first()
            fine = rotation.state == KeyRotation.State.ORDERED
            sms = waiting is not None and cancel_queued(command_id=waiting.pk, now=now)
            if not fine or not (sms or _on_line(meter_id)):
                raise NotWithdrawable("Only the meter can say now which keys it has.")
            rotation.state, rotation.closed_at = KeyRotation.State.WITHDRAWN, now
            rotation.keys_wrapped = b""
            rotation.save(update_fields=["state", "closed_at", "keys_wrapped"])
            audit.record(
                at=now,
                actor=actor,
                verb="headend.withdraw_rotation",
                subject=f"meter:{meter_id}",
                correlation=rotation.correlation,
                detail={"rotation": rotation.pk},
            )
    except NotWithdrawable as error:
        _refused(error, "headend.withdraw_rotation", meter_id, actor, now)
        raise


def judge_silent_rotations(*, now: dt.datetime) -> int:
    """Entry: rotations whose command was given up without an answer; both keys stay tried. Returns how many."""
    moved = 0
    waiting = KeyRotation.objects.filter(state__in=("SENDING", "TRANSFERRED", "ORDERED")).order_by("pk")
    on_line = MeterLine.objects.values("meter_id")
    waiting = waiting.exclude(meter_id__in=on_line, line_tries__lt=LINE_TRIES_MAX)
    kinds = (Command.Kind.ROTATE_KEYS, Command.Kind.PROVE_KEYS)
    live = Command.objects.filter(kind__in=kinds, state__in=("QUEUED", "SENT")).values("meter_id")
    for rotation_id in list(waiting.exclude(meter_id__in=live).values_list("pk", flat=True)[:BATCH_MAX]):
        with transaction.atomic(durable=True):
            rotation = KeyRotation.objects.select_for_update().get(pk=rotation_id)
            asked = Command.objects.filter(meter_id=rotation.meter_id, kind__in=kinds)
            if rotation.state not in OPEN or asked.exclude(state__in=(*_ENDED, "ACKED", "REJECTED")).exists():
                continue
            rotation.state, rotation.result = KeyRotation.State.SILENT, "no_answer"
            rotation.save(update_fields=["state", "result"])
            audit.record_refusal(
                at=now,
                actor="headend",
                verb=VERB,
                subject=f"meter:{rotation.meter_id}",
                code="no_answer",
                correlation=rotation.correlation,
                detail={"rotation": rotation.pk},
            )
            moved += 1
    return moved


def forget_old_keys(*, now: dt.datetime) -> int:
    """Entry: old keys whose time to read late frames is over, and new ones that a meter refused, are emptied."""
    over = now - dt.timedelta(seconds=OLD_KEYS_READ_S)
    with transaction.atomic(durable=True):
        old = KeyRotation.objects.filter(old_until_at__lte=now).exclude(old_keys_wrapped=b"")
        refused = KeyRotation.objects.filter(state=KeyRotation.State.REFUSED, closed_at__lte=over)
        return old.update(old_keys_wrapped=b"") + refused.exclude(keys_wrapped=b"").update(keys_wrapped=b"")


def rotate_near_end(*, driver: Driver, keys: KeyMaker, mark: int, now: dt.datetime) -> int:
    """
    Entries: order new keys where a counter of either direction has passed `mark`; returns how many.

    Nobody's consent is needed: a counter at its end is a meter that nobody can reach. One whose keys cannot be changed
    leaves an audit line, and stands in `queries.counters_near_end` like the others.
    """
    recent = KeyRotation.objects.filter(Q(state__in=OPEN) | Q(ordered_at__gt=now - dt.timedelta(seconds=AGAIN_S)))
    near = InvocationCounter.objects.filter(Q(to_meter_latest__gte=mark) | Q(from_meter_highest__gte=mark))
    ordered = 0
    for meter_id, number in near.exclude(meter_id__in=recent.values("meter_id")).values_list("pk", "key_number")[
        :BATCH_MAX
    ]:
        try:
            with transaction.atomic(durable=True):
                order_key_rotation(
                    meter_id=meter_id,
                    request_id=uuid.uuid4(),
                    reason=f"The counter under key {number} nears its end.",
                    driver=driver,
                    keys=keys,
                    actor="headend",
                    now=now,
                )
            ordered += 1
        except RotationRefused as error:
            _refused(error, "headend.rotate_near_end", meter_id, "headend", now)
    return ordered


def _refused(error: RotationRefused | ApprovalRefused, verb: str, meter_id: int, actor: str, now: dt.datetime) -> None:
    with transaction.atomic(durable=True):
        audit.record_refusal(
            at=now, actor=actor, verb=verb, subject=f"meter:{meter_id}", code=error.code, reason=str(error)
        )
