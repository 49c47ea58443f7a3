# SPDX-License-Identifier: Apache-2.0
"""Load profiles of transformers, feeders and tariff groups: a day's figures of all, and one of them against another day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duaarah.analytics.models import DailyLoad
from duaarah.analytics.network_days import queries
from duaarah.clock.queries import now
from duaarah.people.models import Organisation, Unit
from duaarah.registry.models import NetworkNode
from duaarah.web.shared.access import for_kind
from duaarah.web.shared.charts import chart_response
from duaarah.web.shared.export import Table, exported
from duaarah.web.utility import profile_words as words
from duaarah.web.utility.reliability_words import exact
from duaarah.web.utility.voltage import data_state, date_of, number_of

for_pln = for_kind(Organisation.Kind.UTILITY)
SHOWN, TREND_DAYS, WEEKS = 100, 30, 4
Scope = DailyLoad.Scope
SCOPES = {"gardu": Scope.TRANSFORMER, "penyulang": Scope.FEEDER, "tarif": Scope.TARIFF}
SCOPE_NAMES = {
    "gardu": gettext_lazy("Transformers"),
    "penyulang": gettext_lazy("Feeders"),
    "tarif": gettext_lazy("Tariff groups"),
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the address asks for; `date` None: nothing was ever told. `other_date`: the day to compare with."""

    name: str
    date: dt.date | None
    other_date: dt.date | None
    unit: Unit | None
    key: str

    @property
    def scope(self) -> str:
        return SCOPES[self.name]


def asked_of(request: HttpRequest) -> Asked:
    """Raises Http404 for a scope, a day or a unit that there is not."""
    name, unit = request.GET.get("lingkup", "gardu"), number_of(request, "unit")
    if name not in SCOPES:
        raise Http404
    return Asked(
        name=name,
        date=date_of(request, "hari", queries.last_load_date()),
        other_date=date_of(request, "banding", None),
        unit=None if unit is None else get_object_or_404(Unit, pk=unit),
        key=request.GET.get("kunci", "")[:20],
    )


@for_pln
def profiles(request: HttpRequest) -> HttpResponseBase:
    """All of a kind on one day; with `kunci` one of them. `unduh` may be csv or xlsx."""
    asked = asked_of(request)
    if asked.key:
        return _one(request, asked)
    facts = _facts(asked)
    names = names_of(asked.scope, [fact.key for fact in facts])
    shown = facts[:SHOWN]
    curves = dict(DailyLoad.objects.filter(pk__in=[fact.pk for fact in shown]).values_list("pk", "curve_w"))
    if (file := exported(request, lambda: _table(asked, facts, names))) is not None:
        return file
    context = {
        "asked": asked,
        "scopes": SCOPE_NAMES.items(),
        "units": Unit.objects.filter(networknode__isnull=False).distinct().order_by("name"),
        "rows": [words.load_row(fact, names.get(fact.key, fact.key), curves[fact.pk]) for fact in shown],
        "total": len(facts),
        "over": sum((fact.utilisation or 0.0) > 1 for fact in facts),
        "near": sum(0.8 < (fact.utilisation or 0.0) <= 1 for fact in facts),
        "rated": sum(fact.utilisation is not None for fact in facts),
        "before": asked.date and asked.date - dt.timedelta(days=1),
        "after": asked.date and asked.date + dt.timedelta(days=1),
        **data_state(now()),
    }
    return render(request, "utility/profiles.html", context)


def _facts(asked: Asked) -> list[DailyLoad]:
    """Transformers by utilisation, where a rating is known; then by the peak."""
    if asked.date is None:
        return []
    found: QuerySet[DailyLoad] = queries.daily_loads(asked.scope, asked.date, asked.date)
    if asked.unit is not None and asked.scope != Scope.TARIFF:
        own = NetworkNode.objects.filter(
            Q(unit=asked.unit)
            | Q(unit=None, parent__unit=asked.unit)
            | Q(unit=None, parent__unit=None, parent__parent__unit=asked.unit)
        )
        found = found.filter(key__in=[str(number) for number in own.values_list("pk", flat=True)])
    found = found.defer("curve_w", "duration_w")
    return sorted(found, key=lambda fact: (-(fact.utilisation or 0.0), -fact.peak_w))


