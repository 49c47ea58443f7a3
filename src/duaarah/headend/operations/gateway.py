# SPDX-License-Identifier: Apache-2.0
"""Pushes over IP become rows: authentic ones a row each before they are confirmed, refused ones a count an hour."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.core.replay import COUNTER_MAX
from duaarah.headend.operations.sealing import other_keys

DIGEST_OCTETS = 16
# Rows of refusals an hour that name an address; whoever comes after them is counted under `*`.
ADDRESSES_MAX = 200
OTHERS = "*"
# Half of the 64 counters that a meter's window takes late.
FRESH = 32

_METERS = """
SELECT m.id, m.drn, m.profile, m.system_title, m.dlms_keys_wrapped, k.key_number
FROM registry_meter m JOIN headend_invocationcounter k ON k.meter_id = m.id WHERE m.system_title = ANY(%s)
"""

_STORE = """
INSERT INTO headend_inboundframe (meter_id, bearer, framing, peer, raw, apdu, apdu_at, digest, confirm_counter, received_at,
    arrived_at, state, attempts, outcome)
SELECT v.meter_id, v.bearer, v.framing, v.peer, v.raw, v.apdu, v.apdu_at, v.digest, v.confirm_counter, clock_timestamp(),
    %s, 'RECEIVED', 0, ''
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::bytea[], %s::bytea[], %s::int[], %s::bytea[], %s::bigint[])
    AS v (meter_id, bearer, framing, peer, raw, apdu, apdu_at, digest, confirm_counter)
ON CONFLICT DO NOTHING
"""

_LOCK = """
SELECT meter_id, to_meter_latest, key_number FROM headend_invocationcounter
WHERE meter_id = ANY(%s) ORDER BY meter_id FOR UPDATE
"""

_CONFIRMED = """
SELECT f.meter_id, f.digest, f.confirm_counter FROM headend_inboundframe f
JOIN unnest(%s::bigint[], %s::bytea[]) AS v (meter_id, digest) ON f.meter_id = v.meter_id AND f.digest = v.digest
"""

_COUNTERS = """
UPDATE headend_invocationcounter SET to_meter_latest = v.latest
FROM unnest(%s::bigint[], %s::bigint[]) AS v (meter_id, latest)
WHERE headend_invocationcounter.meter_id = v.meter_id
"""

_RENEW = """
UPDATE headend_inboundframe f SET confirm_counter = v.counter
FROM unnest(%s::bigint[], %s::bytea[], %s::bigint[]) AS v (meter_id, digest, counter)
WHERE f.meter_id = v.meter_id AND f.digest = v.digest
"""

_HOUR = "SELECT count(*) FROM headend_gatewayrefusal WHERE hour_at = date_trunc('hour', clock_timestamp())"

_REFUSED = """
INSERT INTO headend_gatewayrefusal (hour_at, bearer, address, code, count, latest_at)
VALUES (date_trunc('hour', clock_timestamp()), %s, %s, %s, %s, clock_timestamp())
ON CONFLICT (hour_at, bearer, address, code) DO UPDATE
    SET count = headend_gatewayrefusal.count + excluded.count, latest_at = excluded.latest_at
RETURNING xmax = 0
"""

_KNOWN = """
SELECT EXISTS (SELECT 1 FROM headend_gatewayrefusal
    WHERE hour_at = date_trunc('hour', clock_timestamp()) AND bearer = %s AND address = %s AND code = %s)
"""


@dataclass(frozen=True)
class KnownMeter:
    """Whose title it is, and its keys as stored."""

    meter_id: int
    drn: str
    profile: str
    keys_wrapped: bytes = field(repr=False)
    key_number: int = 0
    other_keys_wrapped: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class ArrivedPush:
    """One authentic push; `confirm`: its sender waits for an answer. `raw` holds `apdu` unless it came in parts."""

    meter_id: int
    bearer: str
    framing: str
    peer: str
    raw: bytes = field(repr=False)
    apdu: bytes = field(repr=False)
    confirm: bool = False
    # Of the keys that proved it; None: others than those in force. It is confirmed under those in force only.
    key_number: int | None = 0


@dataclass(frozen=True)
class Refused:
    """What is counted together."""

    bearer: str
    address: str
    code: str


def known_meters(titles: Sequence[bytes]) -> dict[bytes, KnownMeter]:
    """The meters of these system titles; a title that is nobody's is left out."""
    with connection.cursor() as cursor:
        cursor.execute(_METERS, [list(titles)])
        rows = cursor.fetchall()
    others = other_keys(meter_ids=[row[0] for row in rows])
    return {
        bytes(row[3]): KnownMeter(row[0], row[1], row[2], bytes(row[4]), row[5], tuple(others.get(row[0], ())))
        for row in rows
    }


