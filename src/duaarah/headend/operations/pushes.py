# SPDX-License-Identifier: Apache-2.0
"""Reading pushes that came over IP: many in one transaction, one statement a table. The T4 of frames over IP joins here.

What an SMS goes through one by one (`frames.accept_frame`) goes here for a batch: replay window, gaps, balance, event.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import connection, transaction

from duaarah.core.intent import DailySummary, DataBlock, Report, UnknownReport
from duaarah.core.replay import Replayed, ReplayWindow
from duaarah.headend.operations.frames import KINDS, balance_of, event_data
from duaarah.headend.ports import FrameRefused, KeyUnwrapper
from duaarah.headend.push_ports import PushReader

ATTEMPTS_MAX = 5
# Reports that are kept and lead to nothing else: whole batches of them share a transaction.
KEPT_ONLY: tuple[type[Report], ...] = (DataBlock, DailySummary, UnknownReport)

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
    gaps = k.gaps + v.skipped, latest_contact_at = %s, balance_wh = coalesce(v.balance, k.balance_wh),
    balance_at = CASE WHEN v.balance IS NULL THEN k.balance_at ELSE %s END
FROM unnest(%s::bigint[], %s::bigint[], %s::bytea[], %s::int[], %s::bigint[])
    AS v (meter_id, highest, bitmap, skipped, balance)
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


def open_pushes(*, ids: Sequence[int], frames: PushReader, keys: KeyUnwrapper) -> list[ReadPush]:
    """Joining: lock these pushes and read what they say; those that are not waiting any more are left out."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A push is read in the transaction that acts on it.")
    with connection.cursor() as cursor:
        cursor.execute(_FRAMES, [list(ids)])
        rows = [
            PushRow(row[0], row[1], row[2], row[3], bytes(row[4]), bytes(row[5])[row[6] or 0 :])
            for row in cursor.fetchall()
        ]
    return [_open(row, frames, keys) for row in rows]


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

    The result does not depend on the order: a balance counts only when it came under the meter's highest counter.
    """
    meters = sorted({push.row.meter_id for push in pushes if push.report is not None})
    with connection.cursor() as cursor:
        cursor.execute(_COUNTERS, [meters])
        windows = {row[0]: ReplayWindow(row[1], int.from_bytes(bytes(row[2]), "big")) for row in cursor.fetchall()}
    skipped = dict.fromkeys(windows, 0)
    balances: dict[int, int] = {}
    judged = [_judge(push, windows, skipped, balances) for push in pushes]
    accepted = [push for push in judged if push.report is not None]
    heard = sorted({push.row.meter_id for push in accepted})
    with connection.cursor() as cursor:
        cursor.execute(
            _HEARD,
            [
                *(now, now, heard),
                [windows[meter].highest for meter in heard],
                [windows[meter].bitmap.to_bytes(8, "big") for meter in heard],
                [skipped[meter] for meter in heard],
                [balances.get(meter) for meter in heard],
            ],
        )
        _keep(cursor, accepted)
    return judged


def _judge(
    push: ReadPush, windows: dict[int, ReplayWindow], skipped: dict[int, int], balances: dict[int, int]
) -> ReadPush:
    """One push against its meter's window, which it moves."""
    if push.report is None:
        return push
    meter = push.row.meter_id
    try:
        if meter not in windows:
            raise FrameRefused("no_counters", "This meter has no counters.")
        windows[meter], ahead = windows[meter].take(push.counter)
    except Replayed as error:
        return ReadPush(push.row, push.counter, refused=FrameRefused("replayed", str(error)))
    except FrameRefused as error:
        return ReadPush(push.row, push.counter, refused=error)
    skipped[meter] += ahead
    if windows[meter].highest == push.counter and (balance_wh := balance_of(push.report)) is not None:
        balances[meter] = balance_wh
    return push


def _keep(cursor: object, accepted: Sequence[ReadPush]) -> None:
    reports = [push.report for push in accepted if push.report is not None]
    cursor.execute(  # type: ignore[attr-defined]
        _EVENTS,
        [
            [push.row.meter_id for push in accepted],
            [KINDS[type(report)].value for report in reports],
            [push.counter for push in accepted],
            [push.row.frame_id for push in accepted],
            [report.at for report in reports],
            [json.dumps(event_data(report)) for report in reports],
        ],
    )


def close_pushes(*, outcomes: Sequence[tuple[int, str, str]]) -> None:
    """Joining: (frame, state, outcome's code) of each that was read."""
    ids, states, codes = zip(*outcomes, strict=True) if outcomes else ((), (), ())
    with connection.cursor() as cursor:
        cursor.execute(_CLOSE, [list(ids), list(states), [code[:60] for code in codes]])
