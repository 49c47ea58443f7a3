# SPDX-License-Identifier: Apache-2.0
"""Reading pushes that came over IP: many in one transaction, one statement a table. The T4 of frames over IP joins here.

What an SMS goes through one by one (`frames.accept_frame`) goes here for a batch: replay window, gaps, balance, event.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

from duaarah.core.intent import DailySummary, DataBlock, Report, UnknownReport
from duaarah.core.replay import Replayed, ReplayWindow
from duaarah.core.reports import LoadProfile, ModemStatus, PowerFailureLog
from duaarah.headend.key_models import KeyRotation
from duaarah.headend.operations.frames import KINDS, balance_of
from duaarah.headend.operations.gaps import note_counter
from duaarah.headend.operations.sealing import keep_late, open_by_other_keys
from duaarah.headend.operations.told import TOLD, event_data, keep_told
from duaarah.headend.ports import FrameRefused, KeyUnwrapper, OpenedFrame
from duaarah.headend.push_ports import PushReader
from duaarah.readings.landing import land_rows
from duaarah.readings.operations import Landed
from duaarah.registry.models import Meter

ATTEMPTS_MAX = 5
# Reports that are kept and lead to nothing else: whole batches of them share a transaction.
KEPT_ONLY: tuple[type[Report], ...] = (
    *(DataBlock, DailySummary, LoadProfile, ModemStatus, PowerFailureLog, UnknownReport),
)

_CLAIM = """
UPDATE headend_inboundframe SET lease_until_at = clock_timestamp() + %(lease)s * interval '1 second', attempts = attempts + 1
WHERE id IN (
    SELECT id FROM headend_inboundframe
    WHERE state = 'RECEIVED' AND attempts < %(attempts_max)s
        AND (lease_until_at IS NULL OR lease_until_at < clock_timestamp())
    ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING id
"""

_FRAMES = """
SELECT f.id, f.meter_id, m.drn, m.profile, m.dlms_keys_wrapped,
    CASE WHEN f.apdu_at IS NULL THEN f.apdu ELSE f.raw END, f.apdu_at
FROM headend_inboundframe f JOIN registry_meter m ON m.id = f.meter_id
WHERE f.id = ANY(%s) AND f.state = 'RECEIVED' ORDER BY f.id FOR UPDATE OF f
"""

# Every batch takes the counters in the same order, and nothing of a meter before its counter.
_COUNTERS = """
SELECT meter_id, from_meter_highest, from_meter_bitmap FROM headend_invocationcounter
WHERE meter_id = ANY(%s) ORDER BY meter_id FOR UPDATE
"""

_HEARD = """
UPDATE headend_invocationcounter k SET from_meter_highest = v.highest, from_meter_bitmap = v.bitmap,
    gaps = least(k.gaps::bigint + v.skipped, 2147483647), latest_contact_at = %s,
    balance_wh = CASE WHEN v.balance_counter > k.balance_counter THEN v.balance ELSE k.balance_wh END,
    balance_at = CASE WHEN v.balance_counter > k.balance_counter THEN %s ELSE k.balance_at END,
    balance_counter = greatest(k.balance_counter, v.balance_counter)
FROM unnest(%s::bigint[], %s::bigint[], %s::bytea[], %s::bigint[], %s::bigint[], %s::bigint[])
    AS v (meter_id, highest, bitmap, skipped, balance, balance_counter)
WHERE k.meter_id = v.meter_id
"""

_EVENTS = """
INSERT INTO headend_meterevent (meter_id, kind, counter, frame_id, meter_at, arrived_at, recorded_at, data)
SELECT v.meter_id, v.kind, v.counter, v.frame_id, v.meter_at, f.arrived_at, clock_timestamp(), v.data
FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::jsonb[])
    AS v (meter_id, kind, counter, frame_id, meter_at, data)
JOIN headend_inboundframe f ON f.id = v.frame_id ORDER BY v.frame_id
"""

_CLOSE = """
UPDATE headend_inboundframe f SET state = v.state, outcome = v.outcome, lease_until_at = NULL
FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS v (id, state, outcome) WHERE f.id = v.id
"""

_GIVE_UP = """
UPDATE headend_inboundframe SET state = 'FAILED', outcome = 'given_up', lease_until_at = NULL
WHERE id IN (
    SELECT id FROM headend_inboundframe
    WHERE state = 'RECEIVED' AND attempts >= %s AND lease_until_at < clock_timestamp()
    ORDER BY id LIMIT 200 FOR UPDATE SKIP LOCKED)
