# SPDX-License-Identifier: Apache-2.0
"""Commands over IP: claimed with counters kept before use, woken first where the modem sleeps, answered at once."""

from __future__ import annotations

import datetime as dt
import json
import logging
import uuid
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, connection, transaction

from duaarah.audit import operations as audit
from duaarah.core.replay import COUNTER_MAX, WIDTH, ReplayWindow
from duaarah.headend.key_models import OPEN, KeyRotation
from duaarah.headend.models import MeterLine, MeterReach
from duaarah.headend.operations.sealing import put_in_force, seal_terms
from duaarah.headend.operations.send import DATA_CODING_8BIT, intent_of
from duaarah.headend.ports import Carried, Driver, KeyUnwrapper, SessionCall
from duaarah.registry.models import Meter
from duaarah.sms.models import MessageClass, Priority
from duaarah.sms.operations import SegmentOrder, enqueue_segments
from duaarah.sms.queries import frame_route

LOG = logging.getLogger(__name__)
# Invocation counters kept for one session: association, proof, and a load profile of many blocks.
COUNTERS_EACH = 256
WAKE_S, AWAKE_S = 10, 120
SMS_TRIES_MAX = 8

# By IP goes what is read, and what so many frames by SMS did not get done; then both bearers take turns.
_CLAIM = """
SELECT c.id, c.kind, c.payload, c.correlation, c.meter_id, m.drn, m.profile, m.dlms_keys_wrapped, m.system_title,
    k.to_meter_latest, k.from_meter_highest, k.from_meter_bitmap, m.zone, r.host, r.port,
    r.wakes AND coalesce(r.woken_at < clock_timestamp() - %(awake)s * interval '1 second', true),
    s.msisdn, s.operator_id, c.attempts
FROM headend_command c
JOIN headend_invocationcounter k ON k.meter_id = c.meter_id
JOIN headend_meterreach r ON r.meter_id = c.meter_id AND r.host <> ''
JOIN registry_meter m ON m.id = c.meter_id
JOIN registry_pairing p ON p.meter_id = c.meter_id AND p.valid @> %(now)s::timestamptz
JOIN registry_sim s ON s.id = p.sim_id
WHERE c.state = 'QUEUED' AND c.not_before_at <= clock_timestamp() AND c.expires_at > %(now)s
    AND c.kind NOT IN ('ROTATE_KEYS', 'PROVE_KEYS')
    AND (c.kind IN ('READ_METER', 'READ_PROFILE')
         OR (c.attempts >= r.sms_tries AND (c.attempts - r.sms_tries) %% 2 = 0))
    AND c.bundled_with_id IS NULL AND k.to_meter_latest + %(counters)s <= %(counter_max)s
    AND NOT EXISTS (SELECT 1 FROM headend_command o WHERE o.meter_id = c.meter_id AND o.state = 'SENT')
    -- Oldest token first: a newer one does not pass an older one that backs off.
    AND NOT (c.kind = 'LOAD_CREDIT' AND EXISTS (
        SELECT 1 FROM headend_command o WHERE o.meter_id = c.meter_id AND o.kind = 'LOAD_CREDIT' AND o.id < c.id
            AND o.state = 'QUEUED' AND o.expires_at > %(now)s
            AND (o.not_before_at > clock_timestamp() OR o.bundled_with_id IS NOT NULL)))
    AND NOT EXISTS (SELECT 1 FROM headend_meterline l WHERE l.meter_id = c.meter_id AND l.held_until_at > clock_timestamp())
ORDER BY c.priority, c.id LIMIT %(limit)s FOR UPDATE OF c, k, r SKIP LOCKED
"""

_SENT = """
UPDATE headend_command SET state = 'SENT', attempts = attempts + 1, leased_at = clock_timestamp(),
    lease_until_at = clock_timestamp() + %s * interval '1 second'
WHERE id = %s
"""

_ATTEMPT = """
INSERT INTO headend_attempt (command_id, meter_id, counter, key_number, segment_id, bearer, started_at)
VALUES (%s, %s, %s, %s, %s, %s, clock_timestamp())
"""

_NUMBER = """
SELECT key_number, from_meter_highest, from_meter_bitmap FROM headend_invocationcounter WHERE meter_id = %s
"""

_LATER = "UPDATE headend_command SET not_before_at = clock_timestamp() + %s * interval '1 second' WHERE id = %s"

_WOKEN = "UPDATE headend_meterreach SET woken_at = clock_timestamp() WHERE meter_id = %s"


