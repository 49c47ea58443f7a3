# SPDX-License-Identifier: Apache-2.0
"""The utility's morning: supply, reliability, line ends, loaded transformers and the data they stand on, each with its page."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from duaarah.analytics.losses import queries as losses
from duaarah.analytics.models import DailyLoad
from duaarah.analytics.network_days import queries as network
from duaarah.analytics.reliability import queries as reliability
from duaarah.clock.queries import now
from duaarah.outages.models import Interruption, MeterSupply, PlannedOutage
from duaarah.outages.queries import open_outages
from duaarah.people.models import Organisation
from duaarah.readings.store import Coverage, coverage
from duaarah.registry.models import NetworkNode
from duaarah.vending.operations.policy import WIB
from duaarah.web.shared.access import for_kind
from duaarah.web.utility.losses_words import sums_row
from duaarah.web.utility.outage_words import outage_row, plan_row
from duaarah.web.utility.reliability_words import figure

for_pln = for_kind(Organisation.Kind.UTILITY)
SHOWN = 5
LOADED = 0.8  # of a transformer's rating
COVERAGE_DAYS = 7


@for_pln
def morning(request: HttpRequest) -> HttpResponse:
    """One page to begin the day with; what cannot be said says why."""
    at = now()
    today = at.astimezone(WIB).date()
    context = {
        "now": at,
        **_supply(at),
        "reliability": _reliability(today),
        **_ends(),
        **_loaded(),
        **_losses(),
        "data": data_words(coverage(today - dt.timedelta(days=COVERAGE_DAYS), today - dt.timedelta(days=1)), at),
    }
    return render(request, "utility/morning.html", context)


def _supply(at: dt.datetime) -> dict[str, Any]:
    states = dict(MeterSupply.objects.values_list("state").annotate(n=Count("pk")).order_by())
    plans = PlannedOutage.objects.filter(
        state__in=(PlannedOutage.State.DRAFT, PlannedOutage.State.ANNOUNCED),
        end_at__gte=at,
        begin_at__lt=at + dt.timedelta(days=2),
    )
    return {
        "open": [outage_row(one) for one in open_outages()[:SHOWN]],
        "open_count": open_outages().count(),
        "customers_off": Interruption.objects.filter(superseded_at=None, ended_at=None).count(),
        "states": states,
        "plans": [plan_row(one) for one in plans.select_related("node").order_by("begin_at")[:SHOWN]],
    }


def _reliability(today: dt.date) -> list[dict[str, Any]]:
    """Yesterday, this month and this year of the whole utility, with what they were counted from."""
    rows = []
    for name, first_date in (
        ("yesterday", today - dt.timedelta(days=1)),
        ("month", today.replace(day=1)),
        ("year", today.replace(month=1, day=1)),
    ):
        last_date = first_date if name == "yesterday" else today
        days = reliability.days_of(scope="UTILITY", scope_id=0, first_date=first_date, last_date=last_date)
        view = reliability.view(days)
        rows.append(
            {
                "name": name,
                "saidi": figure(view.indices.saidi_min, 2),
                "saifi": figure(view.indices.saifi, 4),
                "counted": view.counted,
                "days": view.days,
                "open": view.open_ci,
            }
        )
    return rows


def _ends() -> dict[str, Any]:
    """The transformers whose line ends were lowest in the newest evening."""
    date = network.last_voltage_date()
    if date is None:
        return {"ends": [], "ends_date": None}
    facts = list(network.voltages(date, date))
    rows = sorted((row for row in facts if row.evening_p5_v is not None), key=lambda row: row.evening_p5_v or 0.0)
    return {
        "ends": [
            {"row": row, "p5": figure(row.evening_p5_v, 1), "least": figure(row.evening_min_v, 1)}
            for row in rows[:SHOWN]
        ],
        "ends_date": date,
        "ends_low": sum(row.below > 0 for row in facts),
    }


def _loaded() -> dict[str, Any]:
    """The transformers whose peak of the newest day was nearest to their rating, or above it."""
    date = network.last_load_date()
    if date is None:
        return {"loaded": [], "loaded_date": None}
    rows = network.daily_loads(DailyLoad.Scope.TRANSFORMER, date, date).exclude(utilisation=None)
    found = list(rows.order_by("-utilisation")[:SHOWN])
    nodes = NetworkNode.objects.in_bulk([int(row.key) for row in found])
    return {
        "loaded": [
            {
                "node": nodes[int(row.key)],
                "percent": figure(100 * (row.utilisation or 0), 0),
                "peak": figure(row.peak_w / 1000, 1),
                "minute": f"{row.peak_minute // 60:02d}.{row.peak_minute % 60:02d}",
            }
            for row in found
        ],
        "loaded_date": date,
        "overloaded": rows.filter(utilisation__gt=1).count(),
        "near": rows.filter(utilisation__gt=LOADED).count(),
    }


def _losses() -> dict[str, Any]:
    """The transformers that lacked most over the last seven counted days."""
    last_date = losses.last_loss_date()
    if last_date is None:
        return {"lost": [], "lost_date": None}
    facts = losses.facts(last_date - dt.timedelta(days=COVERAGE_DAYS - 1), last_date)
    found = [one for one in losses.sums_of(facts.filter(kind="TRANSFORMER")) if one.given and one.ntl_wh is not None]
    found.sort(key=lambda one: -(one.ntl_wh or 0.0))
    nodes = NetworkNode.objects.in_bulk([one.node_id for one in found[:SHOWN]])
    cases = losses.open_cases()
    return {
        "lost": [sums_row(one, nodes[one.node_id], cases.get(one.node_id, 0)) for one in found[:SHOWN]],
        "lost_date": last_date,
        "lost_cases": sum(cases.values()),
        "lost_given": len(found),
    }


def data_words(found: Coverage, at: dt.datetime) -> dict[str, Any]:
    """For `shared/data_state.html`: how much of what was due is here, and how old the newest reading is."""
    return {
        "percent": figure(None if found.share is None else 100 * found.share, 1),
        "known": found.share is not None,
        "newest_at": found.newest_at,
        "days": found.days,
        "checked": found.days_checked,
        "now": at,
    }
