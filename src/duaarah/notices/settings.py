# SPDX-License-Identifier: Apache-2.0
"""Settings of a meter: ordered from afar, kept by the meter itself, true only when the meter has said so."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import asdict, dataclass
from typing import Any

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.core.intent import SettingResult
from duaarah.headend.models import Command
from duaarah.headend.operations import AcceptedFrame, close_command, queue_command, supersede
from duaarah.notices.askers import tell_asker
from duaarah.notices.models import SettingAsk
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Meter
from duaarah.sms.models import Priority

THRESHOLD_STEP_WH = 500
THRESHOLD_MIN_WH, THRESHOLD_MAX_WH = 500, 100_000


class ThresholdRefused(Exception):
    """The order was not taken; `code` says why. Nothing was changed."""

    code = "threshold_refused"


class ThresholdRange(ThresholdRefused):
    """Outside what a household's warning can mean, or between two steps."""

    code = "threshold_range"


class MeterDoesNotTalk(ThresholdRefused):
    """The meter has no modem now: nobody can tell it."""

    code = "meter_does_not_talk"


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Who ordered by SMS and is told the meter's answer; `reference` names the SMS, a repeat is the same order."""

    reference: str
    phone: str
    language: str
    source: str
    bind_name: str


def order_threshold(
    *, meter: Meter, threshold_wh: int, actor: str, now: dt.datetime, asker: Asker | None = None
) -> int:
    """
    Entry: tell a meter to warn below `threshold_wh` (500 Wh to 100 kWh in steps of 500 Wh); returns the command's id.

    The latest order counts: an older one that is still open acts no more. The registry's threshold changes when the
    meter has answered, and the asker is told then.

    Raises:
        ThresholdRange, MeterDoesNotTalk: an audit line says so.
    """
    try:
        if not THRESHOLD_MIN_WH <= threshold_wh <= THRESHOLD_MAX_WH or threshold_wh % THRESHOLD_STEP_WH:
            raise ThresholdRange("A threshold is 0.5 to 100 kWh in steps of 0.5.")
        with transaction.atomic(durable=True):
            if pairing_of_meter(meter_id=meter.pk, at=now) is None:
                raise MeterDoesNotTalk("The meter has no modem.")
            return _order(meter, threshold_wh, actor, asker, now)
    except ThresholdRefused as error:
        with transaction.atomic(durable=True):
            audit.record_refusal(
                at=now, actor=actor, verb="notices.order_threshold", subject=f"meter:{meter.pk}", code=error.code
            )
        raise


def _order(meter: Meter, threshold_wh: int, actor: str, asker: Asker | None, now: dt.datetime) -> int:
    # One who orders twice at once waits for himself.
    Meter.objects.select_for_update().get(pk=meter.pk)
    if asker is not None and (asked := SettingAsk.objects.filter(reference=asker.reference).first()) is not None:
        return asked.command_id
    supersede(meter_id=meter.pk, kind=Command.Kind.SET_THRESHOLD, now=now)
    correlation = uuid.uuid4()
    command_id = queue_command(
        request_id=uuid.uuid4(),
        meter_id=meter.pk,
        kind=Command.Kind.SET_THRESHOLD,
        payload={"threshold_wh": threshold_wh},
        priority=Priority.DATA,
        correlation=correlation,
        now=now,
    )
    if asker is not None:
        SettingAsk.objects.create(command_id=command_id, **asdict(asker))
    audit.record(
        at=now,
        actor=actor,
        verb="notices.order_threshold",
        subject=f"meter:{meter.pk}",
        correlation=correlation,
        detail={"command": command_id, "threshold_wh": threshold_wh, "was_wh": meter.low_credit_threshold_wh},
    )
    return command_id


def latest_order(*, meter_id: int) -> Command | None:
    """The latest order of a threshold for this meter, whatever became of it."""
    orders = Command.objects.filter(meter_id=meter_id, kind=Command.Kind.SET_THRESHOLD)
    return orders.exclude(state=Command.State.CANCELLED).order_by("-pk").first()


def record_setting(*, accepted: AcceptedFrame, report: SettingResult, now: dt.datetime) -> bool:
    """
    Joining: the meter's answer closes the order, and what it accepted is what it has; False when it was closed before.

    An answer that comes after its order was given up counts too, unless the meter has confirmed a newer order since.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A setting joins the transaction that read the meter's answer.")
    if accepted.command_id is None:
        return False
    command = Command.objects.select_for_update().get(pk=accepted.command_id)
    done = report.result == "success"
    state = Command.State.ACKED if done else Command.State.REJECTED
    if not close_command(command_id=command.pk, state=state, result=report.result[:20], now=now):
        return False
    newer = Command.objects.filter(
        meter_id=command.meter_id, kind=command.kind, pk__gt=command.pk, state=Command.State.ACKED
    )
    if newer.exists():
        _audit(command, report.result, done, now)
        return True
    if done and command.kind == Command.Kind.SET_PLAN:
        Meter.objects.filter(pk=command.meter_id).update(reporting_plan=command.payload["plan"])
    elif done:
        Meter.objects.filter(pk=command.meter_id).update(low_credit_threshold_wh=command.payload["threshold_wh"])
    tell_asker(command=command, template="threshold_set" if done else "threshold_refused", now=now)
    _audit(command, report.result, done, now)
    return True


def _audit(command: Command, result: str, done: bool, now: dt.datetime) -> None:
    what: dict[str, Any] = {
        "at": now,
        "actor": f"meter:{command.meter_id}",
        "verb": "notices.record_setting",
        "subject": f"meter:{command.meter_id}",
        "correlation": command.correlation,
        "detail": {"command": command.pk, "result": result, **command.payload},
    }
    if done:
        audit.record(**what)
    else:
        audit.record_refusal(code=result, **what)
