# SPDX-License-Identifier: Apache-2.0
"""The throttle of a network and of a cell: a bucket in the database row, by the machine's clock, with a part for tokens."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.headend.bearer_models import MeterReach, NetworkPace
from duaarah.people.models import Organisation

FRAMES_PER_MINUTE_MAX = 100_000
CELL_MAX = 40
# What a bucket holds: the frames of this time.
BUCKET_S = 10
# The part of a full bucket that only tokens and switching may use.
URGENT_PART = 4


class PaceRefused(Exception):
    """A pace that cannot be. Nothing was changed."""

    code = "pace_refused"
    retryable = False


@dataclass
class Bucket:
    """One pace while its row is locked. `taken` counts what this round uses."""

    row: NetworkPace
    at: dt.datetime
    taken: int = 0

    @property
    def interval(self) -> dt.timedelta:
        """The time that one frame takes up."""
        return dt.timedelta(minutes=1) / self.row.frames_per_minute

    def _begins(self) -> dt.datetime:
        full = self.at - dt.timedelta(seconds=BUCKET_S)
        return full if self.row.next_at is None else max(self.row.next_at, full)

    def left(self, *, urgent: bool) -> int:
        """How many frames may still go: data leaves a part of the bucket to what is urgent."""
        waited = self.at - self._begins()
        held = 0 if waited < dt.timedelta(0) else waited // self.interval + 1
        capacity = dt.timedelta(seconds=BUCKET_S) // self.interval + 1
        kept = 0 if urgent else min(capacity - 1, max(1, capacity // URGENT_PART))
        return int(max(0, held - kept - self.taken))

    def close(self) -> None:
        """What was taken is written down."""
        if self.taken:
            self.row.next_at = self._begins() + self.interval * self.taken
            self.row.save(update_fields=["next_at"])


@dataclass
class Lane:
    """One network that has a pace, for itself or for cells of it."""

    operator_id: int
    whole: Bucket | None = None
    cells: dict[str, Bucket] = field(default_factory=dict)

    def left(self, most: int, *, urgent: bool) -> int:
        """How many frames the network takes now, `most` at most."""
        return most if self.whole is None else min(most, self.whole.left(urgent=urgent))

    def shut(self, *, urgent: bool) -> list[str]:
        """The cells that take none now."""
        return [cell for cell, bucket in self.cells.items() if not bucket.left(urgent=urgent)]

    def take(self, cell: str, *, urgent: bool) -> bool:
        """One frame into this cell, if it may go."""
        buckets = [bucket for bucket in (self.whole, self.cells.get(cell)) if bucket is not None]
        if not all(bucket.left(urgent=urgent) for bucket in buckets):
            return False
        for bucket in buckets:
            bucket.taken += 1
        return True

    def close(self) -> None:
        """See Bucket."""
        for bucket in (self.whole, *self.cells.values()):
            if bucket is not None:
                bucket.close()


def lanes() -> list[Lane]:
    """Joining: the networks with a pace, their rows locked; who has waited longest comes first."""
    rows = list(NetworkPace.objects.select_for_update().order_by("pk"))
    if not rows:
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        at: dt.datetime = cursor.fetchone()[0]
    made: dict[int, Lane] = {}
    for row in sorted(rows, key=lambda each: each.next_at or at):
        lane = made.setdefault(row.operator_id, Lane(row.operator_id))
        if row.cell:
            lane.cells[row.cell] = Bucket(row, at)
        else:
            lane.whole = Bucket(row, at)
    return list(made.values())


def note_cell(*, meter_id: int, cell: str) -> None:
    """Joining: the cell that a meter's modem last named; an empty one is no news."""
    if cell:
        MeterReach.objects.update_or_create(meter_id=meter_id, defaults={"cell": cell[:CELL_MAX]})


def set_network_pace(
    *, operator: Organisation, cell: str, frames_per_minute: int | None, actor: str, now: dt.datetime
) -> None:
    """
    Entry: how many frames a minute this network, or this cell of it, takes; None: as many as its link.

    Raises:
        PaceRefused: a number or a cell's name that cannot be.
    """
    if frames_per_minute is not None and not 0 < frames_per_minute <= FRAMES_PER_MINUTE_MAX:
        raise PaceRefused(f"A pace is 1 to {FRAMES_PER_MINUTE_MAX} frames a minute.")
    if len(cell) > CELL_MAX or not cell.isprintable():
        raise PaceRefused("A cell's name has 40 letters at most.")
    with transaction.atomic(durable=True):
        rows = NetworkPace.objects.select_for_update().filter(operator=operator, cell=cell)
        before = rows.values_list("frames_per_minute", flat=True).first()
        if frames_per_minute is None:
            rows.delete()
        else:
            NetworkPace.objects.update_or_create(
                operator=operator, cell=cell, defaults={"frames_per_minute": frames_per_minute}
            )
        audit.record(
            at=now,
            actor=actor,
            verb="headend.set_network_pace",
            subject=f"organisation:{operator.pk}",
            detail={"cell": cell, "before": before, "after": frames_per_minute},
        )
