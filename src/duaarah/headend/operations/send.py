# SPDX-License-Identifier: Apache-2.0
"""T3: claim due commands, advance the counters, build the frames, queue their segments. One transaction a batch."""

from __future__ import annotations

import datetime as dt
import json
import logging
import uuid
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from django.db import IntegrityError, connection, transaction

from duaarah.core.intent import Command as Intent
from duaarah.core.intent import LoadCredit, SetLowCreditThreshold, SetReportingPlan
from duaarah.core.order import Order, OrderKind
from duaarah.core.replay import COUNTER_MAX
from duaarah.core.smsplan import ReportingPlan
from duaarah.headend.models import Command
from duaarah.headend.operations.paces import lanes
from duaarah.headend.operations.sealing import SealTerms, seal_terms
from duaarah.headend.ports import Driver, KeyMaker
from duaarah.sms.models import Bind, MessageClass, Priority
from duaarah.sms.operations import SegmentOrder, enqueue_segments
from duaarah.sms.queries import frame_route

LOG = logging.getLogger(__name__)
BATCH_MAX = 50
# Of all lanes together: what one call of enqueue_segments takes.
BATCH_MAX_ALL = 200
DATA_CODING_8BIT = 4

# The counter row is locked with the command: one sender at a time for each meter, and no counter is given twice.
_CLAIM = """
SELECT c.id, c.kind, c.payload, c.priority, c.correlation, c.attempts, c.meter_id,
    m.drn, m.profile, s.msisdn, s.operator_id, m.zone, coalesce(r.cell, '')
FROM headend_command c
JOIN headend_invocationcounter k ON k.meter_id = c.meter_id
JOIN registry_meter m ON m.id = c.meter_id
JOIN registry_pairing p ON p.meter_id = c.meter_id AND p.valid @> %(now)s::timestamptz
JOIN registry_sim s ON s.id = p.sim_id
LEFT JOIN headend_meterreach r ON r.meter_id = c.meter_id
WHERE c.state = 'QUEUED' AND c.not_before_at <= clock_timestamp() AND c.expires_at > %(now)s
    AND k.to_meter_latest < %(counter_max)s
    AND c.kind NOT IN ('READ_METER', 'READ_PROFILE')
    AND c.bundled_with_id IS NULL
    AND (coalesce(r.host, '') = '' OR c.kind IN ('ROTATE_KEYS', 'PROVE_KEYS')
        OR c.attempts < r.sms_tries OR (c.attempts - r.sms_tries) %% 2 = 1)
    AND {lane}
    AND NOT EXISTS (SELECT 1 FROM headend_command o WHERE o.meter_id = c.meter_id AND o.state = 'SENT')
    -- Oldest token first: a newer one does not pass an older one that backs off.
    AND NOT (c.kind = 'LOAD_CREDIT' AND EXISTS (
        SELECT 1 FROM headend_command o WHERE o.meter_id = c.meter_id AND o.kind = 'LOAD_CREDIT' AND o.id < c.id
            AND o.state = 'QUEUED' AND o.expires_at > %(now)s
            AND (o.not_before_at > clock_timestamp() OR o.bundled_with_id IS NOT NULL)))
ORDER BY c.priority, c.id LIMIT %(limit)s FOR UPDATE OF c, k SKIP LOCKED
"""

# Who is claimed in which round: the networks without a pace together, each other one by itself, so that a network whose
# bucket is empty keeps nobody else waiting.
_FREE = "true"
_CELL = 12
_KEYS = (Command.Kind.ROTATE_KEYS, Command.Kind.PROVE_KEYS)
_UNPACED = "NOT (s.operator_id = ANY(%(paced)s))"
_LANE = "s.operator_id = %(operator)s AND c.priority {which} %(urgent)s AND NOT (coalesce(r.cell, '') = ANY(%(shut)s))"

_SENT = """
UPDATE headend_command SET state = 'SENT', attempts = attempts + 1, leased_at = clock_timestamp(),
    lease_until_at = clock_timestamp() + %s * interval '1 second'
WHERE id = ANY(%s)
"""

