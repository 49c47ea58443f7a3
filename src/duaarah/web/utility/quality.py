# SPDX-License-Identifier: Apache-2.0
"""A meter's interval quality: its month by days, a day's intervals raw beside counted, values set by hand after a second look."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from duaarah.analytics.models import QualityDay, ReadingEdit
from duaarah.analytics.vee import edits as verbs
from duaarah.clock.queries import now
from duaarah.people.models import Organisation
from duaarah.readings.queries import next_month
from duaarah.readings.store import base_of, readings_of, told_of
from duaarah.registry.models import Meter
from duaarah.web.shared.access import ACTING, acting, for_kind, for_operator, login_of
from duaarah.web.shared.charts import chart_response
from duaarah.web.shared.export import Table, exported
from duaarah.web.shared.figures import exact, figure
from duaarah.web.utility import quality_words as words
from duaarah.web.utility.meter_profile import PERIOD_S, Span, coverage_of
from duaarah.web.utility.morning import data_words
from duaarah.web.utility.voltage import date_of

for_pln = for_kind(Organisation.Kind.UTILITY)
SLOTS = 86_400 // PERIOD_S
APART_MAX = 40  # more of them are no exception: then they are seen among all
REFUSED = {
    "reason": gettext_lazy("Say why. Nothing was changed."),
    "value": gettext_lazy("Energies are in Wh, 0 or more. Nothing was changed."),
    "instant": gettext_lazy("Choose intervals of one day, the first not after the last. Nothing was changed."),
    "many": gettext_lazy("Choose intervals of one day, the first not after the last. Nothing was changed."),
    "future": gettext_lazy("These intervals have not ended yet. Nothing was changed."),
    "unread": gettext_lazy(
        "No reading of any meter is here for this day, so nothing can stand in it. Nothing was changed."
    ),
    "changed": gettext_lazy("The values have changed meanwhile. Look again; nothing was written."),
}


def _month(meter: Meter, date: dt.date) -> Span:
    first = date.replace(day=1)
    return Span(name="bulan", first_date=first, end_date=next_month(first), zone=meter.zone)


def _day(meter: Meter, date: dt.date) -> Span:
    return Span(name="hari", first_date=date, end_date=date + dt.timedelta(days=1), zone=meter.zone)


@for_operator
def quality(request: HttpRequest, drn: str) -> HttpResponseBase:
    """The month around `hari` and that day; `unduh`: every interval of the month."""
    meter = get_object_or_404(Meter.objects.select_related("transformer"), drn=drn)
    at = now()
    yesterday = (at.astimezone(ZoneInfo(meter.zone)) - dt.timedelta(days=1)).date()
    date = date_of(request, "hari", yesterday) or yesterday
    month, day = _month(meter, date), _day(meter, date)
    if (file := exported(request, lambda: _table(meter, month))) is not None:
        return file
    # Estimates run on to the end of a day that is not over.
    end_at = min(month.end_at, max(at, month.begin_at))
    table = readings_of(meter.pk, month.begin_at, end_at, columns=("ts", "period_s", "quality", "reason"))
    rows = _rows(meter, day, at)
    chart = words.day_chart(day, rows, meter.drn)
    if (file := chart_response(request, [chart])) is not None:
        return file
    days = words.month_days(table, month, at)
    due = next(each for each in days if each.date == date).due
    apart = [row for row in rows if row["apart"] and row["slot"] <= due]
    context = {
        "meter": meter,
        "date": date,
        "weeks": words.weeks(days),
        "weekdays": words.WEEKDAYS,
        "before": month.first_date - dt.timedelta(days=1),
        "after": month.end_date,
        "day": next(each for each in days if each.date == date),
        "rows": rows,
        "apart": apart if len(apart) <= APART_MAX else [],
        "many": len(apart) if len(apart) > APART_MAX else 0,
        "chart": chart,
        "energy": figure(sum(row["energy_wh"] or 0.0 for row in rows) / 1000, 3),
        "raw_energy": figure(sum(row["raw_wh"] or 0.0 for row in rows) / 1000, 3),
        "judged": _judged(day),
        "deeds": _deeds(meter, month),
        "may": login_of(request)
        .memberships.filter(unit__organisation__kind=Organisation.Kind.UTILITY, role__in=ACTING)
        .exists(),
        "reason_max": 200,
        "data": data_words(coverage_of(table, month, at), at),
        "now": at,
    }
    return render(request, "utility/quality.html", context)


def _rows(meter: Meter, day: Span, at: dt.datetime) -> list[dict[str, Any]]:
    standing = verbs.in_force(meter).filter(ends_at__gt=day.begin_at, ends_at__lte=day.end_at)
    return words.day_rows(
        day,
        readings_of(meter.pk, day.begin_at, min(day.end_at, max(at, day.begin_at))),
        told_of(meter.pk, day.begin_at, day.end_at),
        {one.ends_at: one for one in standing.select_related("made_by")},
    )


def _judged(day: Span) -> dict[str, Any]:
    """When the UTC days that a local day lies on were judged, and whether one of them waits to be judged again."""
    last_at = day.end_at - dt.timedelta(seconds=1)
    dates = {day.begin_at.astimezone(dt.UTC).date(), last_at.astimezone(dt.UTC).date()}
    found = list(QualityDay.objects.filter(date__in=dates))
    return {
        "at": min((one.judged_at for one in found), default=None),
        "waits": len(found) < len(dates) or any(not one.source for one in found),
    }


def _deeds(meter: Meter, month: Span) -> list[dict[str, Any]]:
    """What was set by hand in the month, one row a deed, the newest first."""
    found = ReadingEdit.objects.filter(meter=meter, ends_at__gt=month.begin_at, ends_at__lte=month.end_at)
    ordered = found.select_related("made_by", "undone_by").order_by("-made_at", "made_by_id", "reason", "ends_at")
    rows = []
    for (made_at, _who, reason), group in groupby(ordered, key=lambda one: (one.made_at, one.made_by_id, one.reason)):
        own = list(group)
        undone = [one for one in own if one.undone_at is not None]
        formers = [one.former_energy_wh for one in own]
        rows.append(
            {
                "edit": own[0],
                "made_at": made_at,
                "made_by": own[0].made_by,
                "reason": reason,
                "from": own[0].ends_at - dt.timedelta(seconds=PERIOD_S),
                "until": own[-1].ends_at,
                "count": len(own),
                "energy": figure(sum(one.energy_wh for one in own), 1),
                "former": figure(
                    sum(one or 0.0 for one in formers) if any(one is not None for one in formers) else None, 1
                ),
                "stand": len(own) - len(undone),
                "undone": undone[0] if undone else None,
            }
        )
    return rows


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the form asks for: slots 1 to 96 of a local day, and the energy of each, Wh."""

    date: dt.date
    first: int
    last: int
    total: bool
    text: str
    reason: str
    energies_wh: list[Decimal]


