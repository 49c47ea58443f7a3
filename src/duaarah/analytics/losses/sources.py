# SPDX-License-Identifier: Apache-2.0
"""
What each node's meters told on each local day, as digests in the database; so it is known what must be counted again.

Equal readings give equal digests, whatever order and file they came in.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from operator import xor

import ibis
from django.db import connection, transaction

from duaarah.analytics.engines import open_readings, own_connection
from duaarah.analytics.losses.network import Place, digest_of
from duaarah.analytics.losses.panels import DAY
from duaarah.analytics.models import LossDay, LossSource
from duaarah.readings.store import counting_days

LOCK = "SELECT pg_advisory_xact_lock(hashtext('analytics.losses'))"
_VALUES = ("meter_id", "ts", "period_s", "energy_wh", "register_wh", "voltage_v")
Digests = dict[int, dict[dt.date, str]]
# The span that teaches the model of a day: with a fortnight that is clean, six weeks of loss are told sharply.
WINDOW_DAYS, CLEAN_BACK_DAYS = 60, 150


class Sources:
    """The local days on which a transformer's facts stand, and the digest of all that each stands on."""

    def __init__(self, place: Place, told: dict[dt.date, str]) -> None:
        self._place, self._dates = place, sorted(told)
        # A run of days is the difference of two of these.
        self._marks = [0, *accumulate((_number(date, told[date]) for date in self._dates), xor)]
        self._settings: tuple[tuple[int, ...], str] = ((), "")

    def span(self, date: dt.date) -> tuple[dt.date, dt.date]:
        """Sixty local days, or from the days on that an inspection found clean; from the first one with readings."""
        first, clean = date - (WINDOW_DAYS - 1) * DAY, self._place.clean
        if clean is not None and clean[1] <= date and (date - clean[0]).days < CLEAN_BACK_DAYS:
            first = min(first, clean[0])
        oldest = self._dates[0] if self._dates else date
        return min(max(first, oldest), date), date

    def of(self, date: dt.date) -> str:
        """32 hexadecimal digits."""
        first, last = self.span(date)
        begin, end = bisect_left(self._dates, first), bisect_right(self._dates, last)
        return digest_of(self._settings_of(date), end - begin, f"{self._marks[end] ^ self._marks[begin]:032x}")

    def _settings_of(self, date: dt.date) -> str:
        """Made anew only where somebody came or a total meter changed."""
        end_s = self._place.midnight_s(date + DAY)
        # Each only grows with the days, so their numbers say which they are.
        key = (
            sum(c.since_s < end_s for c in self._place.customers),
            sum(t.from_s < end_s for t in self._place.totals),
            sum(t.to_s < end_s for t in self._place.totals),
        )
        if self._settings[0] != key or not self._settings[1]:
            self._settings = key, digest_of(self._place.settings(date))
        return self._settings[1]


def _number(date: dt.date, digest: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{date}={digest}".encode()).digest()[:16])


def feeder_source(place: Place, below: Sequence[Place], date: dt.date, digests: Digests) -> str:
    """The same of a feeder: that day alone, of the total meters of itself and of its transformers."""
    parts = [(one.node_id, one.settings(date)[1], digests.get(one.node_id, {}).get(date)) for one in (place, *below)]
    return digest_of(parts)


def note_days(found: Iterable[Place], *, first_date: dt.date, last_date: dt.date, ends: float = math.inf) -> bool:
    """
    Entry a day: digests of the local days whose files or meters are not those of the last time. False where `ends`, seconds
    of the monotonic clock, came before the last of them; then nothing should be counted yet.
    """
    placed = list(found)
    marks = _marks(placed, first_date, last_date)
    known = dict(LossDay.objects.filter(date__range=(first_date, last_date)).values_list("date", "files"))
    changed = [date for date, mark in sorted(marks.items()) if known.get(date) != mark]
    for date in changed:
        if time.monotonic() > ends:
            return False
        digests = _digests(placed, date)
        with transaction.atomic(durable=True):
            with connection.cursor() as cursor:
                cursor.execute(LOCK)
            for node_id, digest in digests.items():
                LossSource.objects.update_or_create(node_id=node_id, date=date, defaults={"digest": digest})
            LossSource.objects.filter(date=date).exclude(node_id__in=digests).delete()
            LossDay.objects.update_or_create(date=date, defaults={"files": marks[date]})
    return True


def digests(first_date: dt.date, last_date: dt.date) -> Digests:
    """What is noted of these local days: node, day, digest."""
    out: Digests = {}
    rows = LossSource.objects.filter(date__range=(first_date, last_date)).values_list("node_id", "date", "digest")
    for node_id, date, digest in rows:
        out.setdefault(node_id, {})[date] = digest
    return out


def _marks(found: list[Place], first_date: dt.date, last_date: dt.date) -> dict[dt.date, str]:
    """Of each local day with readings: the files it lies in, and whose meters are where."""
    days = {one.day_date: str(one.path) for one in counting_days(first_date - DAY, last_date + DAY)}
    members = digest_of(sorted((place.node_id, place.meter_ids) for place in found))
    dates = (first_date + n * DAY for n in range((last_date - first_date).days + 1))
    marks = {}
    for date in dates:
        near = [days.get(date + n * DAY, "") for n in (-1, 0, 1)]
        if near[0] or near[1]:
            marks[date] = digest_of(near, members)
    return marks


def _digests(found: list[Place], date: dt.date) -> dict[int, str]:
    """Of each node with a reading that ends in this local day: how many, and all of them in one number."""
    rows = [
        (meter_id, place.node_id, place.midnight_s(date), place.midnight_s(date + DAY))
        for place in found
        for meter_id in place.meter_ids
    ]
    if not rows:
        return {}
    names = ("meter_id", "node_id", "begin_s", "end_s")
    where = ibis.memtable({name: [row[n] for row in rows] for n, name in enumerate(names)})
    readings = open_readings(date - DAY, date + DAY)
    own = readings.inner_join(where, "meter_id")
    second = own.ts.epoch_seconds()
    own = own.filter(second > own.begin_s, second <= own.end_s)
    # What validation made up over a gap is absent from a balance, so that it is no news here.
    made_up = (own.quality == "estimated") & own.reason.contains("gap") & ~own.reason.contains("outage")
    own = own.filter(~made_up | own.voltage_v.notnull())
    own = own.mutate(mark=ibis.struct({name: own[name] for name in _VALUES}).hash())
    sums = own.group_by("node_id").agg(rows=own.count(), mark=own.mark.bit_xor())
    found_rows = own_connection().to_pyarrow(sums).to_pylist()
    return {int(row["node_id"]): digest_of(row["rows"], str(row["mark"])) for row in found_rows}
