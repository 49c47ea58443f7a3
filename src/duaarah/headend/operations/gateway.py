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

DIGEST_OCTETS = 16
# Rows of refusals an hour that name an address; whoever comes after them is counted under `*`.
ADDRESSES_MAX = 200
OTHERS = "*"

_METERS = "SELECT id, drn, profile, system_title, dlms_keys_wrapped FROM registry_meter WHERE system_title = ANY(%s)"

_STORE = """
INSERT INTO headend_inboundframe (meter_id, bearer, framing, peer, raw, apdu, apdu_at, digest, received_at, arrived_at,
    state, attempts, outcome)
SELECT v.meter_id, v.bearer, v.framing, v.peer, v.raw, v.apdu, v.apdu_at, v.digest, clock_timestamp(), %s,
    'RECEIVED', 0, ''
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::bytea[], %s::bytea[], %s::int[], %s::bytea[])
    AS v (meter_id, bearer, framing, peer, raw, apdu, apdu_at, digest)
ON CONFLICT DO NOTHING
"""

_LOCK = "SELECT meter_id FROM headend_invocationcounter WHERE meter_id = ANY(%s) ORDER BY meter_id FOR UPDATE"

_COUNTERS = """
UPDATE headend_invocationcounter SET to_meter_latest = to_meter_latest + v.taken
FROM unnest(%s::bigint[], %s::bigint[]) AS v (meter_id, taken)
WHERE headend_invocationcounter.meter_id = v.meter_id
RETURNING v.meter_id, to_meter_latest
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
        return {bytes(row[3]): KnownMeter(row[0], row[1], row[2], bytes(row[4])) for row in cursor.fetchall()}


def store_pushes(*, pushes: Sequence[ArrivedPush], now: dt.datetime) -> list[int | None]:
    """
    Entry: keep these pushes; for each that wants a confirmation the counter to send it under, taken before it is used.

    One that was stored before is not stored again, and confirmed again: its sender did not hear us.
    """
    if not pushes:
        return []
    waiting = [push.meter_id for push in pushes if push.confirm]
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_STORE, _columns(pushes, now))
        latest: dict[int, int] = {}
        if waiting:
            meters = sorted(set(waiting))
            cursor.execute(_LOCK, [meters])
            cursor.execute(_COUNTERS, [meters, [waiting.count(meter) for meter in meters]])
            latest = dict(cursor.fetchall())
    counters: list[int | None] = []
    for push in reversed(pushes):
        counter = None
        if push.confirm and push.meter_id in latest:
            counter = latest[push.meter_id]
            latest[push.meter_id] -= 1
        # A used-up counter confirms nothing any more; the push is kept all the same.
        counters.append(counter if counter is not None and counter <= COUNTER_MAX else None)
    return counters[::-1]


def _columns(pushes: Sequence[ArrivedPush], now: dt.datetime) -> list[Any]:
    # What the frame carries in one piece is kept once.
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
        [hashlib.sha256(push.apdu).digest()[:DIGEST_OCTETS] for push in pushes],
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