def _wish(request: HttpRequest) -> Wish:
    """Raises EditRefused for what cannot be read."""
    form = request.POST
    try:
        date = dt.date.fromisoformat(form.get("hari", ""))
        first, last = (int(form.get(name, "")) for name in ("dari", "sampai"))
    except ValueError as error:
        raise verbs.EditRefused("instant") from error
    if not (1 <= first <= last <= SLOTS and 2000 <= date.year <= 2200):
        raise verbs.EditRefused("instant")
    text = form.get("wh", "").strip()
    try:
        energy_wh = Decimal(text.replace(",", "."))
    except InvalidOperation as error:
        raise verbs.EditRefused("value") from error
    if not energy_wh.is_finite() or not 0 <= energy_wh <= Decimal(verbs.ENERGY_MAX_WH) or len(text) > 20:
        raise verbs.EditRefused("value")
    count, total, reason = last - first + 1, form.get("cara") == "jumlah", form.get("alasan", "").strip()[:200]
    if not reason:
        raise verbs.EditRefused("reason")
    return Wish(
        date=date,
        first=first,
        last=last,
        total=total,
        text=text,
        reason=reason,
        energies_wh=spread(energy_wh, count) if total else [energy_wh] * count,
    )


def _ends(meter: Meter, wish: Wish) -> list[dt.datetime]:
    """The ends of the first and the last interval asked for."""
    begin_at = _day(meter, wish.date).begin_at
    return [begin_at + dt.timedelta(seconds=PERIOD_S) * slot for slot in (wish.first, wish.last)]


def spread(energy_wh: Decimal, count: int) -> list[Decimal]:
    """A sum over so many intervals, even to 0.001 Wh; the last one takes what is left, so that they add up."""
    each = (energy_wh / count).quantize(Decimal("0.001"), ROUND_FLOOR)
    return [each] * (count - 1) + [energy_wh - each * (count - 1)]


