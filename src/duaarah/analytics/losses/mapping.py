# SPDX-License-Identifier: Apache-2.0
"""Is each meter of a feeder where the registry has it? A fortnight of voltages, meters with wrong clocks put right first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray

from duaarah.analytics.losses.network import Place, digest_of
from duaarah.analytics.losses.operations import write_versions
from duaarah.analytics.losses.panels import DAY, panel_of
from duaarah.analytics.losses.sources import LOCK, Digests
from duaarah.analytics.models import LossFinding, LossState
from duaarah.core.losses.clocks import aligned, clock_findings
from duaarah.core.losses.mapping import MappingFinding, check_mapping

if TYPE_CHECKING:
    from ibis.expr.types import Table

SPAN_DAYS = 14
LOOSE = ("fits_recorded", "fits_likely")  # they differ a little each day
KINDS = (LossFinding.Kind.TRANSFORMER, LossFinding.Kind.PHASE, LossFinding.Kind.PHASE_UNKNOWN)


def mapping_source(below: Sequence[Place], date: dt.date, digests: Digests) -> str:
    """The digest of what the check of a feeder at this day stands on."""
    days = [date - n * DAY for n in range(SPAN_DAYS)]
    told = [(one.node_id, [digests.get(one.node_id, {}).get(day) for day in days]) for one in below]
    return digest_of(told, [one.settings(date)[0] for one in below])


def mapping_due(feeder_id: int, source: str) -> bool:
    """Whether the feeder was last checked from something else."""
    return not LossState.objects.filter(node_id=feeder_id, source=source).exists()


def check_feeder(
    feeder: Place, below: Sequence[Place], date: dt.date, source: str,
    open_days: Callable[[dt.date, dt.date], Table], *, now: dt.datetime,
) -> int:  # fmt: skip
    """
    Entry: the findings of a feeder's meters over the fortnight to `date`; returns the rows written or ended.

    Args:
        below: its transformers with all meters where the registry has them.
        source: of `mapping_source`.
    """
    first = date - (SPAN_DAYS - 1) * DAY
    found = _found(below, open_days(first - DAY, date + DAY), first, date)
    facts = {(one.meter_id, one.kind): _fact(one) for one in found}
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(LOCK)
        rows = LossFinding.objects.filter(
            superseded_at=None, kind__in=KINDS, node_id__in=[one.node_id for one in below]
        )
        written = write_versions(
            LossFinding, {(row.meter_id, row.kind): row for row in rows}, facts, {}, now, loose=LOOSE, gone=True
        )
        LossState.objects.update_or_create(
            node_id=feeder.node_id, defaults={"date": date, "source": source, "computed_at": now}
        )
    return written


def _found(below: Sequence[Place], readings: Table, first_date: dt.date, last_date: dt.date) -> list[MappingFinding]:
    voltages: list[NDArray[np.float64]] = []
    ids: list[int] = []
    nodes: list[int] = []
    phases: list[str] = []
    for place in below:
        # A meter on three phases follows none of them.
        single = replace(place, customers=[c for c in place.customers if not c.several])
        if not single.customers:
            continue
        panel = panel_of(single, readings, first_date, last_date)
        if voltages and len(panel.end_s) != len(voltages[0]):
            continue  # another interval than its neighbours': not comparable
        right = aligned(panel, [c for c in clock_findings(panel) if c.meter_id])
        voltages.append(right.voltage_v)
        ids += list(panel.meter_ids)
        nodes += [place.node_id] * len(panel.meter_ids)
        phases += [c.phase for c in single.customers]
    return check_mapping(np.hstack(voltages), ids, nodes, phases) if voltages else []


def _fact(one: MappingFinding) -> dict[str, Any]:
    return {
        "node_id": one.recorded[0],
        "meter_id": one.meter_id,
        "kind": one.kind,
        "at": None,
        "detail": {
            "recorded": list(one.recorded),
            "likely": list(one.likely),
            "fits_recorded": round(one.correlation_recorded, 2),
            "fits_likely": round(one.correlation_likely, 2),
            "exchanged": one.exchanged,
        },
    }
