# SPDX-License-Identifier: Apache-2.0
"""Judging the interval store's days: what meters told, estimates for what is missing, and what was set by hand."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from django.db import transaction

from duaarah.analytics.engines import own_connection, read_parquet
from duaarah.analytics.models import QualityDay, ReadingEdit
from duaarah.analytics.vee.judging import LIKE_DAYS, Edit, Meters, Off, Sources, Tally, judge_day
from duaarah.outages.models import Interruption
from duaarah.readings import store
from duaarah.readings.days import folder
from duaarah.readings.models import DayFile
from duaarah.registry.models import Meter, NodeMeter

DAY = dt.timedelta(days=1)
_FAR_S = 2**40


def check_day(*, date: dt.date, now: dt.datetime) -> QualityDay | None:
    """
    Entry: a UTC day of the store validated and estimated; None where it has no reading.

    Killed after the file and before the tally, the day is judged again with the same result. Data that came meanwhile makes
    the file not count, and the day is judged again.
    """
    bases = {day: base for day in _span(date) if (base := store.base_of(day)) is not None}
    if date not in bases:
        return None
    begin_at = dt.datetime.combine(date, dt.time(), dt.UTC)
    set_by_hand = _edits(begin_at)
    digest = edits_digest(one.pk for one in set_by_hand)
    engine = own_connection()
    prior = DayFile.objects.filter(day_date=date, layer=DayFile.Layer.CHECKED, superseded_at=None).first()
    sources = Sources(
        read_parquet(engine, [folder() / base.name for base in bases.values()]),
        None if prior is None else read_parquet(engine, [folder() / prior.name]),
        engine,
    )
    tally = Tally()
    edits = [Edit(one.meter_id, int(one.ends_at.timestamp()), one.energy_wh) for one in set_by_hand]
    until_s = int(now.timestamp())
    parts = list(judge_day(date, _meters(begin_at), _off(begin_at), edits, sources, tally=tally, until_s=until_s))
    if parts:
        store.write_checked(date, pa.concat_tables(parts), covers=bases[date].pk)
    counts = {name: tally.qualities[name] for name in ("validated", "estimated", "raw", "edited", "absent")}
    values = {
        "judged_at": now,
        "source": signature(date, bases, digest),
        "intervals": sum(counts.values()) - counts["absent"],
        "faults": dict(tally.faults),
        **counts,
    }
    with transaction.atomic(durable=True):
        return QualityDay.objects.update_or_create(date=date, defaults=values)[0]


def _span(date: dt.date) -> list[dt.date]:
    return [date + n * DAY for n in range(-LIKE_DAYS, LIKE_DAYS + 1)]


def signature(date: dt.date, bases: dict[dt.date, DayFile], edits: str = "") -> str:
    """What a day was judged from: its file, its neighbours', its `edits_digest`. Another one and it is judged again."""
    near = [bases.get(date + n * DAY) for n in (-1, 0, 1)]
    # A gap still open at the end of the next day is closed by whatever comes within the weeks after.
    later = max((base.pk for day, base in bases.items() if day > date + DAY), default=0)
    told = ":".join([*("0" if base is None else str(base.pk) for base in near), str(later)])
    return f"{told}:{edits}" if edits else told


def edits_digest(numbers: Iterable[int]) -> str:
    """Of the edits that stood when a day was judged; one that came while it was being judged makes another. Empty: none."""
    text = ",".join(map(str, sorted(numbers)))
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else ""


def _meters(at: dt.datetime) -> Meters:
    totals = set(NodeMeter.objects.filter(valid__contains=at).values_list("meter_id", flat=True))
    rows = list(Meter.objects.order_by("pk").values_list("pk", "contracted_va"))
    # Of a total meter neither fuse nor conductors are known.
    va = [np.nan if number in totals else float(contracted) for number, contracted in rows]
    phases = [np.nan if number in totals else (1.0 if contracted <= 11_000 else 3.0) for number, contracted in rows]
    return Meters(np.array([row[0] for row in rows], np.int64), np.array(va), np.array(phases))


def _off(begin_at: dt.datetime) -> Off:
    first, last = begin_at - LIKE_DAYS * DAY, begin_at + (LIKE_DAYS + 1) * DAY
    found = Interruption.objects.filter(superseded_at=None, began_at__lt=last).exclude(ended_at__lt=first)
    rows = list(found.values_list("meter_id", "began_at", "ended_at"))
    begins = [int(began.timestamp()) for _meter, began, _ended in rows]
    ends = [_FAR_S if ended is None else int(ended.timestamp()) for _meter, _began, ended in rows]
    return Off(*(np.array(each, np.int64) for each in ([row[0] for row in rows], begins, ends)))


def _edits(begin_at: dt.datetime) -> list[ReadingEdit]:
    return list(ReadingEdit.objects.filter(undone_at=None, ends_at__gte=begin_at, ends_at__lt=begin_at + DAY))
