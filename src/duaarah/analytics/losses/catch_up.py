# SPDX-License-Identifier: Apache-2.0
"""Losses kept up to what is known: cheap when nothing changed, resumed where a dead worker left it."""

from __future__ import annotations

import datetime as dt
import time
from zoneinfo import ZoneInfo

from duaarah.analytics.engines import open_readings
from duaarah.analytics.losses import firsts, mapping, operations, ranking
from duaarah.analytics.losses.network import WIB, Kind, Place, children_of, places
from duaarah.analytics.losses.panels import DAY
from duaarah.analytics.losses.sources import CLEAN_BACK_DAYS, Digests, digests, note_days

BACK_DAYS = 120
TURN_S = 60.0
NEW_DAYS = 7


def catch_up(*, now: dt.datetime, turn_s: float = TURN_S, step: operations.Step = lambda name: None) -> int:
    """
    Entry of entries: places checked by voltage, then days counted, then meters ranked; returns the facts, findings and
    indications written. What does not fit into `turn_s` is done at the next turn; the answer is the same in any order.
    """
    ends = time.monotonic() + turn_s
    last_date = now.astimezone(ZoneInfo(WIB)).date() - DAY  # today is not over
    span = {"first_date": last_date - BACK_DAYS * DAY, "last_date": last_date}
    # What the oldest of these days stands on lies before them: a window that shrank with their age would change them.
    known = {"first_date": span["first_date"] - CLEAN_BACK_DAYS * DAY, "last_date": last_date}
    firsts.note_firsts(now=now, ends=min(ends, time.monotonic() + turn_s / 4))
    found = places()
    if not note_days(found.values(), **span, ends=ends):
        return 0
    told = digests(**known)
    written = _check_places(found, told, now, ends)
    if written:
        # Where a meter hangs decides whose readings it adds to.
        found = places()
        if not note_days(found.values(), **span, ends=ends):
            return written
        told = digests(**known)
    # What is new first, then where to look, then a past that was brought or changed.
    new = {**span, "first_date": last_date - NEW_DAYS * DAY}
    written += _count(found, told, new, now, ends, step)
    written += _rank(found, told, now, ends)
    return written + _count(found, told, span, now, ends, step)


def _check_places(found: dict[int, Place], told: Digests, now: dt.datetime, ends: float) -> int:
    written = 0
    recorded = places(as_recorded=True)
    for place in found.values():
        if place.kind != Kind.FEEDER or time.monotonic() > ends:
            continue
        below = children_of(recorded.values(), place.node_id)
        date = max((max(told[one.node_id]) for one in below if one.node_id in told), default=None)
        if date is None:
            continue
        source = mapping.mapping_source(below, date, told)
        if mapping.mapping_due(place.node_id, source):
            written += mapping.check_feeder(place, below, date, source, open_readings, now=now)
    return written


def _count(
    found: dict[int, Place],
    told: Digests,
    span: dict[str, dt.date],
    now: dt.datetime,
    ends: float,
    step: operations.Step,
) -> int:
    """Transformers and feeders, those whose due days are newest first."""
    due = operations.due_days(found, told, **span)
    written = 0
    for node_id in sorted(due, key=lambda node: (-due[node][-1].toordinal(), node)):
        if time.monotonic() > ends:
            break
        place = found[node_id]
        if place.kind == Kind.FEEDER:
            below = children_of(found.values(), node_id)
            written += operations.count_feeder(place, below, due[node_id], told, open_readings, now=now, step=step)
        else:
            written += operations.count_transformer(place, due[node_id], told, open_readings, now=now, step=step)
    return written


def _rank(found: dict[int, Place], told: Digests, now: dt.datetime, ends: float) -> int:
    written = 0
    for node_id, days in sorted(told.items()):
        place = found.get(node_id)
        if place is None or place.kind != Kind.TRANSFORMER or time.monotonic() > ends:
            continue
        date = max(days)
        if place.totals and ranking.state_due(place, date, told):
            written += ranking.rank_transformer(place, date, told, open_readings, now=now)
    return written
