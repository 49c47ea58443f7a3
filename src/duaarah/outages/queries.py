# SPDX-License-Identifier: Apache-2.0
"""Outages as pages show them: those that are open, one with its evidence as a timeline, the tree and its map."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from duaarah.outages.models import Interruption, MeterWord, Outage
from duaarah.registry.models import Meter, NetworkNode

OPEN = (Outage.State.SUSPECTED, Outage.State.DECLARED)
NODES_MAX, WORDS_MAX = 600, 60
AROUND = dt.timedelta(minutes=5)
MAP_WIDTH, MAP_HEIGHT, MARGIN = 720, 420, 30


def open_outages() -> QuerySet[Outage]:
    """What is off now, the most customers first."""
    rows = Outage.objects.filter(state__in=OPEN).select_related("node", "meter__customer", "planned")
    return rows.order_by("state", "-affected", "-began_at")


def past_outages(*, since_at: dt.datetime) -> QuerySet[Outage]:
    """What is over and what was none after all, newest first; what became part of a wider one is told there."""
    rows = Outage.objects.exclude(state__in=OPEN).filter(began_at__gte=since_at).exclude(evidence__has_key="part_of")
    return rows.select_related("node", "meter__customer", "planned").order_by("-began_at")


def current_interruption(*, meter_id: int) -> Interruption | None:
    """The interruption under which a meter is now, with its outage."""
    rows = Interruption.objects.filter(meter_id=meter_id, superseded_at=None, ended_at=None)
    return rows.select_related("outage").order_by("-began_at").first()


@dataclass(frozen=True)
class Heard:
    """One word in an outage's timeline."""

    meter_at: dt.datetime
    arrived_at: dt.datetime
    kind: str
    drn: str
    end_at: dt.datetime | None


def words_of(outage: Outage) -> tuple[dict[str, int], list[Heard]]:
    """The words around an outage: how many of each kind, and the first of them by the meters' time."""
    meters = meters_of(outage)
    until_at = (outage.ended_at or outage.began_at + dt.timedelta(days=2)) + AROUND
    rows = MeterWord.objects.filter(
        meter_id__in=meters, meter_at__gte=outage.began_at - AROUND, meter_at__lte=until_at
    ).order_by("meter_at", "id")
    counts: dict[str, int] = {}
    for kind in rows.order_by().values_list("kind", flat=True):
        counts[kind] = counts.get(kind, 0) + 1
    found = rows.values_list("meter_at", "arrived_at", "kind", "meter_id", "end_at")[:WORDS_MAX]
    drns = dict(Meter.objects.filter(pk__in={row[3] for row in found}).values_list("pk", "drn"))
    return counts, [Heard(row[0], row[1], row[2], drns[row[3]], row[4]) for row in found]


def meters_of(outage: Outage) -> list[int]:
    """The meters that an outage has or had."""
    if outage.meter_id is not None:
        return [outage.meter_id]
    return sorted(set(Interruption.objects.filter(outage=outage).values_list("meter_id", flat=True)))


_OFF = """
SELECT m.transformer_id, count(*), count(*) FILTER (WHERE s.state = 'PADAM')
FROM registry_meter m LEFT JOIN outages_metersupply s ON s.meter_id = m.id
WHERE m.transformer_id IS NOT NULL GROUP BY m.transformer_id
"""


@dataclass
class Branch:
    """A node in the tree: how many customers below it, how many of them are off, and its sign."""

    node: NetworkNode
    depth: int
    meters: int = 0
    off: int = 0
    out: bool = False

    @property
    def sign(self) -> str:
        """`padam` where an outage of it (or above it) is open, `nyala` else."""
        return "padam" if self.out else "nyala"


def tree() -> list[Branch]:
    """The whole tree in the order of reading, up to NODES_MAX nodes."""
    nodes = list(NetworkNode.objects.order_by("code")[:NODES_MAX])
    below: dict[int | None, list[NetworkNode]] = {}
    for node in nodes:
        below.setdefault(node.parent_id, []).append(node)
    with connection.cursor() as cursor:
        cursor.execute(_OFF)
        counts = {row[0]: (row[1], row[2]) for row in cursor.fetchall()}
    out = set(Outage.objects.filter(state=Outage.State.DECLARED, node__isnull=False).values_list("node_id", flat=True))
    found: list[Branch] = []

    def walk(node: NetworkNode, depth: int, dark: bool) -> Branch:
        branch = Branch(node, depth, *counts.get(node.pk, (0, 0)), out=dark or node.pk in out)
        found.append(branch)
        for child in below.get(node.pk, []):
            under = walk(child, depth + 1, branch.out)
            branch.meters += under.meters
            branch.off += under.off
        return branch

    for root in below.get(None, []):
        walk(root, 0, False)
    return found


def places(branches: list[Branch]) -> dict[str, Any] | None:
    """The nodes that have coordinates on a plane, north up, with the line to their parent; None where none has any."""
    known = [b for b in branches if b.node.latitude is not None and b.node.longitude is not None]
    if len(known) < 2:
        return None
    norths = [b.node.latitude or 0.0 for b in known]
    easts = [b.node.longitude or 0.0 for b in known]
    scale = min(
        (MAP_WIDTH - 2 * MARGIN) / max(max(easts) - min(easts), 1e-6),
        (MAP_HEIGHT - 2 * MARGIN) / max(max(norths) - min(norths), 1e-6),
    )
    spots = {
        b.node.pk: {
            "branch": b,
            "x": round(MARGIN + ((b.node.longitude or 0.0) - min(easts)) * scale, 1),
            "y": round(MARGIN + (max(norths) - (b.node.latitude or 0.0)) * scale, 1),
            "r": {"SUBSTATION": 10, "FEEDER": 7}.get(b.node.kind, 5),
        }
        for b in known
    }
    lines = [{"from": spots[b.node.parent_id], "to": spots[b.node.pk]} for b in known if b.node.parent_id in spots]
    return {"width": MAP_WIDTH, "height": MAP_HEIGHT, "spots": list(spots.values()), "lines": lines}
