# SPDX-License-Identifier: Apache-2.0
"""Reading a meter's frame: authenticate, refuse replays, keep what it says. Joins T4."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from duaarah.core.intent import (
    CreditExhausted,
    DailySummary,
    DataBlock,
    LastGasp,
    LowCredit,
    PowerRestored,
    Report,
    SettingResult,
    SettingResults,
    TokenResult,
    UnknownReport,
)
from duaarah.core.replay import Replayed, ReplayWindow
from duaarah.core.reports import (
    LoadProfile,
    ModemStatus,
    Overload,
    PowerFailureLog,
    RelayState,
    Tamper,
    VoltageEvent,
)
from duaarah.headend.models import MeterEvent
from duaarah.headend.operations.gaps import note_counter
from duaarah.headend.operations.sealing import HeldFrame, keep_late, open_and_hold
from duaarah.headend.operations.told import event_data, keep_told
from duaarah.headend.ports import Driver, FrameRefused, KeyUnwrapper
from duaarah.registry.access import pairing_of_sim
from duaarah.registry.models import Pairing
from duaarah.sms.models import InboundSms, MessageClass
from duaarah.sms.operations import book_inbound

# Each report's kind as the event's row names it.
KINDS: dict[type[Any], MeterEvent.Kind] = {
    LowCredit: MeterEvent.Kind.LOW_CREDIT,
    CreditExhausted: MeterEvent.Kind.CREDIT_EXHAUSTED,
    LastGasp: MeterEvent.Kind.LAST_GASP,
    PowerRestored: MeterEvent.Kind.POWER_RESTORED,
    DataBlock: MeterEvent.Kind.DATA_BLOCK,
    DailySummary: MeterEvent.Kind.DAILY_SUMMARY,
    TokenResult: MeterEvent.Kind.TOKEN_RESULT,
    SettingResult: MeterEvent.Kind.SETTING_RESULT,
    RelayState: MeterEvent.Kind.RELAY_STATE,
    Tamper: MeterEvent.Kind.TAMPER,
    Overload: MeterEvent.Kind.OVERLOAD,
    VoltageEvent: MeterEvent.Kind.VOLTAGE,
    PowerFailureLog: MeterEvent.Kind.POWER_LOG,
    ModemStatus: MeterEvent.Kind.MODEM_STATUS,
    LoadProfile: MeterEvent.Kind.LOAD_PROFILE,
    SettingResults: MeterEvent.Kind.SETTING_RESULT,
    UnknownReport: MeterEvent.Kind.UNKNOWN,
}

_ANSWERS = (TokenResult, SettingResult, SettingResults)
_FAULTS = (LastGasp, PowerRestored, RelayState, Tamper, Overload, VoltageEvent)
_DATA = (DataBlock, DailySummary, LoadProfile, PowerFailureLog, ModemStatus)

# A balance counts by its own frame's counter: a newer frame may say nothing of it, and still come first.
_HEARD = """
UPDATE headend_invocationcounter SET from_meter_highest = %(highest)s, from_meter_bitmap = %(bitmap)s,
    gaps = least(gaps::bigint + %(skipped)s, 2147483647), latest_contact_at = %(now)s,
    balance_wh = CASE WHEN n.newer THEN %(balance)s ELSE balance_wh END,
    balance_at = CASE WHEN n.newer THEN %(now)s ELSE balance_at END,
    balance_counter = CASE WHEN n.newer THEN %(counter)s ELSE balance_counter END
FROM (SELECT meter_id, %(balance)s::bigint IS NOT NULL AND %(counter)s > balance_counter AS newer
      FROM headend_invocationcounter WHERE meter_id = %(meter)s) n
WHERE headend_invocationcounter.meter_id = n.meter_id
"""

# A frame under old keys that came late: heard, but what it says of the credit is past.
_HEARD_LATE = "UPDATE headend_invocationcounter SET latest_contact_at = %s WHERE meter_id = %s"

# Under new keys the counters begin anew: an attempt under the keys of the answer is meant first, then the latest.
_ANSWERED = """
SELECT a.command_id, c.correlation,
    EXISTS (SELECT 1 FROM headend_attempt e WHERE e.command_id = a.command_id AND e.id < a.id)
FROM headend_attempt a JOIN headend_command c ON c.id = a.command_id
WHERE a.meter_id = %s AND a.counter = %s
ORDER BY a.key_number = %s DESC, a.id DESC LIMIT 1
"""

# A SET-Response names its request by four bits only: the latest frame of a setting that was sent under them, whatever
# became of its order meanwhile. An answer that comes after its order was given up is still the meter's word.
_SET = """
SELECT a.command_id, c.correlation,
    EXISTS (SELECT 1 FROM headend_attempt e WHERE e.command_id = a.command_id AND e.id < a.id)
