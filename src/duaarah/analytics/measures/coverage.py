# SPDX-License-Identifier: Apache-2.0
"""How much of what should be there is there, and how old it is: each page and index shows it beside its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from duaarah.readings.columns import ESTIMATED

if TYPE_CHECKING:
    from ibis.expr.types import Table


def coverage(readings: Table, expected: Table) -> Table:
    """
    Rows that are there against rows that the reporting plan brings.

    Args:
        readings: schema READINGS, one row a meter and instant.
        expected: `meter_id`, `intervals` that its plan brings in the span.

    Returns: one row a meter of `expected`: `meter_id`, `intervals`, `present` (estimated ones not among them), `estimated`,
        `share` (present / intervals, null where none is expected), `latest_ts` (null: never heard).
    """
    estimated = readings.quality == ESTIMATED
    own = readings.group_by("meter_id").agg(
        present=readings.count(where=~estimated),
        estimated=readings.count(where=estimated),
        latest_ts=readings.ts.max(where=~estimated),
    )
    both = expected.left_join(own, "meter_id")
    present = both.present.fill_null(0)
    return both.select(
        "meter_id",
        "intervals",
        present=present,
        estimated=both.estimated.fill_null(0),
        share=present / both.intervals.nullif(0),
        latest_ts=both.latest_ts,
    )


def summary(covered: Table) -> Table:
    """Of `coverage`, one row: `meters`, `silent` (without a reading), `share`, `estimated`, `oldest_ts` of those heard."""
    return covered.agg(
        meters=covered.count(),
        silent=covered.count(where=covered.latest_ts.isnull()),
        share=covered.present.sum() / covered.intervals.sum().nullif(0),
        estimated=covered.estimated.sum(),
        oldest_ts=covered.latest_ts.min(),
    )
