# SPDX-License-Identifier: Apache-2.0
"""Writing losses: a node's days, its findings and indications. Equal facts write nothing, changed ones a new version."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ibis
from django.db import connection, models, transaction

from duaarah.analytics.losses.counting import Fact, feeder_fact, transformer_fact
from duaarah.analytics.losses.network import Kind, Place, children_of
from duaarah.analytics.losses.panels import DAY, local_day, panel_of, rows_of
from duaarah.analytics.losses.sources import LOCK, Digests, Sources, feeder_source
from duaarah.analytics.models import DailyLoss

if TYPE_CHECKING:
    from ibis.expr.types import Table

LOAD_DAYS = 31
Step = Callable[[str], None]


def due_days(
    found: dict[int, Place], digests: Digests, *, first_date: dt.date, last_date: dt.date
) -> dict[int, list[dt.date]]:
    """Node to the local days, both ends within, whose fact does not stand on what is known now."""
    written = {
        (node_id, date): source
        for node_id, date, source in DailyLoss.objects.filter(
            superseded_at=None, date__range=(first_date, last_date)
        ).values_list("node_id", "date", "source")
    }
    due: dict[int, list[dt.date]] = {}
    for node_id, place in found.items():
        below = children_of(found.values(), node_id) if place.kind == Kind.FEEDER else []
        own = Sources(place, digests.get(node_id, {}))
        told = {date for one in (place, *below) for date in digests.get(one.node_id, {})}
        days = {date for date in told if first_date <= date <= last_date}
        for date in sorted(days):
            if place.kind == Kind.FEEDER:
                source = feeder_source(place, below, date, digests)
            else:
                source = own.of(date)
            if written.get((node_id, date)) != source:
                due.setdefault(node_id, []).append(date)
    return due


def count_transformer(
    place: Place, dates: Sequence[dt.date], digests: Digests, open_days: Callable[[dt.date, dt.date], Table], *,
    now: dt.datetime, step: Step = lambda name: None,
) -> int:  # fmt: skip
    """
    Entry: the facts of these local days of a transformer, a month in one transaction; returns the rows written.

    Args:
        open_days: readings (schema READINGS) of UTC days, both within.
    """
    written = 0
    sources = Sources(place, digests.get(place.node_id, {}))
    for chunk in _chunks(sorted(dates)):
        first = min(sources.span(date)[0] for date in chunk)
        panel = panel_of(place, open_days(first - DAY, chunk[-1] + DAY), first, chunk[-1])
        facts = []
        for date in chunk:
            own = panel.span(*(local_day(end) for end in sources.span(date)))
            there = replace_customers(place, date)
            own = own.without({c.meter_id for c in place.customers} - {c.meter_id for c in there.customers})
            fact = transformer_fact(there, own, date)
            facts.append({"date": date, "source": sources.of(date), **fact})
        written += _write_days(place.node_id, facts, now, step)
    return written


def replace_customers(place: Place, date: dt.date) -> Place:
    """The place as it was on this day: without customers who came later."""
    end_s = place.midnight_s(date + DAY)
    return replace(place, customers=[c for c in place.customers if c.since_s < end_s])


def count_feeder(
    place: Place, below: Sequence[Place], dates: Sequence[dt.date], digests: Digests,
    open_days: Callable[[dt.date, dt.date], Table], *, now: dt.datetime, step: Step = lambda name: None,
) -> int:  # fmt: skip
    """Entry: a feeder's facts of these local days from total meters alone; returns the rows written."""
    written = 0
    bare = [replace(one, customers=[]) for one in (place, *below)]
    meter_ids = sorted({number for one in bare for number in one.meter_ids})
    for chunk in _chunks(sorted(dates)):
        readings = open_days(chunk[0] - DAY, chunk[-1] + DAY)
        span = (place.midnight_s(chunk[0]) - 86_400, place.midnight_s(chunk[-1] + DAY) + 86_400)
        rows = ibis.memtable(rows_of(readings, meter_ids, *span))
        facts = []
        for date in chunk:
            panels = [panel_of(one, rows, date, date) for one in bare]
            fact = feeder_fact(place, panels[0], panels[1:], date)
            facts.append({"date": date, "source": feeder_source(place, below, date, digests), **fact})
        written += _write_days(place.node_id, facts, now, step)
    return written


def _chunks(dates: Sequence[dt.date]) -> list[list[dt.date]]:
    """Runs of days that one panel holds."""
    made: list[list[dt.date]] = []
    for date in dates:
        if made and (date - made[-1][0]).days < LOAD_DAYS:
            made[-1].append(date)
        else:
            made.append([date])
    return made


def _write_days(node_id: int, facts: list[Fact], now: dt.datetime, step: Step) -> int:
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(LOCK)
        dates = [fact["date"] for fact in facts]
        current = DailyLoss.objects.filter(node_id=node_id, date__in=dates, superseded_at=None)
        made = write_versions(
            DailyLoss, {row.date: row for row in current}, {fact["date"]: fact for fact in facts},
            {"node_id": node_id}, now, beside=("source",),
        )  # fmt: skip
        step("before-commit")
    step("committed")
    return made


def write_versions(
    model: type[models.Model], current: dict[Any, Any], facts: dict[Any, Fact], common: dict[str, Any], now: dt.datetime,
    *, beside: tuple[str, ...] = (), loose: tuple[str, ...] = (), gone: bool = False,
) -> int:  # fmt: skip
    """
    Joining: supersedes what differs and writes the next version; returns the rows written or ended.

    Args:
        beside: columns that are kept up without a version of their own.
        loose: the same, within the column `detail`.
        gone: what has no fact any more is ended.
    """

    def firm(name: str, value: Any) -> Any:
        return {n: v for n, v in value.items() if n not in loose} if name == "detail" and loose else value

    manager = model._default_manager
    closed, made = [], []
    for key, fact in facts.items():
        former = current.get(key)
        if former is not None and all(
            name in beside or firm(name, getattr(former, name)) == firm(name, value) for name, value in fact.items()
        ):
            own = {name: value for name, value in fact.items() if getattr(former, name) != value}
            if own:
                manager.filter(pk=former.pk).update(**own)
            continue
        version = 1
        if former is not None:
            closed.append(former.pk)
            version = former.version + 1
        made.append(model(**common, **fact, version=version, computed_at=now))
    ended = [row.pk for key, row in current.items() if key not in facts] if gone else []
    manager.filter(pk__in=closed + ended).update(superseded_at=now)
    manager.bulk_create(made, batch_size=2000)
    return len(made) + len(ended)
