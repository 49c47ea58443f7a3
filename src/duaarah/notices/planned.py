# SPDX-License-Identifier: Apache-2.0
"""Announcing planned work and calling it off: the state of the calendar and the notices commit together."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from duaarah.audit import operations as audit
from duaarah.notices.padam import write_notices, write_rows
from duaarah.notices.padam_models import OutageNotice
from duaarah.outages.deeds import OutageRefused
from duaarah.outages.models import PlannedOutage
from duaarah.outages.planning import meters_below

State = PlannedOutage.State


def announce(*, planned_id: int, actor: str, now: dt.datetime) -> int:
    """
    Entry: each phone of each customer below the node gets one notice, paced; returns how many. Announced twice is once.

    Raises:
        OutageRefused: "not_draft": called off, over, or its begin has passed.
    """
    with transaction.atomic(durable=True):
        plan = PlannedOutage.objects.select_for_update().get(pk=planned_id)
        if plan.state == State.ANNOUNCED:
            return plan.told
        if plan.state == State.DRAFT and plan.begin_at > now:
            outage_of: dict[int, int | None] = dict.fromkeys(meters_below(node_id=plan.node_id))
            kind = OutageNotice.Kind.PLANNED
            plan.told = write_notices(kind=kind, outage_of=outage_of, planned_id=plan.pk, now=now)
            plan.state, plan.announced_at = State.ANNOUNCED, now
            plan.save(update_fields=["told", "state", "announced_at"])
            detail = {"told": plan.told}
            audit.record(at=now, actor=actor, verb="notices.announce", subject=f"planned:{plan.pk}", detail=detail)
            return plan.told
    _refused("announce", planned_id, actor, now)
    return 0


def call_off(*, planned_id: int, actor: str, reason: str, now: dt.datetime) -> int:
    """
    Entry: no work after all. Who was told is told of it; who still waited for his notice hears nothing. How many are told.

    Raises:
        OutageRefused: "not_open": over or called off already.
    """
    with transaction.atomic(durable=True):
        plan = PlannedOutage.objects.select_for_update().get(pk=planned_id)
        if plan.state in (State.DRAFT, State.ANNOUNCED) and plan.end_at > now:
            mine = OutageNotice.objects.select_for_update().filter(planned=plan, kind=OutageNotice.Kind.PLANNED)
            told = list(mine.filter(state=OutageNotice.State.SENT).order_by("pk"))
            mine.filter(state=OutageNotice.State.WAITING).update(state=OutageNotice.State.DROPPED)
            plan.state = State.CANCELLED
            plan.save(update_fields=["state"])
            made = write_again(told, now)
            audit.record(
                at=now,
                actor=actor,
                verb="notices.call_off",
                subject=f"planned:{plan.pk}",
                reason=reason.strip(),
                detail={"told": made},
            )
            return made
    _refused("call_off", planned_id, actor, now)
    return 0


def write_again(told: list[OutageNotice], now: dt.datetime) -> int:
    """Joining: the same phones as were told, once more."""
    kind = OutageNotice.Kind.CANCELLED
    return write_rows(kind, [(r.meter_id, r.phone, r.operator_id, None, r.planned_id) for r in told], now)


def _refused(verb: str, planned_id: int, actor: str, now: dt.datetime) -> None:
    code = "not_draft" if verb == "announce" else "not_open"
    with transaction.atomic(durable=True):
        audit.record_refusal(at=now, actor=actor, verb=f"notices.{verb}", subject=f"planned:{planned_id}", code=code)
    raise OutageRefused(code, "The planned work is over, called off or has begun.")
