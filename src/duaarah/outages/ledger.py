# SPDX-License-Identifier: Apache-2.0
"""
Writing what was inferred: outages, interruptions, supply states (joining).

An interruption that changed becomes a new version, the former stays superseded; what a person decided (`excluded`, a
cause) goes along. An outage keeps its row while its begin, end and level are corrected.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Sequence

from django.db import connection
from django.db.models import Q

from duaarah.core.outage import Event, Picture, Span
from duaarah.core.outage import State as Supply
from duaarah.outages.models import Cause, Interruption, MeterSupply, Outage, PlannedOutage
from duaarah.registry.models import Meter

NEAR = dt.timedelta(minutes=10)
# From so many customers on an outage is wide by itself: its notices are paced.
WIDE_FROM = 200
PLAN_SLACK = dt.timedelta(minutes=30)
SUSPECTED = Outage.State.SUSPECTED
OPEN = (SUSPECTED, Outage.State.DECLARED)


def write_picture(
    *, picture: Picture, meters: Sequence[int], since_at: dt.datetime, final_at: dt.datetime, now: dt.datetime
) -> None:
    """
    Joining: make the rows of these meters and of their nodes, from `since_at` on, say what the picture says.

    What began before `final_at` and is over stays as it is: the words that made it may be gone.
    """
    # Silence began with the last word, however long ago; what is suspected of it is judged by what is known today.
    events = [e for e in picture.events if e.begin_at >= since_at or e.state == SUSPECTED]
    rows = _write_outages(events, meters, (since_at, final_at), now)
    spans = [s for s in picture.spans if s.begin_at >= since_at]
    _write_interruptions(spans, rows, meters, (since_at, final_at), now)
    _write_supply(picture, meters, now)


def _nodes_above(meters: Sequence[int]) -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE up AS (SELECT n.id, n.parent_id FROM registry_networknode n WHERE n.id IN"
            " (SELECT transformer_id FROM registry_meter WHERE id = ANY(%s)) UNION"
            " SELECT n.id, n.parent_id FROM registry_networknode n JOIN up ON n.id = up.parent_id) SELECT id FROM up",
            [list(meters)],
        )
        return {row[0] for row in cursor.fetchall()}


def _write_outages(
    events: Sequence[Event], meters: Sequence[int], bounds: tuple[dt.datetime, dt.datetime], now: dt.datetime
) -> list[tuple[Event, Outage]]:
    nodes = _nodes_above(meters)
    since_at, final_at = bounds
    live = Outage.objects.select_for_update().filter(Q(began_at__gte=since_at) | Q(state=SUSPECTED))
    live = live.exclude(state=Outage.State.WITHDRAWN).exclude(began_at__lt=final_at, ended_at__isnull=False)
    old = [row for row in live if row.meter_id in set(meters) or row.node_id in nodes]
    left = {row.pk: row for row in old}
    written = []
    for event in events:
        row = next((row for row in left.values() if _is(row, event)), None)
        if row is None and event.begin_at < final_at and event.state != SUSPECTED:
            continue
        if row is None:
            row = Outage(level=event.level, known_at=event.known_at)
            if event.level == "METER":
                row.meter_id = event.subject
            else:
                row.node_id = event.subject
        else:
            del left[row.pk]
        _fill(row, event, now)
        written.append((event, row))
    for row in left.values():
        if row.closed_at is not None and row.evidence.get("closed_by") and row.state == Outage.State.CLOSED:
            continue
        part_of = next((kept.pk for event, kept in written if _holds(event, row)), None)
        row.state, row.closed_at = Outage.State.WITHDRAWN, now
        if part_of is not None:
            row.evidence = {**row.evidence, "part_of": part_of}
        row.save()
    return written


def _is(row: Outage, event: Event) -> bool:
    subject = row.meter_id if row.level == "METER" else row.node_id
    if row.level != event.level or subject != event.subject:
        return False
    near = abs(row.began_at - event.begin_at) <= NEAR
    return near or (row.ended_at is None and event.begin_at <= row.began_at)


def _holds(event: Event, row: Outage) -> bool:
    return event.level != "METER" and row.meter_id in event.affected and abs(event.begin_at - row.began_at) <= NEAR


def _fill(row: Outage, event: Event, now: dt.datetime) -> None:
    """The row says what the event says; it is saved when that is new. Who closed it by hand is not contradicted."""
    before = _of(row)
    row.began_at = event.begin_at
    row.known_at = min(row.known_at, event.known_at)
    row.affected = len(event.affected)
    row.wide = row.wide or row.affected >= WIDE_FROM
    by_hand = {key: row.evidence[key] for key in ("closed_by", "declared_by", "estimated_by") if key in row.evidence}
    row.evidence = {**dict(event.counts), **by_hand, **({"nested": True} if event.nested else {})}
    if "closed_by" not in by_hand or event.end_at is not None:
        row.ended_at = event.end_at
        row.state = event.state
    if row.state == Outage.State.DECLARED and row.declared_at is None:
        row.declared_at = now
    if row.state == Outage.State.CLOSED:
        row.declared_at = row.declared_at or now
        row.closed_at = row.closed_at or now
    else:
        row.closed_at = None
    if row.planned_id is None and row.cause == Cause.UNPLANNED:
        plan = planned_for(row)
        if plan is not None:
            row.planned_id, row.cause = plan.pk, Cause.PLANNED
    if row.pk is None or _of(row) != before:
        row.save()


def _of(row: Outage) -> tuple[object, ...]:
    return (row.began_at, row.ended_at, row.state, row.affected, row.evidence, row.planned_id, row.known_at)


def planned_for(row: Outage) -> PlannedOutage | None:
    """The announced work that explains this outage: on its node or above it, about then."""
    node = row.node
    if row.meter_id is not None:
        meter = Meter.objects.select_related("transformer").get(pk=row.meter_id)
        node = meter.transformer
    above = []
    while node is not None:
        above.append(node.pk)
        node = node.parent
    return (
        PlannedOutage.objects.filter(
            node_id__in=above,
            state__in=[PlannedOutage.State.ANNOUNCED, PlannedOutage.State.DONE],
            begin_at__lte=row.began_at + PLAN_SLACK,
            end_at__gt=row.began_at - PLAN_SLACK,
        )
        .order_by("begin_at", "pk")
        .first()
    )


def _write_interruptions(
    spans: Sequence[Span],
    outages: Sequence[tuple[Event, Outage]],
    meters: Sequence[int],
    bounds: tuple[dt.datetime, dt.datetime],
    now: dt.datetime,
) -> None:
    since_at, final_at = bounds
    current: dict[int, list[Interruption]] = {}
    rows = Interruption.objects.select_for_update().filter(
        meter_id__in=meters, superseded_at=None, began_at__gte=since_at
    )
    for row in rows.exclude(began_at__lt=final_at, ended_at__isnull=False).order_by("began_at"):
        current.setdefault(row.meter_id, []).append(row)
    made, gone = [], []
    for span in spans:
        mine = current.get(span.meter, [])
        old = next((row for row in mine if _same(row, span)), None)
        if old is not None:
            mine.remove(old)
        elif span.begin_at < final_at:
            continue
        outage = _outage_of(span, outages)
        if (
            span.end_at is None
            and outage is not None
            and outage.ended_at is not None
            and "closed_by" in outage.evidence
        ):
            # An operator closed it; until the meter itself says when, his word holds.
            span = dataclasses.replace(span, end_at=max(outage.ended_at, span.begin_at))
        if old is not None and _unchanged(old, span, outage):
            continue
        if old is not None:
            gone.append(old.pk)
        made.append(_version(span, old, outage, now))
    gone += [row.pk for left in current.values() for row in left]
    # First out, then in: a meter has one current version a begin.
    Interruption.objects.filter(pk__in=gone).update(superseded_at=now)
    Interruption.objects.bulk_create(made)


def _same(row: Interruption, span: Span) -> bool:
    if abs(row.began_at - span.begin_at) <= NEAR:
        return True
    return row.began_at < (span.end_at or span.begin_at + NEAR) and span.begin_at < (row.ended_at or row.began_at)


def _outage_of(span: Span, outages: Iterable[tuple[Event, Outage]]) -> Outage | None:
    """Its event's row; of two of one node the nearer."""
    mine = [
        (abs(event.begin_at - span.begin_at), row.pk, row)
        for event, row in outages
        if (event.level, event.subject) == span.event and not event.nested
    ]
    return min(mine)[2] if mine else None