FROM headend_attempt a JOIN headend_command c ON c.id = a.command_id
WHERE a.meter_id = %s AND a.counter & 15 = %s AND a.bearer = 'SMS' AND c.kind NOT IN ('LOAD_CREDIT', 'LOAD_KEY')
ORDER BY a.key_number = %s DESC, a.counter DESC, a.id LIMIT 1
"""

_TOGETHER = """
SELECT a.command_id, c.correlation FROM headend_attempt a JOIN headend_command c ON c.id = a.command_id
WHERE a.meter_id = %s AND a.counter = (SELECT max(l.counter) FROM headend_attempt l WHERE l.command_id = %s
    AND l.counter & 15 = %s AND l.bearer = 'SMS') AND a.bearer = 'SMS' ORDER BY a.id
"""

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
    held = open_and_hold(meter=meter, payload=bytes(inbound.payload), driver=driver, keys=keys, now=now)
    opened = held.opened
    try:
        window, skipped = held.window.take(opened.counter)
    except Replayed as error:
        raise FrameRefused("replayed", str(error)) from error
    highest_before = held.window.highest
    _heard(meter.pk, held, window, skipped, now)
    answered = answered_by(meter.pk, opened.report, held.key_number)
    if held.late is None:
        note_counter(meter_id=meter.pk, counter=opened.counter, highest=highest_before, now=now)
    landed = keep_told(meter=meter, report=opened.report, counter=opened.counter, now=now)
    _keep(meter.pk, inbound, opened.counter, opened.report, json.dumps(event_data(opened.report, landed)), now)
    book_inbound(
        inbound_id=inbound.pk,
        meter_id=meter.pk,
        message_class=_message_class(opened.report),
        correlation=answered[1],
        retry=answered[2],
        now=now,
    )
    return AcceptedFrame(pairing, opened.report, answered[0], answered[1])


def _heard(meter_id: int, held: HeldFrame, window: ReplayWindow, skipped: int, now: dt.datetime) -> None:
    """The counter is used, and what the frame says of the credit is the present if no newer one came before."""
    if held.late is not None:
        keep_late(rotation=held.late, window=window)
        with connection.cursor() as cursor:
            cursor.execute(_HEARD_LATE, [now, meter_id])
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _HEARD,
            {
                "highest": window.highest,
                "bitmap": window.bitmap.to_bytes(8, "big"),
                "skipped": skipped,
                "now": now,
                "balance": balance_of(held.opened.report),
                "counter": held.opened.counter,
                "meter": meter_id,
            },
        )


def _message_class(report: Report) -> MessageClass:
    """Which bucket of the package the SMS takes from is a dated rule of its class."""
    if isinstance(report, _ANSWERS):
        return MessageClass.METER_ANSWER
    if isinstance(report, _DATA):
        return MessageClass.METER_DATA
    return MessageClass.METER_FAULT if isinstance(report, _FAULTS) else MessageClass.METER_PUSH


def balance_of(report: Report) -> int | None:
    """The credit that a report tells; None when it tells none."""
    match report:
        case LowCredit(remaining_wh=remaining_wh):
            return remaining_wh
        case TokenResult() | DataBlock() | DailySummary():
            return report.balance_wh
        case CreditExhausted():
            return 0
    return None


def answered_by(meter_id: int, report: Report, key_number: int) -> tuple[int | None, uuid.UUID | None, bool]:
    """The command that an answer belongs to (by the counter or the invoke-id it names), and whether that was a retry."""
    match report:
        case TokenResult(command_counter=counter) if counter:
            query, key = _ANSWERED, counter
        case SettingResult(invoke_id=invoke_id) | SettingResults(invoke_id=invoke_id):
            query, key = _SET, invoke_id
        case _:
            return None, None, False
    with connection.cursor() as cursor:
        cursor.execute(query, [meter_id, key, key_number])
        row: tuple[int, uuid.UUID, bool] | None = cursor.fetchone()
    return row or (None, None, False)


def answered_together(accepted: AcceptedFrame, report: SettingResults) -> list[AcceptedFrame]:
    """
    One answer for each command of the message that this one answers, in its order.

    None when their number is not that of the results: then nobody knows which is whose.
    """
    if accepted.command_id is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_TOGETHER, [accepted.pairing.meter_id, accepted.command_id, report.invoke_id])
        rows = cursor.fetchall()
    if len(rows) != len(report.results):
        return []
    return [
        AcceptedFrame(accepted.pairing, SettingResult(report.invoke_id, result, report.at), command_id, correlation)
        for (command_id, correlation), result in zip(rows, report.results, strict=True)
    ]


def _keep(meter_id: int, inbound: InboundSms, counter: int, report: Report, data: str, now: dt.datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _EVENT,
            [meter_id, KINDS[type(report)], counter, inbound.pk, report.at, now, data],
        )