@require_POST
@for_pln
def edit(request: HttpRequest, drn: str) -> HttpResponse:
    """First the second look; with `yakin` what was seen is written, if it still is so."""
    meter = get_object_or_404(Meter, drn=drn)
    login, at = acting(request, Organisation.Kind.UTILITY), now()
    address = reverse("desk-meter-quality", args=[meter.drn])
    try:
        wish = _wish(request)
        # Only a day that somebody told of is judged, and so a value in it counts.
        dates = {at.astimezone(dt.UTC).date() for at in _ends(meter, wish)}
        if any(base_of(date) is None for date in dates):
            raise verbs.EditRefused("unread")
    except verbs.EditRefused as refused:
        messages.error(request, REFUSED[refused.why])
        date = request.POST.get("hari", "")
        return redirect(f"{address}?hari={date}" if _is_date(date) else address)
    rows = _rows(meter, _day(meter, wish.date), at)[wish.first - 1 : wish.last]
    seen = _seen(rows)
    if request.POST.get("yakin") and request.POST.get("terlihat") == seen:
        values = {
            row["ends_at"]: verbs.Set(
                energy_wh=float(energy_wh),
                former_wh=row["energy_wh"],
                former_edit=row["edit"].pk if row["edit"] else None,
            )
            for row, energy_wh in zip(rows, wish.energies_wh, strict=True)
        }
        try:
            made = verbs.set_values(meter=meter, values=values, reason=wish.reason, login=login, now=at)
        except verbs.EditRefused as refused:
            messages.error(request, REFUSED[refused.why])
            return redirect(f"{address}?hari={wish.date}")
        if made:
            messages.success(request, _("Written. It counts when its day is judged again, within ten minutes."))
        else:
            messages.info(request, _("The same values stand already. Nothing was written."))
        return redirect(f"{address}?hari={wish.date}")
    if request.POST.get("yakin"):
        messages.error(request, REFUSED["changed"])
    context = {
        "meter": meter,
        "wish": wish,
        "rows": [
            {**row, "new": figure(float(energy_wh), 1)} for row, energy_wh in zip(rows, wish.energies_wh, strict=True)
        ],
        "seen": seen,
        "told": figure(sum(row["raw_wh"] or 0.0 for row in rows), 1),
        "before": figure(sum(row["energy_wh"] or 0.0 for row in rows), 1),
        "after": figure(float(sum(wish.energies_wh)), 1),
        "unknown": sum(row["energy_wh"] is None for row in rows),
    }
    return render(request, "utility/quality_sure.html", context)


def _is_date(text: str) -> bool:
    try:
        return 2000 <= dt.date.fromisoformat(text).year <= 2200
    except ValueError:
        return False


def _seen(rows: list[dict[str, Any]]) -> str:
    """A sum over what the operator looked at: values, versions, edits that stand."""
    parts = [(row["slot"], row["energy_wh"], row["version"], row["edit"] and row["edit"].pk) for row in rows]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


@require_POST
@for_pln
def undo(request: HttpRequest, drn: str, edit: int) -> HttpResponse:
    """All that was set in one deed and still stands."""
    meter = get_object_or_404(Meter, drn=drn)
    login = acting(request, Organisation.Kind.UTILITY)
    found = get_object_or_404(ReadingEdit, pk=edit, meter=meter)
    count = verbs.undo_edits(edit_id=found.pk, login=login, now=now())
    if count:
        words_ = _("%(n)d values are undone: what was told or estimated counts again, as a new version.")
        messages.success(request, words_ % {"n": count})
    else:
        messages.info(request, _("It was undone already. Nothing was changed."))
    date = (found.ends_at - dt.timedelta(seconds=1)).astimezone(ZoneInfo(meter.zone)).date()
    return redirect(f"{reverse('desk-meter-quality', args=[meter.drn])}?hari={date}")


def _table(meter: Meter, month: Span) -> Table:
    """Every interval of the month: told and counted."""
    zone = ZoneInfo(meter.zone)
    raws = {row["ts"]: row["energy_wh"] for row in told_of(meter.pk, month.begin_at, month.end_at).to_pylist()}
    counts = {row["ts"]: row for row in readings_of(meter.pk, month.begin_at, month.end_at).to_pylist()}
    head = (_("Interval ends at"), _("Told (Wh)"), _("Counts (Wh)"), _("Status"), _("Reason"), _("Version"))
    rows = (
        (
            ends_at.astimezone(zone).isoformat(),
            exact(raws.get(ends_at)),
            exact(counts.get(ends_at, {}).get("energy_wh")),
            counts.get(ends_at, {}).get("quality", ""),
            counts.get(ends_at, {}).get("reason", ""),
            counts.get(ends_at, {}).get("version", ""),
        )
        for ends_at in sorted(raws.keys() | counts.keys())
    )
    return Table(name=f"mutu-{meter.drn}-{month.first_date:%Y-%m}", head=head, rows=rows)
