# SPDX-License-Identifier: Apache-2.0
"""Which meters a transformer's balance is made of: its customers', its total meters over their spans, its name plate."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from duaarah.analytics.models import LossDecision, LossFinding
from duaarah.core.losses.technical import Plate, usual_plate
from duaarah.registry.models import Meter, NetworkNode, NodeMeter

Kind = NetworkNode.Kind
FAR_S = 2**40
# Who is on three phases: above so much, as validation takes it, or by his meter's kind.
SINGLE_PHASE_MAX_VA, THREE_PHASE = 11_000, "three-phase"
WIB = "Asia/Jakarta"
# A maker's and a connection's trials leave some kWh in the register of a new meter.
NEW_WH = 100_000.0
_SINCE = """
SELECT meter_id, extract(epoch FROM paired_at)::bigint FROM analytics_lossfirst WHERE register_wh < %s
"""


@dataclass(frozen=True, slots=True)
class Total:
    """A total meter and the span in which it measured the node, UTC seconds."""

    meter_id: int
    from_s: int
    to_s: int


@dataclass(frozen=True, slots=True)
class Customer:
    """
    A customer's meter; `since_s`: new from then on (0: since ever, or not known); `recorded`: transformer of the registry;
    `several`: on all three phases, so that it has none of its own.
    """

    meter_id: int
    phase: str
    since_s: int
    recorded: int
    several: bool = False


@dataclass(slots=True)
class Place:
    """A transformer or a feeder. `clean`: days without loss as an inspection found, the newest such deed."""

    node_id: int
    kind: str
    parent_id: int | None
    zone: str = WIB
    plate: Plate | None = None
    customers: list[Customer] = field(default_factory=list)
    totals: list[Total] = field(default_factory=list)
    clean: tuple[dt.date, dt.date] | None = None

    @property
    def meter_ids(self) -> list[int]:
        """All of its meters, totals within."""
        return sorted({*(c.meter_id for c in self.customers), *(t.meter_id for t in self.totals)})

    def offset_s(self, date: dt.date) -> int:
        """Local time less UTC at noon."""
        ahead = dt.datetime.combine(date, dt.time(12), ZoneInfo(self.zone)).utcoffset() or dt.timedelta()
        return int(ahead.total_seconds())

    def midnight_s(self, date: dt.date) -> int:
        """UTC seconds at which the local day begins."""
        return int(dt.datetime.combine(date, dt.time(), dt.UTC).timestamp()) - self.offset_s(date)

    def settings(self, date: dt.date) -> list[Any]:
        """What the registry and people say that a day's fact stands on."""
        end_s = self.midnight_s(date + dt.timedelta(days=1))
        there = sorted((c.meter_id, c.since_s, c.phase) for c in self.customers if c.since_s < end_s)
        totals = sorted(
            (t.meter_id, t.from_s, t.to_s if t.to_s < end_s else FAR_S) for t in self.totals if t.from_s < end_s
        )
        plate = self.plate and (self.plate.rated_va, self.plate.no_load_w, self.plate.load_loss_w, self.plate.known)
        return [there, totals, plate, self.zone, self.clean and [d.isoformat() for d in self.clean]]


def digest_of(*parts: Any) -> str:
    """32 hexadecimal digits of whatever JSON holds."""
    return hashlib.sha256(json.dumps(parts, separators=(",", ":"), default=str).encode()).hexdigest()[:32]


def places(*, as_recorded: bool = False) -> dict[int, Place]:
    """
    Every transformer and feeder by its number. Meters that by their voltage hang at another transformer than recorded are
    counted there, unless a person said otherwise; `as_recorded`: all where the registry has them.
    """
    nodes = NetworkNode.objects.filter(kind__in=(Kind.TRANSFORMER, Kind.FEEDER)).order_by("pk")
    found = {
        node.pk: Place(node_id=node.pk, kind=node.kind, parent_id=node.parent_id, plate=_plate(node)) for node in nodes
    }
    _add_totals(found)
    _add_customers(found, {} if as_recorded else moved_meters())
    for one in sorted(latest_decisions().values(), key=lambda each: (each.made_at, each.pk)):
        if one.node_id in found and one.clean_first_date is not None and one.clean_last_date is not None:
            found[one.node_id].clean = (one.clean_first_date, one.clean_last_date)
    return found


def latest_decisions() -> dict[tuple[int, int, str], LossDecision]:
    """Node, meter and what it is about: the last word of people on it; an earlier one says nothing any more."""
    rows = LossDecision.objects.filter(undone_at=None).order_by("made_at", "pk")
    return {(row.node_id, row.meter_id, row.about): row for row in rows}


def moved_meters() -> dict[int, int]:
    """
    Meters that hang at another transformer than recorded, with that one's number; without those of which people said last
    that they do not.
    """
    said = latest_decisions()
    moved = {}
    for row in LossFinding.objects.filter(superseded_at=None, kind=LossFinding.Kind.TRANSFORMER):
        own = said.get((row.node_id, row.meter_id, LossDecision.About.PLACE))
        if own is None or own.state not in (LossDecision.State.DISMISSED, LossDecision.State.NOTHING):
            moved[row.meter_id] = int(row.detail["likely"][0])
    return moved


def children_of(found: Iterable[Place], feeder_id: int) -> list[Place]:
    """The transformers of a feeder, by number."""
    return [place for place in found if place.kind == Kind.TRANSFORMER and place.parent_id == feeder_id]


def _plate(node: NetworkNode) -> Plate | None:
    if node.kind != Kind.TRANSFORMER or not node.rated_va:
        return None
    if node.no_load_w is None or node.load_loss_w is None:
        return usual_plate(float(node.rated_va))
    return Plate(float(node.rated_va), node.no_load_w, node.load_loss_w)


def _add_totals(found: dict[int, Place]) -> None:
    for row in NodeMeter.objects.filter(node_id__in=found).order_by("pk"):
        lower, upper = row.valid.lower, row.valid.upper
        span = (int(lower.timestamp()) if lower else 0, int(upper.timestamp()) if upper else FAR_S)
        found[row.node_id].totals.append(Total(row.meter_id, *span))


def _add_customers(found: dict[int, Place], moved: dict[int, int]) -> None:
    totals = set(NodeMeter.objects.values_list("meter_id", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(_SINCE, [NEW_WH])
        since: dict[int, int] = dict(cursor.fetchall())
    zones: dict[int, Counter[str]] = {}
    rows: Sequence[tuple[int, int | None, str, str, int, str]] = list(
        Meter.objects.filter(transformer_id__in=found).order_by("pk").values_list(
            "pk", "transformer_id", "phase", "zone", "contracted_va", "profile"
        )
    )  # fmt: skip
    for meter_id, recorded, phase, zone, contracted_va, profile in rows:
        if meter_id in totals or recorded is None:
            continue
        node_id = moved.get(meter_id, recorded)
        node_id = node_id if node_id in found else recorded
        several = not phase and (contracted_va > SINGLE_PHASE_MAX_VA or profile.startswith(THREE_PHASE))
        customer = Customer(meter_id, phase, since.get(meter_id, 0), recorded, several)
        found[node_id].customers.append(customer)
        zones.setdefault(node_id, Counter())[zone] += 1
    for node_id, counted in zones.items():
        found[node_id].zone = min(counted, key=lambda zone: (-counted[zone], zone))
    for place in found.values():
        if place.kind == Kind.FEEDER:
            place.zone = next((one.zone for one in children_of(found.values(), place.node_id)), WIB)