# Under way in another's message: its lease is that one's.
_BUNDLED = """
UPDATE headend_command SET attempts = attempts + 1, bundled_with_id = v.leader
FROM unnest(%s::bigint[], %s::bigint[]) AS v (member, leader) WHERE id = v.member
"""

_ATTEMPT = """
INSERT INTO headend_attempt (command_id, meter_id, counter, key_number, segment_id, started_at)
SELECT v.command, v.meter, v.counter, v.key_number, v.segment, clock_timestamp()
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::smallint[], %s::bigint[]) WITH ORDINALITY
    AS v (command, meter, counter, key_number, segment, number)
ORDER BY v.number
"""


@dataclass(frozen=True)
class _Due:
    command_id: int
    kind: str
    payload: dict[str, Any]
    priority: int
    correlation: uuid.UUID
    attempts: int
    meter_id: int
    drn: str
    profile: str
    msisdn: str
    operator_id: int
    zone: str
    cell: str
    seal: SealTerms
    # Further due commands of this meter, which may go in the same message.
    others: list[_Due] = field(default_factory=list)

    @property
    def counter(self) -> int:
        return self.seal.counter


def claim_and_send(*, driver: Driver, keys: KeyMaker, now: dt.datetime, lease_s: int, limit: int = BATCH_MAX) -> int:
    """
    Entry (T3): send up to `limit` due commands, oldest token first, one in flight a meter; returns how many.

    The meter is offline or the radio dead: the lease ends (`end_leases`) and the command goes again under a new counter.
    """
    try:
        with transaction.atomic(durable=True):
            due = _claim(now, limit)
            if due:
                _send(due, driver, keys, now, lease_s)
    except IntegrityError as error:
        # Two workers met at one meter between snapshot and lock; the one-in-flight constraint decided. Try again later.
        if "headend_one_in_flight" not in str(error):
            raise
        return 0
    for d in due:
        LOG.info("command %d goes under counter %d", d.command_id, d.counter, extra={"correlation": d.correlation})
    return len(due)


def _claim(now: dt.datetime, limit: int) -> list[_Due]:
    chosen = _chosen(now, limit)
    # The counters are kept as used here, before any frame is built.
    seals = seal_terms((meter_id, rows[0][1], rows[0][5]) for meter_id, rows in chosen.items())
    made = []
    for meter_id, rows in chosen.items():
        leader, *others = (_due(row, seals[meter_id]) for row in rows)
        # Keys go alone: what else is in the message would be read under others.
        if not any(each.kind in _KEYS for each in (leader, *others)):
            leader.others.extend(others)
        made.append(leader)
    return made


def _due(row: Any, seal: SealTerms) -> _Due:
    payload = row[2] if isinstance(row[2], dict) else json.loads(row[2])
    fields = (row[0], row[1], payload, *row[3:], seal)
    return _Due(*fields)


def _chosen(now: dt.datetime, limit: int) -> dict[int, list[Any]]:
    """The rows to send now, by meter: each network as far as its bucket reaches."""
    paced = lanes()
    if not paced:
        return _fetch(_FREE, {"now": now, "limit": limit})
    due = _fetch(_UNPACED, {"now": now, "limit": limit, "paced": [lane.operator_id for lane in paced]})
    for lane in paced:
        for urgent in (True, False):
            count = min(lane.left(limit, urgent=urgent), BATCH_MAX_ALL - len(due))
            if count <= 0:
                continue
            what = {
                **{"now": now, "limit": count, "operator": lane.operator_id, "urgent": Priority.REPLY.value},
                "shut": lane.shut(urgent=urgent),
            }
            found = _fetch(_LANE.format(which="<=" if urgent else ">"), what)
            for meter_id, rows in found.items():
                if meter_id not in due and lane.take(rows[0][_CELL], urgent=urgent):
                    due[meter_id] = rows
        lane.close()
    return due


