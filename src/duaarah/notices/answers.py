# SPDX-License-Identifier: Apache-2.0
"""A meter's answer over a connection: the same that an SMS of it does, and what was read of it besides."""

from __future__ import annotations

import datetime as dt

from django.db import connection, transaction

from duaarah.core.intent import LoadCredit, Report, SettingResult, TokenResult
from duaarah.core.order import READS, Order
from duaarah.headend.models import MeterRead, MeterState
from duaarah.headend.operations.frames import AcceptedFrame
from duaarah.headend.operations.sessions import ClaimedSession, record_contact, take_window
from duaarah.headend.ports import Carried
from duaarah.notices.forecasts import mark_read
from duaarah.notices.operations import act_on
from duaarah.registry.access import pairing_of_meter

INVOKE_MASK = 0x0F


def take_answer(*, claimed: ClaimedSession, carried: Carried, now: dt.datetime) -> str:
    """
    Entry (T4 over IP): counters, contact, outcome and what was read commit together; returns the outcome's code.

    An answer that comes after the command was given up is still the meter's word; a second one changes nothing.
    """
    with transaction.atomic(durable=True):
        take_window(
            meter_id=claimed.meter_id, window=carried.window, key_number=claimed.key_number, heard=True, now=now
        )
        record_contact(meter_id=claimed.meter_id, carried=carried, now=now)
        pairing = pairing_of_meter(meter_id=claimed.meter_id, at=now)
        if pairing is None:
            return "not_paired"
        report = _report(claimed, carried)
        accepted = AcceptedFrame(pairing, report, claimed.command_id, claimed.correlation)
        mark_read(meter_ids=[claimed.meter_id])
        outcome = act_on(accepted, now)
        _keep(claimed, carried, now)
    return outcome


def _report(claimed: ClaimedSession, carried: Carried) -> Report:
    if isinstance(claimed.call.intent, LoadCredit):
        values = carried.values
        return TokenResult(
            claimed.call.first_counter, carried.result, None, values.get("energy_wh", 0), values.get("balance_wh", 0)
        )
    return SettingResult(claimed.call.first_counter & INVOKE_MASK, carried.result)


def _keep(claimed: ClaimedSession, carried: Carried, now: dt.datetime) -> None:
    """What was read, and how relay and limit are by the meter's own word."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("What was read is kept with the answer.")
    intent = claimed.call.intent
    if isinstance(intent, Order) and intent.kind in READS and carried.result == "success":
        rows = [[at.isoformat(), dict(values)] for at, values in carried.rows]
        made = {"meter_id": claimed.meter_id, "read_at": now, "values": dict(carried.values), "rows": rows}
        MeterRead.objects.get_or_create(command_id=claimed.command_id, defaults=made)
    closed, limit_w = carried.values.get("relay_closed"), carried.values.get("limit_w")
    if closed is None and limit_w is None:
        return
    back: dict[str, object] = {"read_back_at": now}
    if closed is not None:
        back["read_back_closed"] = bool(closed)
    if limit_w is not None:
        back["read_back_limit_w"] = limit_w
    MeterState.objects.update_or_create(
        pk=claimed.meter_id, defaults=back, create_defaults={**back, "confirmed_at": now}
    )