@dataclass(frozen=True, kw_only=True)
class ClaimedSession:
    """A command whose session may begin: its attempt and its counters are committed."""

    command_id: int
    meter_id: int
    correlation: uuid.UUID
    call: SessionCall
    key_number: int = 0


def claim_sessions(
    *, driver: Driver, keys: KeyUnwrapper, now: dt.datetime, lease_s: int, limit: int
) -> list[ClaimedSession]:
    """
    Entry: up to `limit` commands that go over IP now, one in flight a meter.

    A modem that sleeps gets its wake-up SMS, and the command comes again when it has had time to connect. A process
    that dies before the session leaves a lease that ends; the counters kept for it are skipped, never used twice.
    """
    if limit <= 0:
        return []
    claimed: dict[int, ClaimedSession] = {}
    try:
        with transaction.atomic(durable=True):
            with connection.cursor() as cursor:
                counters = {"counters": COUNTERS_EACH, "counter_max": COUNTER_MAX}
                cursor.execute(_CLAIM, {"now": now, "limit": limit, "awake": AWAKE_S, **counters})
                rows = cursor.fetchall()
            for row in rows:
                if row[4] in claimed:
                    continue
                if row[15] and _wake(row, driver, keys, now):
                    continue
                claimed[row[4]] = _claimed(row, keys, now, lease_s)
    except IntegrityError as error:
        if "headend_one_in_flight" not in str(error):
            raise
        return []
    return list(claimed.values())


def _claimed(row: tuple[Any, ...], keys: KeyUnwrapper, now: dt.datetime, lease_s: int) -> ClaimedSession:
    command_id, kind, payload, correlation, meter_id, drn, profile, _wrapped, title = row[:9]
    # Keys and counters together, after the lock: what the claim has read of them may be of before a change of keys.
    seal = seal_terms([(meter_id, kind, row[18])], counters_each=COUNTERS_EACH)[meter_id]
    with connection.cursor() as cursor:
        cursor.execute(_SENT, [lease_s, command_id])
        cursor.execute(_ATTEMPT, [command_id, meter_id, seal.counter, seal.key_number, None, "IP"])
        cursor.execute(_NUMBER, [meter_id])
        present, highest, bitmap = cursor.fetchone()
    # Keys that the meter may have instead of those in force have no counters yet.
    known = (
        ReplayWindow(highest, int.from_bytes(bytes(bitmap), "big")) if seal.key_number == present else ReplayWindow()
    )
    call = SessionCall(
        profile=profile,
        host=row[13],
        port=row[14],
        system_title=bytes(title),
        keys=keys.meter_keys(drn=drn, wrapped=seal.keys_wrapped),
        intent=intent_of(kind, payload if isinstance(payload, dict) else json.loads(payload), row[12], now),
        first_counter=seal.counter,
        counters=COUNTERS_EACH,
        window=known,
    )
    return ClaimedSession(
        command_id=command_id, meter_id=meter_id, correlation=correlation, call=call, key_number=seal.key_number
    )


def _wake(row: tuple[Any, ...], driver: Driver, keys: KeyUnwrapper, now: dt.datetime) -> bool:
    """Put the wake-up SMS on its way; False when this kind of meter needs none."""
    command_id, correlation, meter_id, drn, profile = row[0], row[3], row[4], row[5], row[6]
    seal = seal_terms([(meter_id, row[1], row[18])])[meter_id]
    sealing = keys.meter_keys(drn=drn, wrapped=seal.keys_wrapped)
    payload = driver.wake_up(profile=profile, keys=sealing, counter=seal.counter)
    if payload is None:
        return False
    bind, source = frame_route(operator_id=row[17])
    wake = SegmentOrder(
        bind_id=bind.pk,
        meter_id=meter_id,
        message_class=MessageClass.METER_FRAME,
        priority=Priority.TOKEN,
        retry=True,
        source=source,
        destination=row[16],
        data_coding=DATA_CODING_8BIT,
        payload=payload,
        validity_s=AWAKE_S,
        registered=True,
        correlation=correlation,
    )
    with connection.cursor() as cursor:
        [segment] = enqueue_segments([wake], now=now)
        cursor.execute(_ATTEMPT, [command_id, meter_id, seal.counter, seal.key_number, segment, "WAKE"])
        cursor.execute(_WOKEN, [meter_id])
        cursor.execute(_LATER, [WAKE_S, command_id])
    return True


# The lease ends now: `end_leases` puts the command back with its backoff, or gives it up.
_FAILED = "UPDATE headend_command SET lease_until_at = clock_timestamp() WHERE id = %s AND state = 'SENT'"


