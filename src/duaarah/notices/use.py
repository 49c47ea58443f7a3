# SPDX-License-Identifier: Apache-2.0
"""The daily use of meters, from their stored readings and reports: many meters, three questions to the database."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from duaarah.core.daily_use import DAY_S, CreditReport, DailyUse, Span, daily_use
from duaarah.core.forecast import HISTORY_DAYS
from duaarah.headend.models import MeterEvent

Kind = MeterEvent.Kind
# The field of a report that tells the credit; 0 is told by the report itself.
_CREDIT = {
    Kind.TOKEN_RESULT: "balance_wh",
    Kind.LOW_CREDIT: "remaining_wh",
    Kind.DATA_BLOCK: "balance_wh",
    Kind.DAILY_SUMMARY: "balance_wh",
    Kind.CREDIT_EXHAUSTED: "",
}
_KINDS = (*_CREDIT, Kind.LAST_GASP, Kind.POWER_RESTORED, Kind.RELAY_STATE)

# The clock that fills the partitions is never behind business time.
_EVENTS = """
SELECT meter_id, kind, coalesce(meter_at, arrived_at) AS at, data FROM headend_meterevent
WHERE meter_id = ANY(%(meters)s) AND kind = ANY(%(kinds)s) AND recorded_at > %(since)s AND arrived_at > %(since)s
    AND arrived_at <= %(until)s
ORDER BY meter_id, at, id
"""

# Of several values that a meter told of one interval, that of the higher counter counts.
_DAYS = """
WITH counts AS (
    SELECT DISTINCT ON (meter_id, channel, period_s, start_at) meter_id, channel, period_s, start_at, value
    FROM readings_interval
    WHERE meter_id = ANY(%(meters)s) AND channel IN ('energy_wh', 'out_s') AND start_at >= %(since)s AND start_at < %(until)s
    ORDER BY meter_id, channel, period_s, start_at, counter DESC, value DESC, status DESC)
SELECT c.meter_id, c.channel, c.period_s, (c.start_at AT TIME ZONE m.zone)::date, sum(c.value), count(*)
FROM counts c JOIN registry_meter m ON m.id = c.meter_id GROUP BY 1, 2, 3, 4
"""


@dataclass
class Told:
    """What one meter told in a span of time."""

    day_wh: dict[dt.date, int] = field(default_factory=dict)
    off_s: dict[dt.date, int] = field(default_factory=dict)
    reports: list[CreditReport] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    loaded_at: dt.datetime | None = None

    def use(self, *, zone: str, before_date: dt.date, days: int = HISTORY_DAYS) -> DailyUse:
        """Its daily use before a local day."""
        return daily_use(
            told_wh=self.day_wh,
            off_s=self.off_s,
            reports=self.reports,
            spans=self.spans,
            zone=zone,
            before_date=before_date,
            days=days,
        )


def told_by(meter_ids: Sequence[int], *, until_at: dt.datetime, days: int = HISTORY_DAYS) -> dict[int, Told]:
    """What each of these meters told in the `days` days before `until_at`."""
    since = until_at - dt.timedelta(days=days + 1)
    values: dict[str, Any] = {
        "meters": list(meter_ids),
        "since": since,
        "until": until_at,
        "kinds": [str(kind) for kind in _KINDS],
    }
    found = {meter_id: Told() for meter_id in meter_ids}
    events: dict[int, list[tuple[str, dt.datetime, dict[str, Any]]]] = {meter_id: [] for meter_id in meter_ids}
    with connection.cursor() as cursor:
        cursor.execute(_EVENTS, values)
        for meter_id, kind, at, data in cursor.fetchall():
            events[meter_id].append((kind, at, json.loads(data)))
        cursor.execute(_DAYS, values)
        days_told = cursor.fetchall()
    # Finer intervals make a day only where they are all of it, and the meter's own word on the day goes before.
    for meter_id, channel, period_s, date, value, count in sorted(days_told, key=lambda row: row[2]):
        if channel == "out_s":
            found[meter_id].off_s[date] = int(value)
        elif period_s * count >= DAY_S:
            found[meter_id].day_wh[date] = int(value)
    for meter_id, told in found.items():
        _read(told, events[meter_id], until_at)
    return found


def _read(told: Told, events: Sequence[tuple[str, dt.datetime, dict[str, Any]]], until_at: dt.datetime) -> None:
    """The credit reports in their order, and when the supply was away: a meter that speaks of anything else has supply."""
    off: set[str] = set()
    since: dt.datetime | None = None
    for kind, at, data in events:
        if kind in _CREDIT:
            name = _CREDIT[Kind(kind)]
            loaded_wh = data.get("energy_wh", 0) if kind == Kind.TOKEN_RESULT and data.get("result") == "accept" else 0
            # A refused token says nothing of the credit that is sure to be read: some meters answer 0.
            if kind != Kind.TOKEN_RESULT or loaded_wh:
                told.reports.append(CreditReport(at, data.get(name, 0) if name else 0, loaded_wh))
            if loaded_wh:
                told.loaded_at = at
        off = _off(off, kind, data)
        if off and since is None:
            since = at
        elif not off and since is not None:
            told.spans.append(Span(since, at))
            since = None
    if since is not None and since < until_at:
        told.spans.append(Span(since, until_at))


def _off(off: set[str], kind: str, data: dict[str, Any]) -> set[str]:
    """Why the supply is away after this report."""
    if kind == Kind.LAST_GASP:
        return off | {"grid"}
    off = off - {"grid"}
    if kind == Kind.CREDIT_EXHAUSTED:
        return off | {"credit"}
    if kind == Kind.RELAY_STATE:
        return off - {"credit", "relay"} if data.get("relay_closed") else off | {"relay"}
    if kind == Kind.TOKEN_RESULT and data.get("balance_wh", 0) > 0:
        return off - {"credit"}
    return off


def local_date(at: dt.datetime, zone: str) -> dt.date:
    """The meter's own day."""
    return at.astimezone(ZoneInfo(zone)).date()


def day_gone(at: dt.datetime, zone: str) -> float:
    """How much of the meter's local day has passed, 0 to 1."""
    local = at.astimezone(ZoneInfo(zone))
    return (local.hour * 3600 + local.minute * 60 + local.second) / DAY_S
