# SPDX-License-Identifier: Apache-2.0
"""Readings of a foreign file made ready for a measure: one row a meter and instant, absent values null."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import ibis

from duaarah.analytics.engines import ROW_NUMBER

if TYPE_CHECKING:
    from ibis.expr.types import FloatingColumn, Table


def tidy(readings: Table, values: Sequence[str]) -> Table:
    """
    The last row of each (meter_id, ts) by ROW_NUMBER, as `meter_id` string, `ts` UTC and the columns `values` as doubles.

    The last row wins whole, with its nulls. A number that is none (NaN) is null: it would compare as the greatest. Rows
    without a meter or an instant are no readings.
    """
    plain = readings.select(
        meter_id=readings.meter_id.cast("string"),
        ts=readings.ts.cast("timestamp('UTC')"),
        row=readings[ROW_NUMBER],
        **{name: _real(readings[name].cast("float64")) for name in values},
    ).filter(ibis._.meter_id.notnull(), ibis._.ts.notnull())
    last = plain.group_by("meter_id", "ts").agg(row=plain.row.max())
    return plain.semi_join(last, "row").drop("row")


def _real(column: FloatingColumn) -> FloatingColumn:
    real: FloatingColumn = ibis.ifelse(column.isnan(), ibis.null("float64"), column)
    return real