def session_failed(*, claimed: ClaimedSession, window: ReplayWindow, why: str, now: dt.datetime) -> None:
    """Entry: the session came to nothing; what the meter did is not known, so the command goes again."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        take_window(meter_id=claimed.meter_id, window=window, key_number=claimed.key_number, heard=False, now=now)
        cursor.execute(_FAILED, [claimed.command_id])
    LOG.info("command %d: no session (%s)", claimed.command_id, why, extra={"correlation": claimed.correlation})


_WINDOW = """
SELECT from_meter_highest, from_meter_bitmap, key_number FROM headend_invocationcounter WHERE meter_id = %s FOR UPDATE
"""
_TAKEN = "UPDATE headend_invocationcounter SET from_meter_highest = %s, from_meter_bitmap = %s WHERE meter_id = %s"
_CONTACT = """
UPDATE headend_invocationcounter SET latest_contact_at = %(now)s, balance_wh = coalesce(%(balance)s, balance_wh),
    balance_at = CASE WHEN %(balance)s::bigint IS NULL THEN balance_at ELSE %(now)s END
WHERE meter_id = %(meter)s
"""


def merge(one: ReplayWindow, other: ReplayWindow) -> ReplayWindow:
    """What either of two windows has taken, is taken."""
    high, low = (one, other) if one.highest >= other.highest else (other, one)
    ahead = high.highest - low.highest
    below = low.bitmap << ahead | (1 << (ahead - 1) if ahead and low.highest else 0)
    return ReplayWindow(high.highest, (high.bitmap | below) & ((1 << WIDTH) - 1))


def take_window(*, meter_id: int, window: ReplayWindow, key_number: int, heard: bool, now: dt.datetime) -> None:
    """
    Joining: the meter's counters of a session, together with those that SMS brought meanwhile.

    `heard`: the meter has answered under these keys; if they are new ones, they are in force from here on.
    """
    with connection.cursor() as cursor:
        cursor.execute(_WINDOW, [meter_id])
        highest, bitmap, present = cursor.fetchone()
        if key_number != present and heard:
            rotation = KeyRotation.objects.filter(meter_id=meter_id, number=key_number, state__in=OPEN).first()
            if rotation is not None:
                put_in_force(rotation=rotation, now=now)
                cursor.execute(_WINDOW, [meter_id])
                highest, bitmap, present = cursor.fetchone()
        if key_number != present:
            return
        merged = merge(ReplayWindow(highest, int.from_bytes(bytes(bitmap), "big")), window)
        cursor.execute(_TAKEN, [merged.highest, merged.bitmap.to_bytes(8, "big"), meter_id])


def record_contact(*, meter_id: int, carried: Carried, now: dt.datetime) -> None:
    """Joining: the meter has spoken; its credit, where it told it."""
    balance_wh = carried.values.get("balance_wh", carried.values.get("credit_left_wh"))
    with connection.cursor() as cursor:
        cursor.execute(_CONTACT, {"now": now, "balance": balance_wh, "meter": meter_id})


class ReachRefused(Exception):
    """An address that cannot be. Nothing was changed."""

    code = "reach_refused"
    retryable = False


def set_reach(
    *, meter: Meter, host: str, port: int, wakes: bool, sms_tries: int, actor: str, now: dt.datetime
) -> MeterReach:
    """
    Entry: where a meter is reached over IP, and after how many frames by SMS; an empty host: not at all.

    Raises:
        ReachRefused: a host, a port or a number that cannot be.
    """
    fine = len(host) <= 120 and all(letter.isalnum() or letter in ".-:" for letter in host)
    if not (fine and 0 < port < 65_536 and 0 <= sms_tries <= SMS_TRIES_MAX):
        raise ReachRefused("A host's name or address, a port, and 0 to 8 frames are needed.")
    values: dict[str, Any] = {"host": host, "port": port, "wakes": wakes, "sms_tries": sms_tries}
    with transaction.atomic(durable=True):
        made, _ = MeterReach.objects.update_or_create(meter=meter, defaults=values)
        # The same address serves keys and firmware, over the same one connection at a time.
        if host:
            line = {"host": host, "port": port, "set_at": now, "set_by": actor}
            MeterLine.objects.update_or_create(meter=meter, defaults=line)
        else:
            MeterLine.objects.filter(meter=meter).delete()
        audit.record(at=now, actor=actor, verb="headend.set_reach", subject=f"meter:{meter.pk}", detail=values)
    return made