def names_of(scope: str, keys: Sequence[str]) -> dict[str, str]:
    """What each key is called; a tariff group is its own name."""
    if scope == Scope.TARIFF:
        return {key: key for key in keys}
    numbers = [int(key) for key in keys if key.isascii() and key.isdigit()]
    rows = NetworkNode.objects.filter(pk__in=numbers).values_list("pk", "name", "code")
    return {str(number): name or code for number, name, code in rows}


def _table(asked: Asked, facts: list[DailyLoad], names: dict[str, str]) -> Table:
    head = (
        *(_("Date"), _("Name"), _("Energy (kWh)"), _("Peak (kW)"), _("Peak ends at"), _("Load factor")),
        *(_("Coincidence"), _("Diversity"), _("Peak (kVA)"), _("Percent of its rating")),
        *(_("Meters heard"), _("Meters known"), _("Intervals"), _("Estimated"), _("Version")),
    )
    rows = [
        (
            fact.date.isoformat(),
            names.get(fact.key, fact.key),
            exact(fact.energy_wh / 1000),
            exact(fact.peak_w / 1000),
            f"{fact.peak_minute // 60:02d}:{fact.peak_minute % 60:02d}",
            exact(fact.load_factor),
            exact(fact.coincidence),
            exact(fact.diversity),
            exact(None if fact.peak_va is None else fact.peak_va / 1000),
            exact(None if fact.utilisation is None else 100 * fact.utilisation),
            fact.meters,
            fact.meters_known,
            fact.intervals,
            fact.estimated,
            fact.version,
        )
        for fact in facts
    ]
    return Table(name=f"profil-{asked.name}-{asked.date or 'kosong'}", head=head, rows=rows)


def _one(request: HttpRequest, asked: Asked) -> HttpResponseBase:
    """One transformer, feeder or tariff group: a day, or the mean working day against the mean day of weekends."""
    weekly = request.GET.get("pekan") == "1"
    names = names_of(asked.scope, [asked.key])
    last_date = asked.date
    if asked.key not in names or last_date is None:
        raise Http404
    first_date = last_date - dt.timedelta(days=max(TREND_DAYS, WEEKS * 7) - 1)
    facts = list(queries.daily_loads(asked.scope, first_date, last_date).filter(key=asked.key))
    if not facts and asked.scope == Scope.TARIFF:
        raise Http404
    sides = _weeks(facts, last_date) if weekly else _days(asked, facts)
    node = None if asked.scope == Scope.TARIFF else NetworkNode.objects.select_related("parent").get(pk=int(asked.key))
    by_date = {fact.date: fact for fact in facts}
    days = [by_date.get(last_date - dt.timedelta(days=n)) for n in reversed(range(TREND_DAYS))]
    charts = [words.trend_chart(names[asked.key], days, last_date)]
    if sides:
        charts.append(words.day_chart(names[asked.key], sides, None if node is None else node.rated_va))
        charts.append(words.duration_chart(names[asked.key], sides))
    if (file := chart_response(request, charts)) is not None:
        return file
    context = {
        "asked": asked,
        "name": names[asked.key],
        "scope_name": SCOPE_NAMES[asked.name],
        "node": node,
        "weekly": weekly,
        "sides": sides,
        "rows": words.compared(sides),
        "trend": charts[0],
        "charts": charts[1:],
        "other_days": [last_date - dt.timedelta(days=n) for n in (1, 7)],
        "weeks": WEEKS,
        **data_state(now()),
    }
    return render(request, "utility/profile.html", context)


def _days(asked: Asked, facts: list[DailyLoad]) -> list[words.Side]:
    assert asked.date is not None
    sides = [words.side_of(fact) for fact in facts if fact.date == asked.date]
    if asked.other_date is not None and asked.other_date != asked.date:
        other = queries.daily_loads(asked.scope, asked.other_date, asked.other_date).filter(key=asked.key).first()
        if other is not None:
            sides.append(words.side_of(other))
    return sides


def _weeks(facts: list[DailyLoad], last_date: dt.date) -> list[words.Side]:
    """Of the four weeks up to a day: Monday to Friday, and Saturday with Sunday."""
    own = [fact for fact in facts if (last_date - fact.date).days < WEEKS * 7]
    working = [fact for fact in own if fact.date.weekday() < 5]
    weekend = [fact for fact in own if fact.date.weekday() >= 5]
    found = [(_("Mean working day"), working), (_("Mean day of a weekend"), weekend)]
    return [words.mean_side(f"{name} ({len(days)})", days) for name, days in found if days]
