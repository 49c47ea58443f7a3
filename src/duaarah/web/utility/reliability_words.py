# SPDX-License-Identifier: Apache-2.0
"""Figures of reliability as a page and its files say them: names, numbers in the reader's language, a chart."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duaarah.analytics.models import Scope
from duaarah.analytics.reliability.queries import Spread, View
from duaarah.people.models import Unit
from duaarah.registry.models import NetworkNode
from duaarah.web.shared.charts import Axis, Chart, Kind, Series
from duaarah.web.shared.figures import figure as figure

SCOPES = {
    Scope.UTILITY: gettext_lazy("Whole utility"),
    Scope.UNIT: gettext_lazy("Service unit"),
    Scope.SUBSTATION: gettext_lazy("Substation"),
    Scope.FEEDER: gettext_lazy("Feeder"),
    Scope.TRANSFORMER: gettext_lazy("Transformer"),
}
BASES = {
    "all": gettext_lazy("All interruptions"),
    "unplanned": gettext_lazy("Unplanned"),
    "planned": gettext_lazy("Planned"),
    "supply": gettext_lazy("Loss of supply from above"),
    "force_majeure": gettext_lazy("Force majeure"),
}


def exact(value: float | None) -> Decimal | str:
    """A figure of a file, six decimals."""
    return "" if value is None else Decimal(f"{value:.6f}")


def scope_name(scope: str, scope_id: int) -> str:
    """`Feeder P3`; the number alone when it is gone."""
    if scope == Scope.UTILITY:
        return str(SCOPES[Scope.UTILITY])
    if scope == Scope.UNIT:
        named = Unit.objects.filter(pk=scope_id).values_list("name", flat=True).first()
    else:
        named = NetworkNode.objects.filter(pk=scope_id).values_list("code", flat=True).first()
    return f"{SCOPES[Scope(scope)]} {named or scope_id}"


def below(scope: str, scope_id: int) -> list[tuple[str, int, str]]:
    """What lies under a scope in the tree: (scope, number, name)."""
    nodes = NetworkNode.objects.order_by("code")
    if scope == Scope.UTILITY:
        units = Unit.objects.filter(networknode__isnull=False).distinct().order_by("name")
        found = [(str(Scope.UNIT), unit.pk, unit.name) for unit in units]
        return found + [(node.kind, node.pk, node.code) for node in nodes.filter(parent=None)]
    if scope == Scope.UNIT:
        nodes = nodes.filter(unit_id=scope_id).exclude(parent__unit_id=scope_id)
    else:
        nodes = nodes.filter(parent_id=scope_id)
    return [(node.kind, node.pk, node.code) for node in nodes]


def above(scope: str, scope_id: int) -> list[tuple[str, int, str]]:
    """The way from the whole utility down to a scope, without itself."""
    way: list[tuple[str, int, str]] = []
    if scope not in (Scope.UTILITY, Scope.UNIT):
        node = NetworkNode.objects.select_related("parent").filter(pk=scope_id).first()
        while node is not None and node.parent is not None and len(way) < 9:
            node = node.parent
            way.insert(0, (node.kind, node.pk, node.code))
    if scope != Scope.UTILITY:
        way.insert(0, (str(Scope.UTILITY), 0, str(SCOPES[Scope.UTILITY])))
    return way


def index_rows(
    whole: View, without: View, spread: Spread, clean: Spread
) -> list[tuple[str, str, float | None, float | None, int]]:
    """
    (name, what it is, with major event days, without them, decimals) of IEEE's indices.

    `spread` is how interruptions spread over customers on all days, `clean` the same without major event days.
    """
    a, b = whole.indices, without.indices
    served = whole.served

    def shares(what: Callable[[Spread], float | None]) -> tuple[float | None, float | None]:
        return _percent(what(spread)), _percent(what(clean))

    return [
        ("SAIDI", _("minutes a customer"), a.saidi_min, b.saidi_min, 2),
        ("SAIFI", _("times a customer"), a.saifi, b.saifi, 4),
        ("CAIDI", _("minutes an interruption"), a.caidi_min, b.caidi_min, 2),
        ("CTAIDI", _("minutes an interrupted customer"), a.ctaidi_min, b.ctaidi_min, 2),
        ("CAIFI", _("times an interrupted customer"), a.caifi, b.caifi, 4),
        ("ASAI", _("% of the time with supply"), _percent(a.asai), _percent(b.asai), 5),
        ("MAIFI", _("momentary operations a customer"), a.maifi, b.maifi, 4),
        ("MAIFI_E", _("momentary events a customer"), a.maifi_e, b.maifi_e, 4),
        ("CEMI-3", _("% of customers with more than 3 interruptions"), *shares(lambda of: of.cemi(3, served)), 3),
        ("CEMSMI-5", _("% with more than 5, momentary too"), *shares(lambda of: of.cemsmi(5, served)), 3),
        ("CELID-s 8", _("% with one of 8 hours or more"), *shares(lambda of: of.celid_s(8, served)), 3),
        ("CELID-t 12", _("% with 12 hours or more in all"), *shares(lambda of: of.celid_t(12, served)), 3),
    ]


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100


def chart(
    name: str, values: Sequence[tuple[dt.date, float | None, bool]], *, monthly: bool, counted: int, days: int
) -> Chart:
    """SAIDI a day of a month, or a month of a year: (date, minutes, of a major event day)."""
    return Chart(
        key="saidi",
        title=_("SAIDI a day") if monthly else _("SAIDI a month"),
        unit=_("minutes"),
        kind=Kind.BAR,
        axis=Axis.DAY if monthly else Axis.MONTH,
        positions=tuple(date for date, _minutes, _marked in values),
        series=(Series(name="SAIDI", values=tuple(minutes for _date, minutes, _marked in values)),),
        source=_("%(name)s: interruptions longer than five minutes, on the day they began.") % {"name": name},
        coverage=_("%(counted)d of %(days)d days are counted.") % {"counted": counted, "days": days},
        marked=frozenset(number for number, (_date, _minutes, marked) in enumerate(values) if marked),
        mark=_("major event day"),
        decimals=2,
    )
