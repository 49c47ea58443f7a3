# SPDX-License-Identifier: Apache-2.0
"""What the newest span of a transformer says: indications per meter, faults of registers and clocks, lights, feed-in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction

from duaarah.analytics.losses.counting import Fact, assessed
from duaarah.analytics.losses.network import Place
from duaarah.analytics.losses.operations import replace_customers, write_versions
from duaarah.analytics.losses.panels import DAY, date_of, panel_of
from duaarah.analytics.losses.signals import signals_of
from duaarah.analytics.losses.sources import LOCK, Digests, Sources
from duaarah.analytics.models import LossFinding, LossState, LossSuspect
from duaarah.core.losses.assess import Assessment
from duaarah.core.losses.clocks import TOTAL
from duaarah.core.losses.rules import Indication, indications
from duaarah.core.losses.suspects import Suspect

if TYPE_CHECKING:
    from ibis.expr.types import Table

LOOSE = ("since_s", "until_s")  # a clock's span grows with the days
KINDS = (
    *(LossFinding.Kind.RESET, LossFinding.Kind.ROLLOVER, LossFinding.Kind.SWAP),
    *(LossFinding.Kind.CLOCK, LossFinding.Kind.FEED_IN, LossFinding.Kind.VACANT),
)


def state_due(place: Place, date: dt.date, digests: Digests) -> bool:
    """Whether the transformer's indications stand on something else than what is known of its newest day."""
    source = Sources(place, digests.get(place.node_id, {})).of(date)
    return not LossState.objects.filter(node_id=place.node_id, source=source).exists()


def rank_transformer(
    place: Place, date: dt.date, digests: Digests, open_days: Callable[[dt.date, dt.date], Table], *, now: dt.datetime
) -> int:
    """Entry: findings and indications of a transformer over the span to `date`; returns the rows written or ended."""
    sources = Sources(place, digests.get(place.node_id, {}))
    first, last = sources.span(date)
    there = replace_customers(place, date)
    panel = panel_of(there, open_days(first - DAY, last + DAY), first, last)
    found = assessed(there, panel, ranked=True)
    vacant = set(found.ranking.vacant) if found.ranking else set()
    rules = {s.meter_id: indications(s) for s in signals_of(panel, vacant=vacant, now=now)}
    findings = _findings(there, found)
    suspects = _suspects(found, rules, date)
    state = {
        "date": date,
        "since_date": None if found.since_day is None else date_of(found.since_day),
        "clean_days": found.model.clean_days,
        "plate_known": bool(place.plate and place.plate.known),
        "street_light_w": round(found.ranking.street_light_w, 0) if found.ranking else 0.0,
        "ranked": found.ranking is not None,
        "cannot_tell": bool(found.ranking and found.ranking.cannot_tell),
        "feed_in": bool(found.ranking and found.ranking.pv_suspected),
        "source": sources.of(date),
        "computed_at": now,
    }
    common = {"node_id": place.node_id}
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(LOCK)
        rows = LossFinding.objects.filter(superseded_at=None, kind__in=KINDS, node_id=place.node_id)
        # What lies before this span is not judged again.
        begin = dt.datetime.fromtimestamp(place.midnight_s(first), dt.UTC)
        known = {(row.meter_id, row.kind, row.at): row for row in rows if row.at is None or row.at > begin}
        written = write_versions(LossFinding, known, findings, common, now, loose=LOOSE, gone=True)
        current = LossSuspect.objects.filter(superseded_at=None, node_id=place.node_id)
        written += write_versions(
            LossSuspect, {row.meter_id: row for row in current}, suspects, common, now, beside=("date",), gone=True
        )
        LossState.objects.update_or_create(node_id=place.node_id, defaults=state)
    return written


def _findings(place: Place, found: Assessment) -> dict[Any, Fact]:
    """By meter, kind and instant; the total meter's clock stands under the total meter."""
    total = place.totals[-1].meter_id if place.totals else None
    made: dict[Any, Fact] = {}

    def add(meter_id: int | None, kind: str, at: dt.datetime | None, **detail: Any) -> None:
        if meter_id is not None:
            made[meter_id, kind, at] = {"meter_id": meter_id, "kind": kind, "at": at, "detail": detail}

    for register in found.registers:
        at = dt.datetime.fromtimestamp(register.end_s, dt.UTC)
        add(register.meter_id, register.kind, at, before_wh=register.before_wh, after_wh=register.after_wh)
    for clock in found.clocks:
        number = total if clock.meter_id == TOTAL else clock.meter_id
        add(number, LossFinding.Kind.CLOCK, None, lag_s=clock.lag_s, since_s=clock.since_s, until_s=clock.until_s)
    if found.ranking is not None:
        for number in found.ranking.pv:
            add(number, LossFinding.Kind.FEED_IN, None)
        for number in found.ranking.vacant:
            add(number, LossFinding.Kind.VACANT, None)
    return made


def _suspects(found: Assessment, rules: dict[int, list[Indication]], date: dt.date) -> dict[Any, Fact]:
    """Meters with a case or a rule that applies, best first: cases by score, then the others by their weightiest rules."""
    ranked = {s.meter_id: s for s in found.ranking.suspects} if found.ranking else {}
    listed = [m for m in {*ranked, *rules} if rules.get(m) or (m in ranked and ranked[m].case)]

    def order(meter_id: int) -> tuple[bool, float, float, int]:
        own = ranked.get(meter_id)
        weight = sum(one.weight for one in rules.get(meter_id, []))
        return (not (own and own.case), -(own.score if own and own.case else weight), -weight, meter_id)

    made = {}
    for rank, meter_id in enumerate(sorted(listed, key=order), start=1):
        made[meter_id] = _suspect(meter_id, rank, ranked.get(meter_id), rules.get(meter_id, []), date)
    return made


def _suspect(meter_id: int, rank: int, own: Suspect | None, rules: list[Indication], date: dt.date) -> Fact:
    """Figures as coarse as they are sure, so that a day more does not make a version of each."""
    case = bool(own and own.case)
    return {
        "meter_id": meter_id,
        "date": date,
        "rank": rank,
        "case": case,
        "score": round(own.score, 1) if own else 0.0,
        "mechanism": own.mechanism if own and case else "",
        "share": round(own.share, 2) if own and case else 0.0,
        "hidden_wh_day": round(own.hidden_wh_day, -1) if own and case else 0.0,
        "since_date": date_of(own.since_day) if own and case and own.since_day is not None else None,
        "alike": bool(own and own.alike),
        "rules": [[one.code, one.weight, round(one.figure, 2)] for one in rules],
    }
