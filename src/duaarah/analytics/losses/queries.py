# SPDX-License-Identifier: Apache-2.0
"""What is asked of losses: sums over days with their interval, indications with what people said of them, findings."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Avg, Count, F, FloatField, Max, Q, QuerySet, Sum
from django.db.models.functions import Cast, Greatest, Power, Sqrt

from duaarah.analytics.losses.sources import WINDOW_DAYS
from duaarah.analytics.models import DailyLoss, LossDecision, LossFinding, LossState, LossSuspect
from duaarah.core.losses.estimate import longer
from duaarah.readings.store import readings_of

DAY = dt.timedelta(days=1)
OPEN = "OPEN"
_GIVEN = Q(refusal="")
_SUMS = ("input_wh", "delivered_wh", "technical_wh", "ntl_wh")


@dataclass(frozen=True, kw_only=True)
class Sums:
    """
    A node over some local days. Energies are of the `given` days that have a verdict, so that shares are honest; the
    interval of the sum: what days share adds up, what is each day's own does so in squares, more where days repeat each other.
    """

    node_id: int
    days: int
    given: int
    input_wh: float | None
    delivered_wh: float | None
    technical_wh: float | None
    ntl_wh: float | None
    ntl_low_wh: float | None
    ntl_high_wh: float | None
    completeness: float
    refusal: str
    last_date: dt.date
    computed_at: dt.datetime

    @property
    def loss_wh(self) -> float | None:
        """Susut: what came in and was not delivered."""
        if self.input_wh is None or self.delivered_wh is None:
            return None
        return self.input_wh - self.delivered_wh

    @property
    def loss_share(self) -> float | None:
        return None if self.loss_wh is None or not self.input_wh else self.loss_wh / self.input_wh

    @property
    def ntl_share(self) -> float | None:
        return None if self.ntl_wh is None or not self.input_wh else self.ntl_wh / self.input_wh


def facts(first_date: dt.date, last_date: dt.date) -> QuerySet[DailyLoss]:
    """What counts of these local days, both within."""
    return DailyLoss.objects.filter(superseded_at=None, date__range=(first_date, last_date))


def last_loss_date() -> dt.date | None:
    """The newest local day with a fact."""
    last_date: dt.date | None = DailyLoss.objects.filter(superseded_at=None).aggregate(day=Max("date"))["day"]
    return last_date


def sums_of(rows: QuerySet[DailyLoss]) -> list[Sums]:
    """Of each node of these facts."""
    half = Cast((F("ntl_high_wh") - F("ntl_low_wh")) / 2, FloatField())
    shared = Sqrt(Greatest(Power(half, 2) - Power("ntl_noise_wh", 2), 0.0), output_field=FloatField())
    found: Any = (
        rows.values("node_id")
        .order_by("node_id")
        .annotate(
            days=Count("pk"),
            given=Count("pk", filter=_GIVEN),
            **{f"sum_{name}": Sum(name, filter=_GIVEN) for name in _SUMS},
            shared=Sum(shared, filter=_GIVEN),
            own=Sum(Power("ntl_noise_wh", 2), filter=_GIVEN),
            memory=Avg("ntl_memory", filter=_GIVEN),
            complete=Avg("completeness"),
            last=Max("date"),
            counted=Max("computed_at"),
        )
    )
    why = _refusals(rows)
    made = []
    for row in found:
        own = (row["own"] or 0.0) * longer(row["given"], row["memory"] or 0.0)
        ntl, width = row["sum_ntl_wh"], math.hypot(row["shared"] or 0.0, math.sqrt(own))
        made.append(
            Sums(
                node_id=row["node_id"],
                days=row["days"],
                given=row["given"],
                **{name: row[f"sum_{name}"] for name in _SUMS},
                ntl_low_wh=None if ntl is None else ntl - width,
                ntl_high_wh=None if ntl is None else ntl + width,
                completeness=row["complete"],
                refusal=why.get(row["node_id"], ""),
                last_date=row["last"],
                computed_at=row["counted"],
            )
        )
    return made


def _refusals(rows: QuerySet[DailyLoss]) -> dict[int, str]:
    """Of each node the most frequent reason why a day has no verdict."""
    found: dict[int, Counter[str]] = {}
    counted = rows.exclude(refusal="").values_list("node_id", "refusal").annotate(n=Count("pk")).order_by()
    for node_id, refusal, number in counted:
        found.setdefault(node_id, Counter())[refusal] += number
    return {node_id: min(counts, key=lambda code: (-counts[code], code)) for node_id, counts in found.items()}


def days_of(node_id: int, first_date: dt.date, last_date: dt.date) -> list[DailyLoss]:
    """A node's days in their order."""
    return list(facts(first_date, last_date).filter(node_id=node_id).order_by("date"))


