# SPDX-License-Identifier: Apache-2.0
"""The days of a replayed past as they land in readings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from duaarah.core.intent import DailySummary
from duaarah.headend.operations.told import DAY_S, day_values
from duaarah.stage.history.tables import Row

_ZONE = "Asia/Jakarta"


def day_rows(meter_id: int, report: DailySummary, counter: int, at: datetime) -> Iterator[Row]:
    """Rows of readings_interval, without their ids."""
    for value in day_values(report, _ZONE):
        yield {
            "meter_id": meter_id,
            "channel": value.channel,
            "start_at": value.start_at,
            "period_s": DAY_S,
            "value": value.value,
            "status": value.status,
            "counter": counter,
            "arrived_at": at,
        }