def store_pushes(*, pushes: Sequence[ArrivedPush], now: dt.datetime) -> list[int | None]:
    """
    Entry: keep these pushes; for each that wants a confirmation the counter to send it under, taken before it is used.

    One that was stored before is not stored again, and confirmed again under the same counter: its sender did not hear us,
    and whoever replays it uses nothing up.
    """
    if not pushes:
        return []
    digests = [hashlib.sha256(push.apdu).digest()[:DIGEST_OCTETS] for push in pushes]
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        counters = _confirm(cursor, pushes, digests)
        cursor.execute(_STORE, _columns(pushes, digests, counters, now))
    return counters


def _confirm(cursor: Any, pushes: Sequence[ArrivedPush], digests: list[bytes]) -> list[int | None]:
    """The counter of each confirmation, those taken now kept in the meter's row; None where nothing is to be said."""
    waiting = [(push.meter_id, digest) for push, digest in zip(pushes, digests, strict=True) if push.confirm]
    if not waiting:
        return [None] * len(pushes)
    cursor.execute(_LOCK, [sorted({meter for meter, _ in waiting})])
    was, numbers = {}, {}
    for meter_id, to_meter, number in cursor.fetchall():
        was[meter_id], numbers[meter_id] = to_meter, number
    # Under other keys such a counter was used before, or will be: then nothing is confirmed.
    confirmable = [push.confirm and numbers.get(push.meter_id) == push.key_number for push in pushes]
    waiting = [(push.meter_id, digest) for push, digest, may in zip(pushes, digests, confirmable, strict=True) if may]
    if not waiting:
        return [None] * len(pushes)
    cursor.execute(_CONFIRMED, [*map(list, zip(*waiting, strict=True))])
    known = {(meter, bytes(digest)): counter for meter, digest, counter in cursor.fetchall()}
    latest, given = dict(was), dict[tuple[int, bytes], int | None]()
    renewed = []
    for key in waiting:
        meter = key[0]
        if key in given or meter not in latest:
            continue
        before = known.get(key)
        # So far behind that the meter's window may have passed it: then another one.
        if before is not None and 0 <= latest[meter] - before < FRESH:
            given[key] = before
        elif latest[meter] >= COUNTER_MAX:
            given[key] = None  # used up: it is kept all the same
        else:
            latest[meter] += 1
            given[key] = latest[meter]
            if key in known:
                renewed.append((*key, latest[meter]))
    moved = [meter for meter in was if latest[meter] != was[meter]]
    cursor.execute(_COUNTERS, [moved, [latest[meter] for meter in moved]])
    if renewed:
        cursor.execute(_RENEW, [*map(list, zip(*renewed, strict=True))])
    return [
        given.get((push.meter_id, digest)) if push.confirm else None
        for push, digest in zip(pushes, digests, strict=True)
    ]


def _columns(
    pushes: Sequence[ArrivedPush], digests: list[bytes], counters: list[int | None], now: dt.datetime
) -> list[Any]:
    # What the frame ends with is kept once.
    places = [len(push.raw) - len(push.apdu) if push.raw.endswith(push.apdu) else -1 for push in pushes]
    return [
        now,
        [push.meter_id for push in pushes],
        [push.bearer for push in pushes],
        [push.framing for push in pushes],
        [push.peer[:60] for push in pushes],
        [push.raw for push in pushes],
        [b"" if at >= 0 else push.apdu for push, at in zip(pushes, places, strict=True)],
        [at if at >= 0 else None for at in places],
        digests,
        counters,
    ]


def count_refusals(*, refused: Mapping[Refused, int], now: dt.datetime) -> None:
    """
    Entry: add to the hour's counts; the first of an hour, address and code leaves an audit line, the others only count.

    Past ADDRESSES_MAX rows an hour further addresses are counted together: a flood fills no table.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_HOUR)
        rows = cursor.fetchone()[0]
        for what, count in sorted(refused.items(), key=lambda item: (item[0].bearer, item[0].address, item[0].code)):
            address = what.address[:45]
            if rows >= ADDRESSES_MAX:
                cursor.execute(_KNOWN, [what.bearer, address, what.code])
                address = address if cursor.fetchone()[0] else OTHERS
            cursor.execute(_REFUSED, [what.bearer, address, what.code[:40], count])
            if not cursor.fetchone()[0]:
                continue
            rows += 1
            audit.record_refusal(
                at=now,
                actor="gateway",
                verb="headend.store_pushes",
                subject=f"{what.bearer.lower()}:{address}",
                code=what.code[:40],
            )