RETURNING id
"""


@dataclass(frozen=True)
class PushRow:
    """A stored push and what opens it."""

    frame_id: int
    meter_id: int
    drn: str
    profile: str
    keys_wrapped: bytes = field(repr=False)
    apdu: bytes = field(repr=False)


@dataclass(frozen=True)
class ReadPush:
    """A push as it was read: `report`, or why it was refused."""

    row: PushRow
    counter: int = 0
    report: Report | None = None
    refused: FrameRefused | None = None
    late: KeyRotation | None = None

    @property
    def other_keys(self) -> bool:
        """Whether other keys than those in force may open it."""
        return self.refused is not None and self.refused.code == "auth_failed"


def claim_pushes(*, limit: int, lease_s: int) -> list[int]:
    """Entry: lease up to `limit` waiting pushes for `lease_s` seconds; returns their ids, oldest first."""
    if connection.in_atomic_block:
        raise transaction.TransactionManagementError("A claim is committed before anything is read.")
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"limit": limit, "lease": lease_s, "attempts_max": ATTEMPTS_MAX})
        return sorted(row[0] for row in cursor.fetchall())


def give_up_pushes() -> list[int]:
    """Joining: pushes that failed at every attempt become FAILED; their ids."""
    with connection.cursor() as cursor:
        cursor.execute(_GIVE_UP, [ATTEMPTS_MAX])
        return [row[0] for row in cursor.fetchall()]


def open_pushes(
    *, ids: Sequence[int], frames: PushReader, keys: KeyUnwrapper, all_keys_at: dt.datetime | None = None
) -> list[ReadPush]:
    """
    Joining: lock these pushes and read what they say; those that are not waiting any more are left out.

    `all_keys_at` (business time; of one push alone, it takes the meter's counter): by all keys that the meter may have.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A push is read in the transaction that acts on it.")
    with connection.cursor() as cursor:
        cursor.execute(_FRAMES, [list(ids)])
        rows = [
            PushRow(row[0], row[1], row[2], row[3], bytes(row[4]), bytes(row[5])[row[6] or 0 :])
            for row in cursor.fetchall()
        ]
    read = [_open(row, frames, keys) for row in rows]
    if all_keys_at is not None:
        read = [_by_other_keys(push, frames, keys, all_keys_at) if push.other_keys else push for push in read]
    return read


def _by_other_keys(push: ReadPush, frames: PushReader, keys: KeyUnwrapper, now: dt.datetime) -> ReadPush:
    row = push.row

    def opened_by(wrapped: bytes) -> OpenedFrame:
        return frames.open(profile=row.profile, apdu=row.apdu, keys=keys.meter_keys(drn=row.drn, wrapped=wrapped))

    try:
        held = open_by_other_keys(
            meter=Meter.objects.get(pk=row.meter_id), opened_by=opened_by, refused=push.refused, now=now
        )
    except FrameRefused as error:
        return ReadPush(row, refused=error)
    return ReadPush(row, held.opened.counter, held.opened.report, late=held.late)


def _open(row: PushRow, frames: PushReader, keys: KeyUnwrapper) -> ReadPush:
    try:
        unwrapped = keys.meter_keys(drn=row.drn, wrapped=row.keys_wrapped)
        opened = frames.open(profile=row.profile, apdu=row.apdu, keys=unwrapped)
    except FrameRefused as error:
        return ReadPush(row, refused=error)
    return ReadPush(row, opened.counter, opened.report)


def accept_pushes(*, pushes: Sequence[ReadPush], now: dt.datetime) -> list[ReadPush]:
    """
    Joining: judge the counters, keep what is new as events; returns the same pushes, those with a used counter refused.

    The result does not depend on the order: of two balances that counts which came under the higher counter. Intervals and
    days land in the readings, missing counters in their log.
    """
    meters = sorted({push.row.meter_id for push in pushes if push.report is not None})
    with connection.cursor() as cursor:
        cursor.execute(_COUNTERS, [meters])
        windows = {row[0]: ReplayWindow(row[1], int.from_bytes(bytes(row[2]), "big")) for row in cursor.fetchall()}
    skipped = dict.fromkeys(windows, 0)
    balances: dict[int, tuple[int, int]] = {}
    judged = [_judge(push, windows, skipped, balances, now) for push in pushes]
    accepted = [push for push in judged if push.report is not None]
    landed = _land(accepted, now)
    heard = sorted({push.row.meter_id for push in accepted})
    with connection.cursor() as cursor:
        cursor.execute(
            _HEARD,
            [
                *(now, now, heard),
                [windows[meter].highest for meter in heard],
                [windows[meter].bitmap.to_bytes(8, "big") for meter in heard],
                [skipped[meter] for meter in heard],
                [balances.get(meter, (0, 0))[1] for meter in heard],
                [balances.get(meter, (0, 0))[0] for meter in heard],
            ],
        )
        _keep(cursor, accepted, landed)
    return judged


def _land(accepted: Sequence[ReadPush], now: dt.datetime) -> dict[int, Landed]:
    """What of these pushes became readings, by the frame."""
    told = [push for push in accepted if isinstance(push.report, TOLD)]
    meters = Meter.objects.in_bulk({push.row.meter_id for push in told})
    landed, rows = {}, list[tuple[Any, ...]]()
    for push in told:
        assert push.report is not None
        meter = meters[push.row.meter_id]
        one = keep_told(meter=meter, report=push.report, counter=push.counter, now=now, rows=rows)
        if one is not None:
            landed[push.row.frame_id] = one
    land_rows(rows)
    return landed


def _judge(
    push: ReadPush,
    windows: dict[int, ReplayWindow],
    skipped: dict[int, int],
    balances: dict[int, tuple[int, int]],
    now: dt.datetime,
) -> ReadPush:
    """One push against its meter's window, which it moves."""
    if push.report is None:
        return push
    meter = push.row.meter_id
    if push.late is not None:
        return _judge_late(push, push.late)
    try:
        if meter not in windows:
            raise FrameRefused("no_counters", "This meter has no counters.")
        highest = windows[meter].highest
        windows[meter], ahead = windows[meter].take(push.counter)
    except Replayed as error:
        return ReadPush(push.row, push.counter, refused=FrameRefused("replayed", str(error)))
    except FrameRefused as error:
        return ReadPush(push.row, push.counter, refused=error)
    skipped[meter] += ahead
    note_counter(meter_id=meter, counter=push.counter, highest=highest, now=now)
    if (balance_wh := balance_of(push.report)) is not None:
        balances[meter] = max(balances.get(meter, (0, 0)), (push.counter, balance_wh))
    return push


def _judge_late(push: ReadPush, late: KeyRotation) -> ReadPush:
    """One that was sealed before its meter's keys changed: taken once, in the window of the old keys."""
    window = ReplayWindow(late.old_from_highest, int.from_bytes(bytes(late.old_from_bitmap), "big"))
    try:
        window, _ = window.take(push.counter)
    except Replayed as error:
        return ReadPush(push.row, push.counter, refused=FrameRefused("replayed", str(error)))
    keep_late(rotation=late, window=window)
    return push


def _keep(cursor: object, accepted: Sequence[ReadPush], landed: dict[int, Landed]) -> None:
    told = [(push, push.report) for push in accepted if push.report is not None]
    reports = [report for _, report in told]
    cursor.execute(  # type: ignore[attr-defined]
        _EVENTS,
        [
            [push.row.meter_id for push in accepted],
            [KINDS[type(report)].value for report in reports],
            [push.counter for push in accepted],
            [push.row.frame_id for push in accepted],
            [report.at for report in reports],
            [json.dumps(event_data(report, landed.get(push.row.frame_id))) for push, report in told],
        ],
    )


def close_pushes(*, outcomes: Sequence[tuple[int, str, str]]) -> None:
    """Joining: (frame, state, outcome's code) of each that was read."""
    ids, states, codes = zip(*outcomes, strict=True) if outcomes else ((), (), ())
    with connection.cursor() as cursor:
        cursor.execute(_CLOSE, [list(ids), list(states), [code[:60] for code in codes]])
