# SPDX-License-Identifier: Apache-2.0
"""A meter's line over IP: who may use it now, under which keys and counters, and what is kept of the meter's counters."""

from __future__ import annotations

import datetime as dt

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.core.replay import COUNTER_MAX, ReplayWindow
from duaarah.headend.bearer_models import MeterReach
from duaarah.headend.key_models import KeyRotation
from duaarah.headend.line_models import MeterLine
from duaarah.headend.models import InvocationCounter
from duaarah.headend.operations.sealing import put_in_force
from duaarah.headend.ports import LineTerms
from duaarah.registry.models import Meter

HOLD_S = 300


class LineRefused(Exception):
    """The meter cannot be asked over IP now; `code` says why. Another try may succeed."""

    code = "line_refused"
    retryable = True


class NoLine(LineRefused):
    """Nobody knows where this meter answers."""

    code = "no_line"


class LineHeld(LineRefused):
    """Somebody else talks to this meter."""

    code = "line_held"


class CountersEnd(LineRefused):
    """Too few counters are left under these keys: they must be changed first."""

    code = "counters_end"


def set_line(
    *, meter: Meter, host: str, port: int, actor: str, now: dt.datetime, client_sap: int = 1, hdlc: bool = False
) -> MeterLine:
    """
    Entry: where a meter answers. Where orders go over IP too, they go to the same address from now on.

    Raises ValueError for what is no port or no host.
    """
    if not 0 < port < 65_536 or not host.strip() or len(host) > 120:
        raise ValueError("A line is a host name or an address, and a port from 1 to 65535.")
    with transaction.atomic(durable=True):
        # Whether orders go over IP at all is `set_reach`'s word: a meter without it stays with its SMS.
        MeterReach.objects.filter(meter=meter).exclude(host="").update(host=host.strip(), port=port)
        line, _ = MeterLine.objects.update_or_create(
            meter=meter,
            defaults={
                **{"host": host.strip(), "port": port, "client_sap": client_sap, "hdlc": hdlc},
                **{"set_at": now, "set_by": actor},
            },
        )
        audit.record(
            at=now,
            actor=actor,
            verb="headend.set_line",
            subject=f"meter:{meter.pk}",
            detail={"host": line.host, "port": port},
        )
    return line


_HOLD = """
UPDATE headend_meterline SET held_until_at = clock_timestamp() + %s * interval '1 second'
WHERE meter_id = %s AND (held_until_at IS NULL OR held_until_at < clock_timestamp())
    AND NOT EXISTS (
        SELECT 1 FROM headend_command c JOIN headend_attempt a ON a.command_id = c.id AND a.bearer = 'TCP'
        WHERE c.meter_id = headend_meterline.meter_id AND c.state = 'SENT' AND c.lease_until_at > clock_timestamp())
RETURNING meter_id
"""


def hold_line(*, meter_id: int, counters: int, rotation: KeyRotation | None = None) -> LineTerms:
    """
    Joining: take the line, and that many counters, kept as used before any of them is; `rotation`: under its new keys.

    Raises:
        LineRefused: NoLine, LineHeld, CountersEnd.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A line is held in the transaction that says what for.")
    row = InvocationCounter.objects.select_for_update().get(pk=meter_id)
    meter = Meter.objects.get(pk=meter_id)
    line = MeterLine.objects.filter(pk=meter_id).first()
    if line is None:
        raise NoLine("Nobody knows where this meter answers over IP.")
    window = ReplayWindow(row.from_meter_highest, int.from_bytes(bytes(row.from_meter_bitmap), "big"))
    wrapped, number, latest = bytes(meter.dlms_keys_wrapped), row.key_number, row.to_meter_latest
    if rotation is not None:
        rotation.refresh_from_db()
        wrapped, number, latest = bytes(rotation.keys_wrapped), rotation.number, rotation.to_meter_latest
        window = ReplayWindow()
    if latest + counters > COUNTER_MAX:
        raise CountersEnd("The counter under these keys is at its end.")
    with connection.cursor() as cursor:
        cursor.execute(_HOLD, [HOLD_S, meter_id])
        if cursor.fetchone() is None:
            raise LineHeld("Somebody else talks to this meter now.")
    if rotation is None:
        row.to_meter_latest = latest + counters
        row.save(update_fields=["to_meter_latest"])
    else:
        rotation.to_meter_latest = latest + counters
        rotation.save(update_fields=["to_meter_latest"])
    return LineTerms(
        drn=meter.drn,
        profile=meter.profile,
        system_title=bytes(meter.system_title),
        keys_wrapped=wrapped,
        key_number=number,
        first_counter=latest + 1,
        counters=counters,
        window=window,
        **{name: getattr(line, name) for name in ("host", "port", "client_sap", "hdlc")},
    )


def leave_line(
    *, meter_id: int, terms: LineTerms, window: ReplayWindow, now: dt.datetime, rotation: KeyRotation | None = None
) -> None:
    """
    Joining: give the line back and keep the meter's counters; `rotation`: the meter has used its new keys just now.

    What came by SMS meanwhile is kept too: each counter is taken once, on whichever way.
    """
    row = InvocationCounter.objects.select_for_update().get(pk=meter_id)
    MeterLine.objects.filter(pk=meter_id).update(held_until_at=None)
    if rotation is not None:
        rotation.refresh_from_db()
        if rotation.state != KeyRotation.State.PROVEN:
            put_in_force(rotation=rotation, now=now)
        row.refresh_from_db()
    if row.key_number != terms.key_number or window == terms.window:
        return
    kept = ReplayWindow(row.from_meter_highest, int.from_bytes(bytes(row.from_meter_bitmap), "big")).joined(window)
    row.from_meter_highest, row.from_meter_bitmap = kept.highest, kept.bitmap.to_bytes(8, "big")
    row.latest_contact_at = now
    row.save(update_fields=["from_meter_highest", "from_meter_bitmap", "latest_contact_at"])
