# SPDX-License-Identifier: Apache-2.0
"""The calendar of planned work: drafts, how many they reach, realised against planned. Announcing is `notices.planned`."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.outages.deeds import OutageRefused
from duaarah.outages.models import Interruption, PlannedOutage
from duaarah.registry.models import NetworkNode

AHEAD_MAX, LONG_MAX = dt.timedelta(days=366), dt.timedelta(days=3)

_METERS = """
WITH RECURSIVE down AS (
    SELECT id FROM registry_networknode WHERE id = %s
    UNION ALL
    SELECT n.id FROM registry_networknode n JOIN down ON n.parent_id = down.id)
SELECT m.id FROM registry_meter m JOIN down ON m.transformer_id = down.id
WHERE NOT EXISTS (SELECT 1 FROM registry_nodemeter t WHERE t.meter_id = m.id AND upper_inf(t.valid)) ORDER BY m.id
"""


def meters_below(*, node_id: int) -> list[int]:
    """Customers' meters below a node; total meters are nobody's."""
    with connection.cursor() as cursor:
        cursor.execute(_METERS, [node_id])
        return [row[0] for row in cursor.fetchall()]


def draft_outage(
    *, node: NetworkNode, begin_at: dt.datetime, end_at: dt.datetime, reason: str, actor: str, now: dt.datetime
) -> PlannedOutage:
    """
    Entry: put work into the calendar as a draft; nobody is told. The same draft again is that draft.

    Raises:
        OutageRefused: "no_reason"; "bad_span": not in the future, longer than three days, or more than a year ahead.
    """
    if not reason.strip() or len(reason) > 200:
        raise OutageRefused("no_reason", "Planned work has a reason of up to 200 characters.")
    if not now < begin_at < end_at <= begin_at + LONG_MAX or begin_at > now + AHEAD_MAX:
        raise OutageRefused("bad_span", "Planned work begins in the future and lasts three days at most.")
    with transaction.atomic(durable=True):
        NetworkNode.objects.select_for_update(no_key=True).get(pk=node.pk)
        same = {"node": node, "begin_at": begin_at, "end_at": end_at, "reason": reason.strip()}
        made = PlannedOutage.objects.filter(**same).exclude(state=PlannedOutage.State.CANCELLED).first()
        if made is None:
            made = PlannedOutage.objects.create(**same, asked_by=actor, asked_at=now)
            audit.record(
                at=now, actor=actor, verb="outages.draft_outage", subject=f"planned:{made.pk}", reason=reason.strip()
            )
    return made


@dataclass(frozen=True)
class Realised:
    """What became of planned work: customers off, the first and the last minute, and minutes beyond the plan."""

    customers: int
    began_at: dt.datetime | None
    ended_at: dt.datetime | None
    early_s: int
    late_s: int


def realised(plan: PlannedOutage) -> Realised:
    """Realised against planned, of the interruptions that count now."""
    rows = list(
        Interruption.objects.filter(outage__planned=plan, superseded_at=None).values_list(
            "meter_id", "began_at", "ended_at"
        )
    )
    if not rows:
        return Realised(0, None, None, 0, 0)
    began_at = min(row[1] for row in rows)
    ends = [row[2] for row in rows]
    ended_at = None if None in ends else max(end for end in ends if end is not None)
    early_s = max((plan.begin_at - began_at).total_seconds(), 0)
    late_s = max((ended_at - plan.end_at).total_seconds(), 0) if ended_at else 0
    return Realised(len({row[0] for row in rows}), began_at, ended_at, int(early_s), int(late_s))


def end_plans(*, now: dt.datetime) -> int:
    """Entry: announced work whose time is over is done; how many."""
    with transaction.atomic(durable=True):
        return PlannedOutage.objects.filter(state=PlannedOutage.State.ANNOUNCED, end_at__lte=now).update(
            state=PlannedOutage.State.DONE
        )
