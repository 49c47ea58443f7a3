# SPDX-License-Identifier: Apache-2.0
"""What meters themselves reported that the rules of `core.losses.rules` weigh: tampering, relay, credit, tokens, use."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.db import connection

from duaarah.core.losses.panel import DAY_S, Panel
from duaarah.core.losses.rules import Signals

ALIVE_DAYS = 2
_EVENTS = """
SELECT meter_id, kind, extract(epoch FROM coalesce(meter_at, arrived_at))::bigint, data FROM headend_meterevent
WHERE meter_id = ANY(%(meters)s) AND kind IN
    ('TAMPER', 'RELAY_STATE', 'CREDIT_EXHAUSTED', 'TOKEN_RESULT', 'LOW_CREDIT', 'DATA_BLOCK', 'DAILY_SUMMARY')
    AND recorded_at > %(since)s AND arrived_at > %(since)s AND arrived_at <= %(until)s
ORDER BY meter_id, 3, id
"""
_BALANCES = (
    "SELECT meter_id, balance_wh FROM headend_invocationcounter WHERE meter_id = ANY(%s) AND balance_wh IS NOT NULL"
)
_LOADED = """
SELECT meter_id, max(coalesce(closed_at, issued_at, paid_at)) FROM vending_vend
WHERE meter_id = ANY(%s) AND state = 'LOADED' GROUP BY meter_id
"""
_TAMPERS = {"cover": "cover_open", "terminal": "cover_open", "magnet": "magnet", "reversed": "reverse"}


@dataclass
class _Told:
    counts: dict[str, int] = field(default_factory=dict)
    relay_closed: bool | None = None
    opened: list[tuple[int, int]] = field(default_factory=list)
    open_since: int | None = None
    for_credit: bool = False  # why it is open


def signals_of(panel: Panel, *, vacant: set[int], now: dt.datetime) -> list[Signals]:
    """Of each customer's meter of a panel over its span, as it is known at `now`."""
    if not len(panel.end_s):
        return []
    begin_s = int(panel.end_s[0]) - panel.period_s
    ids = list(panel.meter_ids)
    told = _events(ids, dt.datetime.fromtimestamp(begin_s, dt.UTC), now)
    with connection.cursor() as cursor:
        cursor.execute(_BALANCES, [ids])
        balance_wh: dict[int, int] = dict(cursor.fetchall())
        cursor.execute(_LOADED, [ids])
        loaded: dict[int, dt.datetime] = dict(cursor.fetchall())
    days = panel.days()
    whole = [panel.energy_wh[days == day] for day in np.unique(days)]
    # Days in which a meter told every interval; others say nothing of its use.
    daily = np.array([np.where(np.isfinite(each).all(axis=0), each.sum(axis=0), np.nan) for each in whole])
    with np.errstate(invalid="ignore"):
        usual = float(np.nanmedian(daily)) if np.isfinite(daily).any() else 0.0
    late = panel.end_s > panel.end_s[-1] - ALIVE_DAYS * DAY_S
    alive = np.isfinite(panel.energy_wh[late]).any(axis=0)
    out = []
    for column, meter_id in enumerate(ids):
        own = told.get(meter_id, _Told())
        last = loaded.get(meter_id)
        out.append(
            Signals(
                meter_id=meter_id,
                **{name: own.counts.get(name, 0) for name in ("cover_open", "magnet", "reverse")},
                relay_closed=own.relay_closed,
                balance_wh=None if meter_id not in balance_wh else float(balance_wh[meter_id]),
                open_wh=_drawn_while_open(panel, column, own),
                zero_days=_zero_days(daily[:, column]),
                neighbours_wh_day=usual,
                tokenless_days=None if last is None else max((now - last).days, 0),
                alive=bool(alive[column]),
                vacant=meter_id in vacant,
            )
        )
    return out


def _events(ids: list[int], since: dt.datetime, now: dt.datetime) -> dict[int, _Told]:
    told: dict[int, _Told] = {}
    with connection.cursor() as cursor:
        cursor.execute(_EVENTS, {"meters": ids, "since": since, "until": now})
        for meter_id, kind, at_s, data in cursor.fetchall():
            _take(told.setdefault(meter_id, _Told()), kind, int(at_s), json.loads(data))
    for one in told.values():
        if one.open_since is not None:
            one.opened.append((one.open_since, int(now.timestamp())))
    return told


def _take(one: _Told, kind: str, at_s: int, data: dict[str, Any]) -> None:
    if kind == "TAMPER":
        name = _TAMPERS.get(str(data.get("tamper")))
        if name is not None and data.get("begins"):
            one.counts[name] = one.counts.get(name, 0) + 1
        return
    closed = _closed(one, kind, data)
    if closed is None:
        return
    one.relay_closed = closed
    if not closed and one.open_since is None:
        one.open_since = at_s
    elif closed and one.open_since is not None:
        one.opened.append((one.open_since, at_s))
        one.open_since = None


def _closed(one: _Told, kind: str, data: dict[str, Any]) -> bool | None:
    """
    What a report says of the relay; None: nothing. Credit that is there again closes a relay that opened for want of it: the
    answer to a token says no more than that. A relay that opened for another reason waits for its own word.
    """
    if kind == "CREDIT_EXHAUSTED":
        one.for_credit = True
        return False
    if kind == "RELAY_STATE":
        one.for_credit = data.get("relay_reason") == "credit"
        return bool(data.get("relay_closed"))
    if data.get("relay_closed"):
        return True
    if one.relay_closed is False and one.for_credit and (data.get("balance_wh") or 0) > 0:
        return True
    return None


def _drawn_while_open(panel: Panel, column: int, told: _Told) -> float:
    """Wh of intervals that lie wholly in a span with an open relay."""
    total = 0.0
    for begin_s, end_s in told.opened:
        inside = (panel.end_s - panel.period_s >= begin_s) & (panel.end_s <= end_s)
        total += float(np.nansum(panel.energy_wh[inside, column]))
    return total


def _zero_days(daily: np.ndarray) -> int:
    """Whole days without use at the end of a series (days,) of Wh; a day that is not known ends it."""
    count = 0
    for value in daily[::-1]:
        if value != 0.0:  # NaN too
            break
        count += 1
    return count
