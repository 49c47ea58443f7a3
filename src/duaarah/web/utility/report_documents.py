# SPDX-License-Identifier: Apache-2.0
"""What each scheduled report says: the grid of a morning, reliability of a month, losses of a week; of one unit or of all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.utils.translation import gettext as _

from duaarah.analytics.losses import queries as losses
from duaarah.analytics.models import DailyLoad, LossSuspect, Scope
from duaarah.analytics.network_days import queries as network
from duaarah.analytics.reliability import queries as reliability
from duaarah.outages.models import Interruption, PlannedOutage
from duaarah.outages.queries import open_outages
from duaarah.people.models import Unit
from duaarah.readings.store import coverage
from duaarah.registry.models import NetworkNode
from duaarah.vending.operations.policy import WIB
from duaarah.web.shared.charts import Chart
from duaarah.web.shared.figures import figure
from duaarah.web.shared.templatetags.duaarah import count, instant, month_name
from duaarah.web.shared.templatetags.duaarah import day as day_words
from duaarah.web.utility import losses_words as loss_words
from duaarah.web.utility import reliability_words as words
from duaarah.web.utility.outage_words import outage_row

SHOWN, COVERAGE_DAYS, WEEK_DAYS = 10, 7, 7


@dataclass(frozen=True, kw_only=True)
class Section:
    """Sentences, then a table of words whose columns in `right` are figures, then a chart; what is not there is left out."""

    title: str
    sentences: Sequence[str] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    right: frozenset[int] = frozenset()
    chart: Chart | None = None


@dataclass(frozen=True, kw_only=True)
class Document:
    """`path`: the page that has more."""

    name: str
    title: str
    under: str
    sections: Sequence[Section]
    path: str


def nodes_of(unit: Unit | None) -> set[int] | None:
    """The nodes of a unit, those without a unit of their own by the nodes above them; None: all nodes."""
    if unit is None:
        return None
    above = Q(unit=None, parent__unit=unit) | Q(unit=None, parent__unit=None, parent__parent__unit=unit)
    return set(NetworkNode.objects.filter(Q(unit=unit) | above).values_list("pk", flat=True))


def _scope(unit: Unit | None) -> tuple[str, int]:
    return (Scope.UTILITY, 0) if unit is None else (Scope.UNIT, unit.pk)


def _where(unit: Unit | None) -> str:
    return _("Whole utility") if unit is None else unit.name


def _under(unit: Unit | None, at: dt.datetime) -> str:
    return f"{_where(unit)} · {_('made')} {instant(at)}"


def data_sentence(at: dt.datetime) -> str:
    """How complete the interval data of the last week is, and how old the newest."""
    today = at.astimezone(WIB).date()
    found = coverage(today - dt.timedelta(days=COVERAGE_DAYS), today - dt.timedelta(days=1))
    if found.share is None:
        return _("No interval data of the last %(days)d days has come.") % {"days": COVERAGE_DAYS}
    return _(
        "Interval data of the last %(days)d days: %(percent)s percent of what was due is here; the newest is of %(at)s."
    ) % {
        "days": COVERAGE_DAYS,
        "percent": figure(100 * found.share, 1),
        "at": instant(found.newest_at),
    }


def morning(unit: Unit | None, due_at: dt.datetime, at: dt.datetime) -> Document:
    """What is off, what yesterday was, where the lines and transformers are at their end, what is planned."""
    today, nodes = at.astimezone(WIB).date(), nodes_of(unit)
    return Document(
        name=f"jaringan-{today:%Y-%m-%d}",
        title=_("The grid this morning"),
        under=_under(unit, at),
        sections=[_off(nodes), _spans(unit, today), _ends(nodes), _loaded(nodes), _plans(nodes, at), _data(at)],
        path="/operasi/jaringan/",
    )


def _data(at: dt.datetime) -> Section:
    return Section(title=_("Data"), sentences=[data_sentence(at)])


def _off(nodes: set[int] | None) -> Section:
    rows = open_outages()
    off = Interruption.objects.filter(superseded_at=None, ended_at=None)
    if nodes is not None:
        rows = rows.filter(Q(node_id__in=nodes) | Q(meter__transformer_id__in=nodes))
        off = off.filter(meter__transformer_id__in=nodes)
    found = [outage_row(one) for one in rows[:SHOWN]]
    number = off.count()
    said = (
        _("%(n)s meters are without supply by the grid.") % {"n": count(number)}
        if number
        else _("No meter is known to be without supply by the grid.")
    )
    return Section(
        title=_("Off now"),
        sentences=[said],
        head=[_("Outage"), _("Level"), _("State"), _("Since"), _("Customers")],
        rows=[
            [r["name"], str(r["level"]), str(r["word"]), instant(r["outage"].began_at), count(r["outage"].affected)]
            for r in found
        ],
        right=frozenset({4}),
    )


def _spans(unit: Unit | None, today: dt.date) -> Section:
    scope, number = _scope(unit)
    yesterday = today - dt.timedelta(days=1)
    rows = []
    for name, first in (
        (_("Yesterday"), yesterday),
        (_("This month"), today.replace(day=1)),
        (_("This year"), today.replace(month=1, day=1)),
    ):
        last = yesterday if first == yesterday else today
        view = reliability.view(
            reliability.days_of(scope=scope, scope_id=number, first_date=min(first, last), last_date=last)
        )
        counted = _("%(n)d of %(days)d days") % {"n": view.counted, "days": view.days}
        rows.append([name, figure(view.indices.saidi_min, 2), figure(view.indices.saifi, 4), counted])
    return Section(
        title=_("Reliability"),
        sentences=[_("A supply that is cut because credit is gone counts nowhere.")],
        head=[_("Period"), _("SAIDI (min)"), "SAIFI", _("Counted")],
        rows=rows,
        right=frozenset({1, 2}),
    )


def _ends(nodes: set[int] | None) -> Section:
    date = network.last_voltage_date()
    if date is None:
        return Section(title=_("Lowest line ends"), sentences=[_("No voltage of a whole day has been told yet.")])
    facts = network.voltages(date, date).exclude(evening_p5_v=None)
    if nodes is not None:
        facts = facts.filter(transformer_id__in=nodes)
    found = sorted(facts, key=lambda row: row.evening_p5_v or 0.0)
    low = sum(row.below > 0 for row in found)
    return Section(
        title=f"{_('Lowest line ends')} · {day_words(date)}",
        sentences=[_("%(n)s phases had an interval below the band.") % {"n": count(low)}],
        head=[_("Transformer"), _("Phase"), _("Evening, 5th percentile (V)"), _("Lowest (V)"), _("Meters below")],
        rows=[
            [
                r.transformer.name or r.transformer.code,
                r.phase or "-",
                figure(r.evening_p5_v, 1),
                figure(r.evening_min_v, 1),
                count(r.low_meters),
            ]
            for r in found[:SHOWN]
        ],
        right=frozenset({2, 3, 4}),
    )


def _loaded(nodes: set[int] | None) -> Section:
    date = network.last_load_date()
    if date is None:
        return Section(
            title=_("Most loaded transformers"),
            sentences=[_("No load of a whole day with a known rating yet.")],
        )
    facts = network.daily_loads(DailyLoad.Scope.TRANSFORMER, date, date).exclude(utilisation=None)
    if nodes is not None:
        facts = facts.filter(key__in=[str(node) for node in nodes])
    found = list(facts.order_by("-utilisation"))
    own = NetworkNode.objects.in_bulk([int(row.key) for row in found[:SHOWN]])
    over = sum((row.utilisation or 0) > 1 for row in found)
    return Section(
        title=f"{_('Most loaded transformers')} · {day_words(date)}",
        sentences=[_("%(n)s of %(all)s are above their rating.") % {"n": count(over), "all": count(len(found))}],
        head=[_("Transformer"), _("Percent of its rating"), _("Peak (kW)")],
        rows=[
            [
                own[int(r.key)].name or own[int(r.key)].code,
                figure(100 * (r.utilisation or 0), 0),
                figure(r.peak_w / 1000, 1),
            ]
            for r in found[:SHOWN]
        ],
        right=frozenset({1, 2}),
    )


def _plans(nodes: set[int] | None, at: dt.datetime) -> Section:
    plans = PlannedOutage.objects.filter(
        state__in=(PlannedOutage.State.DRAFT, PlannedOutage.State.ANNOUNCED),
        end_at__gte=at,
        begin_at__lt=at + dt.timedelta(days=2),
    ).select_related("node")
    if nodes is not None:
        plans = plans.filter(node_id__in=nodes)
    found = list(plans.order_by("begin_at")[:SHOWN])
    return Section(
        title=_("Planned today and tomorrow"),
        sentences=[] if found else [_("No work is planned.")],
        head=[_("Node"), _("From"), _("Until"), _("Reason")],
        rows=[[p.node.name or p.node.code, instant(p.begin_at), instant(p.end_at), p.reason] for p in found],
    )


def month(unit: Unit | None, due_at: dt.datetime, at: dt.datetime) -> Document:
    """The month of the day before the report is due: on the first, the whole month before."""
    day = due_at.astimezone(WIB).date() - dt.timedelta(days=1)
    first, last_date = reliability.month_ends(day)
    last_date = min(last_date, day)
    scope, number = _scope(unit)

    def spread_of(without: Sequence[dt.date] = ()) -> reliability.Spread:
        return reliability.spread(
            scope=scope, scope_id=number, first_date=first, last_date=last_date, now=at, without=without
        )

    days = reliability.days_of(scope=scope, scope_id=number, first_date=first, last_date=last_date)
    meds = reliability.med_dates(first_date=first, last_date=last_date)
    spread = spread_of()
    clean = spread_of(meds) if meds else spread
    whole = reliability.view(days, distinct=spread.distinct)
    without = reliability.view(days, without=meds, distinct=clean.distinct)
    points = [(d, f.interrupted_us / 60e6 / f.served if f.served else None, d in meds) for d, f in days.items()]
    made = words.chart(_where(unit), points, monthly=True, counted=whole.counted, days=whole.days)
    counted = _("%(counted)d of %(days)d days are counted.") % {"counted": whole.counted, "days": whole.days}
    indices = Section(
        title=_("As IEEE 1366 counts"),
        sentences=[counted, _("A dash: not defined.")],
        head=[_("Index"), _("What it is"), _("With major event days"), _("Without")],
        rows=[
            [name, what, figure(a, d), figure(b, d)]
            for name, what, a, b, d in words.index_rows(whole, without, spread, clean)
        ],
        right=frozenset({2, 3}),
    )
    return Document(
        name=f"keandalan-{first:%Y-%m}",
        title=f"{_('Reliability')} · {month_name(first)}",
        under=_under(unit, at),
        sections=[
            indices,
            Section(title=_("SAIDI a day"), chart=made),
            _worst(scope, number, first, last_date),
            _data(at),
        ],
        path=f"/operasi/keandalan/?bulan={first:%Y-%m}&lingkup={scope}:{number}",
    )


def _worst(scope: str, number: int, first: dt.date, last_date: dt.date) -> Section:
    """What lies below, the worst first."""
    below = words.below(scope, number)
    names = {(kind, pk): name for kind, pk, name in below}
    rows = []
    for kind in sorted({kind for kind, _pk, _name in below}):
        ids = [pk for own, pk, _name in below if own == kind]
        sums = reliability.sums_of(scope=kind, scope_ids=ids, first_date=first, last_date=last_date)
        rows += [
            (us / 60e6 / served, ci / served, names[(kind, pk)]) for pk, (served, ci, us) in sums.items() if served
        ]
    rows.sort(key=lambda row: (-row[0], row[2]))
    return Section(
        title=_("Below it, the worst first"),
        sentences=[] if rows else [_("Nothing below it is counted yet.")],
        head=[_("Name"), _("SAIDI (min)"), "SAIFI"],
        rows=[[name, figure(saidi, 2), figure(saifi, 4)] for saidi, saifi, name in rows[:SHOWN]],
        right=frozenset({1, 2}),
    )


def week(unit: Unit | None, due_at: dt.datetime, at: dt.datetime) -> Document:
    """The losses of the seven days up to the newest one that was counted."""
    nodes = nodes_of(unit)
    last_date = losses.last_loss_date()
    sections = [_losses(nodes, last_date), _indications(nodes), _data(at)]
    newest = last_date or due_at.astimezone(WIB).date()
    return Document(
        name=f"susut-{newest:%Y-%m-%d}",
        title=_("Losses of the week"),
        under=_under(unit, at),
        sections=sections,
        path="/operasi/susut/",
    )


def _losses(nodes: set[int] | None, last_date: dt.date | None) -> Section:
    if last_date is None:
        return Section(title=_("Transformers"), sentences=[_("No loss of a whole day has been counted yet.")])
    first = last_date - dt.timedelta(days=WEEK_DAYS - 1)
    facts = losses.facts(first, last_date).filter(node__kind=NetworkNode.Kind.TRANSFORMER)
    found = losses.sums_of(facts if nodes is None else facts.filter(node_id__in=nodes))
    given = sorted((one for one in found if one.given), key=lambda one: -(one.ntl_wh or 0.0))
    own = NetworkNode.objects.in_bulk([one.node_id for one in given[:SHOWN]])
    return Section(
        title=f"{_('Transformers')} · {day_words(first)} - {day_words(last_date)}",
        sentences=[
            _("%(n)s transformers have a verdict on at least one day, %(m)s have none.")
            % {"n": count(len(given)), "m": count(len(found) - len(given))},
            _("Non-technical: an estimate with its 80 % interval, an indication and never a proof."),
        ],
        head=[
            *(_("Transformer"), _("Days"), _("Input (kWh)"), _("Loss (%)"), _("Technical (kWh)")),
            *(_("Non-technical (kWh)"), _("80 % interval")),
        ],
        rows=[
            [
                own[one.node_id].name or own[one.node_id].code,
                f"{one.given}/{one.days}",
                loss_words.kwh(one.input_wh, 0),
                loss_words.percent(one.loss_share, 2),
                loss_words.kwh(one.technical_wh),
                loss_words.kwh(one.ntl_wh),
                loss_words.between(one.ntl_low_wh, one.ntl_high_wh),
            ]
            for one in given[:SHOWN]
        ],
        right=frozenset({1, 2, 3, 4, 5, 6}),
    )


def _indications(nodes: set[int] | None) -> Section:
    rows = LossSuspect.objects.filter(superseded_at=None)
    found = losses.indicated(rows if nodes is None else rows.filter(node_id__in=nodes))
    open_ = [one.suspect for one in found if one.state == losses.OPEN]
    return Section(
        title=_("Where an inspection pays"),
        sentences=[_("Indications from readings; none is a proof.") if open_ else _("There is no indication.")],
        head=[_("Meter"), _("Transformer"), _("Hidden a day (kWh)"), _("Score")],
        rows=[
            [s.meter.drn, s.node.name or s.node.code, loss_words.kwh(s.hidden_wh_day), figure(s.score, 1)]
            for s in open_[:SHOWN]
        ],
        right=frozenset({2, 3}),
    )


DOCUMENTS: dict[str, Callable[[Unit | None, dt.datetime, dt.datetime], Document]] = {
    "MORNING": morning,
    "RELIABILITY": month,
    "LOSSES": week,
}