def state_of(node_id: int) -> LossState | None:
    """What the newest span says of a transformer as a whole."""
    return LossState.objects.filter(node_id=node_id).first()


@dataclass(frozen=True, kw_only=True)
class Indicated:
    """An indication and the decision that counts for it; `state` OPEN: none does."""

    suspect: LossSuspect
    decision: LossDecision | None

    @property
    def state(self) -> str:
        return OPEN if self.decision is None else self.decision.state


def indicated(rows: QuerySet[LossSuspect]) -> list[Indicated]:
    """These indications with their state, open ones first, then by place."""
    listed = list(rows.filter(superseded_at=None).select_related("meter", "node").order_by("node_id", "rank"))
    decisions = decisions_of({row.meter_id for row in listed})
    found = [Indicated(suspect=row, decision=_counts(row, decisions)) for row in listed]
    return sorted(found, key=lambda one: (one.state != OPEN, not one.suspect.case, one.suspect.rank))


def decisions_of(
    meter_ids: Iterable[int], about: str = LossDecision.About.SUSPECT
) -> dict[tuple[int, int], LossDecision]:
    """The latest decision of each node and meter that is not undone."""
    rows = LossDecision.objects.filter(meter_id__in=list(meter_ids), about=about, undone_at=None)
    return {(row.node_id, row.meter_id): row for row in rows.select_related("made_by").order_by("made_at", "pk")}


def _counts(row: LossSuspect, decisions: dict[tuple[int, int], LossDecision]) -> LossDecision | None:
    """
    A decision answers what was seen when it was made. What began after it, or what is still seen when all days looked at
    lie after it, is a new indication.
    """
    found = decisions.get((row.node_id, row.meter_id))
    if found is None:
        return None
    made_date = found.made_at.astimezone(ZoneInfo(row.meter.zone)).date()
    if row.since_date is not None and row.since_date > made_date:
        return None
    return None if row.date - made_date >= WINDOW_DAYS * DAY else found


def open_cases() -> dict[int, int]:
    """Transformers with open cases of the regression: how many."""
    found = indicated(LossSuspect.objects.filter(case=True))
    return dict(Counter(one.suspect.node_id for one in found if one.state == OPEN))


def findings(kinds: Iterable[str] = (), node_id: int | None = None) -> QuerySet[LossFinding]:
    """What is wrong now with places, registers and clocks, the newest first."""
    rows = LossFinding.objects.filter(superseded_at=None).select_related("node__parent", "meter")
    if kinds:
        rows = rows.filter(kind__in=list(kinds))
    if node_id is not None:
        rows = rows.filter(node_id=node_id)
    return rows.order_by("-computed_at", "node__code", "meter__drn", "kind")


def meter_days(meter_id: int, zone: str, first_date: dt.date, last_date: dt.date) -> dict[dt.date, float]:
    """Wh of a meter on each local day that it told anything of, estimates of validation within."""
    own = ZoneInfo(zone)
    begin = dt.datetime.combine(first_date, dt.time(), own)
    end = dt.datetime.combine(last_date + DAY, dt.time(), own)
    table = readings_of(meter_id, begin, end)
    sums: dict[dt.date, float] = {}
    for ts, period_s, energy_wh in zip(
        table["ts"].to_pylist(), table["period_s"].to_pylist(), table["energy_wh"].to_pylist(), strict=True
    ):
        if energy_wh is not None and period_s < 86_400:
            date = (ts - dt.timedelta(seconds=1)).astimezone(own).date()
            sums[date] = sums.get(date, 0.0) + energy_wh
    return sums
