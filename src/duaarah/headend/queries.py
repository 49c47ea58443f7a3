# SPDX-License-Identifier: Apache-2.0
"""Reading what meters reported."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from duaarah.headend.models import MeterEvent

_BALANCES = {
    MeterEvent.Kind.TOKEN_RESULT: "balance_wh",
    MeterEvent.Kind.LOW_CREDIT: "remaining_wh",
    MeterEvent.Kind.DATA_BLOCK: "balance_wh",
    MeterEvent.Kind.DAILY_SUMMARY: "balance_wh",
    MeterEvent.Kind.CREDIT_EXHAUSTED: "",
}


@dataclass(frozen=True, kw_only=True)
class ReportedBalance:
    """A balance as the meter itself reported it: `why` is the kind of its report, `at` when that arrived."""

    at: dt.datetime
    balance_wh: int
    why: str


def latest_readings(*, meter_id: int, limit: int) -> list[ReportedBalance]:
    """The latest balances that a meter reported, newest first."""
    events = MeterEvent.objects.filter(meter_id=meter_id, kind__in=list(_BALANCES)).order_by("-pk")[:limit]
    return [
        ReportedBalance(
            at=event.arrived_at,
            balance_wh=event.data.get(_BALANCES[MeterEvent.Kind(event.kind)], 0),
            why=event.get_kind_display(),
        )
        for event in events
    ]
