# SPDX-License-Identifier: Apache-2.0
"""Values set by hand: audited, undoable, standing over what was told or estimated until undone; raw readings stay as they are."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import TruncDate

from duaarah.analytics.models import QualityDay, ReadingEdit
from duaarah.audit import operations as audit
from duaarah.people.models import Login
from duaarah.registry.models import Meter

PERIOD_S = 900
INTERVALS_MAX = 7 * 96
ENERGY_MAX_WH = 1e7
NOT_LOOKED = -1


class EditRefused(Exception):
    """A value that cannot be set; `why` is one of `reason`, `instant`, `value`, `many`, `future`, `changed`."""

    code = "edit_refused"
    retryable = False

    def __init__(self, why: str) -> None:
        super().__init__(f"This value cannot be set: {why}.")
        self.why = why


@dataclass(frozen=True, kw_only=True)
class Set:
    """
    An interval's energy to be; `former_wh` is what counted when the operator looked, None: nothing did. `former_edit` is the
    edit that stood then (None: none), NOT_LOOKED: he did not look.
    """

    energy_wh: float
    former_wh: float | None
    former_edit: int | None = NOT_LOOKED


def set_values(
    *, meter: Meter, values: Mapping[dt.datetime, Set], reason: str, login: Login, now: dt.datetime
) -> list[ReadingEdit]:
    """
    Entry: energies of intervals set by hand, by the end of each; all or none. Their days are judged again.

    An edit before it is undone. Where the edit in force says the same, nothing is written; returns what was.

    Raises:
        EditRefused: no reason, an instant between intervals, or in the future, an energy below 0 or beyond all
            meters, too many, or another edit stands than was seen.
    """
    reason = reason.strip()[:200]
    if not reason:
        raise EditRefused("reason")
    if not 0 < len(values) <= INTERVALS_MAX:
        raise EditRefused("many")
    for ends_at, wish in values.items():
        if ends_at.timestamp() % PERIOD_S:
            raise EditRefused("instant")
        if not (math.isfinite(wish.energy_wh) and 0 <= wish.energy_wh <= ENERGY_MAX_WH):
            raise EditRefused("value")
        if ends_at > now:
            raise EditRefused("future")
    with transaction.atomic(durable=True):
        Meter.objects.select_for_update().get(pk=meter.pk)
        standing = {one.ends_at: one for one in in_force(meter).filter(ends_at__in=list(values))}
        for at, wish in values.items():
            if wish.former_edit != NOT_LOOKED and wish.former_edit != (standing[at].pk if at in standing else None):
                raise EditRefused("changed")
        wanted = {
            at: wish
            for at, wish in values.items()
            if at not in standing or not math.isclose(standing[at].energy_wh, wish.energy_wh, abs_tol=1e-6)
        }
        replaced = [standing[at].pk for at in wanted if at in standing]
        ReadingEdit.objects.filter(pk__in=replaced).update(undone_at=now, undone_by=login)
        made = ReadingEdit.objects.bulk_create(
            ReadingEdit(
                meter=meter,
                ends_at=at,
                period_s=PERIOD_S,
                former_energy_wh=wish.former_wh,
                energy_wh=wish.energy_wh,
                reason=reason,
                made_by=login,
                made_at=now,
            )
            for at, wish in sorted(wanted.items())
        )
        if made:
            _again(made, "reading.edit", reason, login, now)
    return made


def edit_reading(
    *, meter: Meter, ends_at: dt.datetime, former_energy_wh: float | None, energy_wh: float, reason: str,
    login: Login, now: dt.datetime,
) -> list[ReadingEdit]:  # fmt: skip
    """Entry: `set_values` for one interval."""
    wish = Set(energy_wh=energy_wh, former_wh=former_energy_wh)
    return set_values(meter=meter, values={ends_at: wish}, reason=reason, login=login, now=now)


def undo_edits(*, edit_id: int, login: Login, now: dt.datetime) -> int:
    """
    Entry: what the meter told or the estimate counts again, as a new version, for all that was set together with this edit
    and still stands; returns how many. 0: undone or replaced before.
    """
    with transaction.atomic(durable=True):
        one = ReadingEdit.objects.get(pk=edit_id)
        meter = Meter.objects.select_for_update().get(pk=one.meter_id)
        together = in_force(meter).filter(made_at=one.made_at, made_by=one.made_by_id, reason=one.reason)
        found = list(together.order_by("ends_at"))
        ReadingEdit.objects.filter(pk__in=[each.pk for each in found]).update(undone_at=now, undone_by=login)
        if found:
            _again(found, "reading.edit_undo", one.reason, login, now)
    return len(found)


def in_force(meter: Meter) -> QuerySet[ReadingEdit]:
    """The edits of a meter that count."""
    return ReadingEdit.objects.filter(meter=meter, undone_at=None)


def edited_days() -> set[dt.date]:
    """UTC days in which anything was ever set by hand."""
    day = TruncDate("ends_at", tzinfo=dt.UTC)
    return set(ReadingEdit.objects.annotate(day=day).order_by().values_list("day", flat=True).distinct())


def standing_edits() -> dict[dt.date, list[int]]:
    """The numbers of the edits that count, by UTC day."""
    day = TruncDate("ends_at", tzinfo=dt.UTC)
    found: dict[dt.date, list[int]] = {}
    for date, number in ReadingEdit.objects.filter(undone_at=None).annotate(day=day).values_list("day", "pk"):
        found.setdefault(date, []).append(number)
    return found


def _again(edits: list[ReadingEdit], verb: str, reason: str, login: Login, now: dt.datetime) -> None:
    """Joining: audits, and has the days judged again. One line a deed, with every value."""
    detail = {
        "values": [
            {"ends_at": one.ends_at.isoformat(), "former_wh": one.former_energy_wh, "energy_wh": one.energy_wh}
            for one in edits
        ]
    }
    subject = f"meter:{edits[0].meter_id}"
    audit.record(at=now, actor=login.username, verb=verb, subject=subject, reason=reason, detail=detail)
    days = {one.ends_at.astimezone(dt.UTC).date() for one in edits}
    QualityDay.objects.filter(date__in=days).update(source="")