def _fetch(lane: str, parameters: dict[str, Any]) -> dict[int, list[Any]]:
    """The rows of the due commands of each meter in their order, by meter."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM.format(lane=lane), {"counter_max": COUNTER_MAX, **parameters})
        rows = cursor.fetchall()
    first: dict[int, list[Any]] = {}
    for row in rows:
        first.setdefault(row[6], []).append(row)
    return first


def _send(due: list[_Due], driver: Driver, keys: KeyMaker, now: dt.datetime, lease_s: int) -> None:
    routes = {operator_id: frame_route(operator_id=operator_id) for operator_id in {d.operator_id for d in due}}
    made = [_order(d, *routes[d.operator_id], driver, keys, now, lease_s) for d in due]
    segments = enqueue_segments([order for order, _ in made], now=now)
    # Leaders first, then members in their order: so their results will stand in the answer.
    pairs = [(d, d, segment) for d, segment in zip(due, segments, strict=True)]
    for d, (_, count), segment in zip(due, made, segments, strict=True):
        pairs += [(member, d, segment) for member in d.others[: count - 1]]
    with connection.cursor() as cursor:
        cursor.execute(_SENT, [lease_s, [d.command_id for d in due]])
        cursor.execute(
            _ATTEMPT,
            [
                [member.command_id for member, _, _ in pairs],
                [leader.meter_id for _, leader, _ in pairs],
                [leader.counter for _, leader, _ in pairs],
                [leader.seal.key_number for _, leader, _ in pairs],
                [segment for _, _, segment in pairs],
            ],
        )
        bundled = [(member.command_id, leader.command_id) for member, leader, _ in pairs if member is not leader]
        if bundled:
            cursor.execute(_BUNDLED, [list(column) for column in zip(*bundled, strict=True)])


def _order(
    due: _Due, bind: Bind, source: str, driver: Driver, keys: KeyMaker, now: dt.datetime, lease_s: int
) -> tuple[SegmentOrder, int]:
    """The segment, and how many commands it carries: this one and the first of the others."""
    payload, count = driver.bundle(
        profile=due.profile,
        intents=[_intent(each, keys, now) for each in (due, *due.others)],
        keys=keys.meter_keys(drn=due.drn, wrapped=due.seal.keys_wrapped),
        counter=due.counter,
    )
    segment = SegmentOrder(
        bind_id=bind.pk,
        meter_id=due.meter_id,
        message_class=MessageClass.METER_FRAME,
        priority=due.priority,
        retry=due.attempts > 0,
        source=source,
        destination=due.msisdn,
        data_coding=DATA_CODING_8BIT,
        payload=payload,
        # A stale frame must not act later than its command: it dies in the network with its lease.
        validity_s=lease_s,
        registered=True,
        correlation=due.correlation,
    )
    return segment, count


def _intent(due: _Due, keys: KeyMaker, now: dt.datetime) -> Intent:
    match due.kind:
        case Command.Kind.ROTATE_KEYS if due.seal.new_keys_wrapped is not None:
            return keys.transfer(drn=due.drn, wrapped=due.seal.new_keys_wrapped)
        case Command.Kind.ROTATE_KEYS | Command.Kind.PROVE_KEYS:
            # Any answer under the new keys proves them; the meter's registers are worth their SMS.
            return Order(kind=OrderKind.PUSH_NOW)
    return intent_of(due.kind, due.payload, due.zone, now)


def intent_of(
    kind: str, payload: dict[str, Any], zone: str, now: dt.datetime
) -> LoadCredit | SetLowCreditThreshold | SetReportingPlan | Order:
    """What a command row means when it goes out at `now`."""
    match kind:
        case Command.Kind.LOAD_CREDIT | Command.Kind.LOAD_KEY:
            return LoadCredit(token=payload["token"])
        case Command.Kind.SET_THRESHOLD:
            return SetLowCreditThreshold(threshold_wh=payload["threshold_wh"])
        case Command.Kind.SET_PLAN:
            return SetReportingPlan(ReportingPlan.of_values(payload["plan"]))
        case Command.Kind.CLOCK:
            # The time of the sending: that of the ordering is old by now.
            local = now.astimezone(ZoneInfo(zone)).replace(microsecond=0)
            return Order(kind=OrderKind.CLOCK, clock_at=local)
        case _ if kind.lower() in set(OrderKind):
            return Order.of_values(kind.lower(), payload)
    raise ValueError(f"No intent for command kind {kind}.")
