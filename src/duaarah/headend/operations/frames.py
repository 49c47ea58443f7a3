# SPDX-License-Identifier: Apache-2.0
"""Reading a meter's frame: authenticate, refuse replays, keep what it says. Joins T4."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import uuid
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from duaarah.core.intent import (
    CreditExhausted,
    LastGasp,
    LowCredit,
    PowerRestored,
    Report,
    TokenResult,
    UnknownReport,
)
from duaarah.core.replay import Replayed, ReplayWindow
from duaarah.headend.models import Attempt, InvocationCounter, MeterEvent
from duaarah.headend.ports import Driver, FrameRefused, KeyUnwrapper
from duaarah.registry.access import pairing_of_sim
from duaarah.registry.models import Pairing
from duaarah.sms.models import InboundSms, MessageClass
from duaarah.sms.operations import book_inbound

_KINDS: dict[type[Any], MeterEvent.Kind] = {
    LowCredit: MeterEvent.Kind.LOW_CREDIT,
    CreditExhausted: MeterEvent.Kind.CREDIT_EXHAUSTED,
    LastGasp: MeterEvent.Kind.LAST_GASP,
    PowerRestored: MeterEvent.Kind.POWER_RESTORED,
    TokenResult: MeterEvent.Kind.TOKEN_RESULT,
    UnknownReport: MeterEvent.Kind.UNKNOWN,
}

_EVENT = """
INSERT INTO headend_meterevent (meter_id, kind, counter, inbound_id, meter_at, arrived_at, recorded_at, data)
VALUES (%s, %s, %s, %s, %s, %s, clock_timestamp(), %s)
"""


@dataclass(frozen=True)
class AcceptedFrame:
    """A frame that was authentic and new: whose, what it says, and the command it answers (if it names one)."""

    pairing: Pairing
    report: Report
    command_id: int | None
    correlation: uuid.UUID | None


def accept_frame(*, inbound: InboundSms, driver: Driver, keys: KeyUnwrapper, now: dt.datetime) -> AcceptedFrame:
    """
    Joining: take one inbound binary SMS as a meter's word.

    Raises:
        FrameRefused: unknown sender, wrong tag, another meter's frame, a replayed counter. Nothing was written.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A frame is accepted in the transaction that acts on it.")
    pairing = pairing_of_sim(msisdn=inbound.source, at=now)
    if pairing is None:
        raise FrameRefused("unknown_sender", "No meter is paired with this SIM.")
    meter = pairing.meter
    opened = driver.open(
        profile=meter.profile,
        payload=bytes(inbound.payload),
        keys=keys.meter_keys(drn=meter.drn, wrapped=bytes(meter.dlms_keys_wrapped)),
        system_title=bytes(meter.system_title),
    )
    counters = InvocationCounter.objects.select_for_update().get(pk=meter.pk)
    window = ReplayWindow(counters.from_meter_highest, int.from_bytes(bytes(counters.from_meter_bitmap), "big"))
    try:
        window, skipped = window.take(opened.counter)
    except Replayed as error:
        raise FrameRefused("replayed", str(error)) from error
    newest = window.highest == opened.counter
    counters.from_meter_highest = window.highest
    counters.from_meter_bitmap = window.bitmap.to_bytes(8, "big")
    counters.gaps += skipped
    counters.latest_contact_at = now
    balance_wh = _balance_wh(opened.report)
    if balance_wh is not None and newest:
        counters.balance_wh, counters.balance_at = balance_wh, now
    counters.save()
    answered = _answered(meter.pk, opened.report)
    _keep(meter.pk, inbound, opened.counter, opened.report, now)
    book_inbound(
        inbound_id=inbound.pk,
        meter_id=meter.pk,
        message_class=MessageClass.METER_ANSWER if isinstance(opened.report, TokenResult) else MessageClass.METER_PUSH,
        correlation=answered[1],
        retry=answered[2],
        now=now,
    )
    return AcceptedFrame(pairing, opened.report, answered[0], answered[1])


def _balance_wh(report: Report) -> int | None:
    match report:
        case LowCredit(remaining_wh=remaining_wh):
            return remaining_wh
        case TokenResult(balance_wh=balance_wh):
            return balance_wh
        case CreditExhausted():
            return 0
    return None


def _answered(meter_id: int, report: Report) -> tuple[int | None, uuid.UUID | None, bool]:
    """The command that a token result answers (by the counter of the frame it names), and whether that was a retry."""
    if not isinstance(report, TokenResult) or not report.command_counter:
        return None, None, False
    attempt = (
        Attempt.objects.filter(meter_id=meter_id, counter=report.command_counter).select_related("command").first()
    )
    if attempt is None:
        return None, None, False
    first = not Attempt.objects.filter(command_id=attempt.command_id, counter__lt=attempt.counter).exists()
    return attempt.command_id, attempt.command.correlation, not first


def _keep(meter_id: int, inbound: InboundSms, counter: int, report: Report, now: dt.datetime) -> None:

    data = {
        key: value.hex() if isinstance(value, bytes) else value
        for key, value in dataclasses.asdict(report).items()
        if key != "at"
    }
    with connection.cursor() as cursor:
        cursor.execute(
            _EVENT,
            [meter_id, _KINDS[type(report)], counter, inbound.pk, report.at, now, json.dumps(data)],
        )