def _unchanged(row: Interruption, span: Span, outage: Outage | None) -> bool:
    known = (row.began_at, row.ended_at, row.source, row.outage_id)
    return known == (span.begin_at, span.end_at, span.source, outage.pk if outage else None)


def _version(span: Span, old: Interruption | None, outage: Outage | None, now: dt.datetime) -> Interruption:
    cause = outage.cause if outage is not None else Cause.UNPLANNED
    return Interruption(
        meter_id=span.meter,
        outage=outage,
        began_at=span.begin_at,
        ended_at=span.end_at,
        known_at=min(old.known_at, span.known_at) if old is not None else span.known_at,
        source=span.source,
        cause=old.cause if old is not None and old.cause != Cause.UNPLANNED else cause,
        excluded=old.excluded if old is not None else "",
        version=old.version + 1 if old is not None else 1,
        recorded_at=now,
    )


def _write_supply(picture: Picture, meters: Sequence[int], now: dt.datetime) -> None:
    """Supply states that the picture knows better. Whoever has no row and is lit needs none."""
    known = dict(MeterSupply.objects.filter(meter_id__in=meters).values_list("meter_id", "state"))
    off_since = {span.meter: span.begin_at for span in picture.spans if span.end_at is None}
    open_spans = set(
        Interruption.objects.filter(meter_id__in=meters, superseded_at=None, ended_at=None).values_list(
            "meter_id", flat=True
        )
    )
    changes: dict[int, tuple[str, dt.datetime]] = {}
    for meter in meters:
        state = picture.states.get(meter, Supply.NYALA)
        before = known.get(meter)
        if state is Supply.PADAM:
            if meter in open_spans and before != state.value:
                changes[meter] = (state.value, off_since.get(meter, now))
        elif before == Supply.PADAM.value or state is Supply.MODEM or before == Supply.MODEM.value:
            changes[meter] = (state.value, now)
    with connection.cursor() as cursor:
        cursor.executemany(_SUPPLY, [(meter, *changes[meter]) for meter in sorted(changes)])


_SUPPLY = """
INSERT INTO outages_metersupply AS s (meter_id, state, since_at) VALUES (%s, %s, %s)
ON CONFLICT (meter_id) DO UPDATE SET state = excluded.state, since_at = excluded.since_at
    WHERE s.state <> excluded.state
"""
