# SPDX-License-Identifier: Apache-2.0
"""Losses in words: why a day has no verdict, what an indication rests on, what is wrong with a reading. Never "theft"."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duaarah.analytics.losses.queries import OPEN, Indicated, Sums
from duaarah.analytics.models import DailyLoss, LossDecision, LossFinding, LossState, LossSuspect
from duaarah.registry.models import NetworkNode
from duaarah.web.shared.charts import Axis, Chart, Kind, Series
from duaarah.web.shared.figures import figure
from duaarah.web.shared.templatetags.duaarah import count as counted
from duaarah.web.shared.templatetags.duaarah import day as day_words
from duaarah.web.shared.templatetags.duaarah import drn as drn_words
from duaarah.web.shared.templatetags.duaarah import instant

Refusal, Found, State = DailyLoss.Refusal, LossFinding.Kind, LossDecision.State
REFUSALS = {
    Refusal.NO_TOTAL: gettext_lazy("no total meter: what came in is not known"),
    Refusal.INCOMPLETE: gettext_lazy("less than 95 percent of the readings are there"),
    Refusal.CLOCKS: gettext_lazy("clocks disagree: energy may be another day's"),
    Refusal.NEGATIVE: gettext_lazy("more went out than came in: feed-in, a wrong place or a wrong factor"),
}
STATES = {
    OPEN: gettext_lazy("Still open"),
    State.FOUND: gettext_lazy("Inspected: something was found"),
    State.NOTHING: gettext_lazy("Inspected: nothing was found"),
    State.DISMISSED: gettext_lazy("Dismissed"),
}
CHIPS = {OPEN: "wait", State.FOUND: "habis", State.NOTHING: "nyala", State.DISMISSED: "diam"}
PLACE_STATES = {
    State.FOUND: gettext_lazy("Seen on site: it hangs where the voltage says"),
    State.DISMISSED: gettext_lazy("Seen on site: the registry is right"),
}
FINDINGS = {
    Found.TRANSFORMER: gettext_lazy("Hangs at another transformer"),
    Found.PHASE: gettext_lazy("Hangs on another phase"),
    Found.PHASE_UNKNOWN: gettext_lazy("Phase not recorded"),
    Found.RESET: gettext_lazy("Register began at zero"),
    Found.ROLLOVER: gettext_lazy("Register passed its highest figure"),
    Found.SWAP: gettext_lazy("Register of another meter"),
    Found.CLOCK: gettext_lazy("Clock is off"),
    Found.FEED_IN: gettext_lazy("Feeds in at noon"),
    Found.VACANT: gettext_lazy("Use fell to nothing, nothing is missing"),
}
PLACES = (Found.TRANSFORMER, Found.PHASE, Found.PHASE_UNKNOWN)
REGISTERS = (Found.RESET, Found.ROLLOVER, Found.SWAP)
GROUPS = {
    "tempat": (gettext_lazy("Places"), PLACES),
    "register": (gettext_lazy("Registers"), REGISTERS),
    "jam": (gettext_lazy("Clocks"), (Found.CLOCK,)),
    "lain": (gettext_lazy("Feed-in and empty houses"), (Found.FEED_IN, Found.VACANT)),
}


def kwh(value_wh: float | None, decimals: int = 1) -> str:
    """Watt-hours as kilowatt-hours."""
    return figure(None if value_wh is None else value_wh / 1000, decimals)


def percent(share: float | None, decimals: int = 1) -> str:
    return figure(None if share is None else 100 * share, decimals)


def exact_kwh(value_wh: float | None) -> Decimal | str:
    """A figure of a file."""
    return "" if value_wh is None else Decimal(f"{value_wh / 1000:.4f}")


def sums_row(found: Sums, node: NetworkNode, cases: int) -> dict[str, Any]:
    """A row of the ranking."""
    return {
        "node": node,
        "sums": found,
        "input": kwh(found.input_wh, 0),
        "delivered": kwh(found.delivered_wh, 0),
        "loss": kwh(found.loss_wh, 0),
        "loss_percent": percent(found.loss_share),
        "technical": kwh(found.technical_wh, 0),
        "ntl": kwh(found.ntl_wh, 0),
        "ntl_percent": percent(found.ntl_share),
        "between": between(found.ntl_low_wh, found.ntl_high_wh, 0),
        "sure": found.ntl_low_wh is not None and found.ntl_low_wh > 0,
        "completeness": percent(found.completeness),
        "refusal": REFUSALS.get(found.refusal, ""),  # type: ignore[call-overload]
        "cases": cases,
    }


def between(low_wh: float | None, high_wh: float | None, decimals: int = 1) -> str:
    """`-1,2 - 8,4`; empty where there is no interval."""
    if low_wh is None or high_wh is None:
        return ""
    return _("%(low)s to %(high)s") % {"low": kwh(low_wh, decimals), "high": kwh(high_wh, decimals)}


def day_row(fact: DailyLoss) -> dict[str, Any]:
    """One day of a node."""
    loss = None if fact.input_wh is None or fact.delivered_wh is None else fact.input_wh - fact.delivered_wh
    return {
        "fact": fact,
        "input": kwh(fact.input_wh),
        "delivered": kwh(fact.delivered_wh),
        "loss": kwh(loss),
        "loss_percent": percent(loss / fact.input_wh if loss is not None and fact.input_wh else None),
        "technical": kwh(fact.technical_wh),
        "ntl": kwh(fact.ntl_wh),
        "between": between(fact.ntl_low_wh, fact.ntl_high_wh),
        "completeness": percent(fact.completeness),
        "refusal": REFUSALS.get(fact.refusal, ""),  # type: ignore[call-overload]
    }


def _source() -> str:
    return _("Total meter and customers' meters of each local day.")


def ntl_chart(days: list[DailyLoss], coverage: str) -> Chart:
    """What is missing beyond physics, with the band in which it lies four times of five."""
    return Chart(
        key="tak-teknis",
        title=_("Missing beyond physics, a day"),
        unit="kWh",
        kind=Kind.LINE,
        axis=Axis.DAY,
        positions=tuple(day.date for day in days),
        series=(
            Series(name=_("80 % interval"), values=_kwhs(days, "ntl_high_wh"), lows=_kwhs(days, "ntl_low_wh")),
            Series(name=_("Non-technical"), values=_kwhs(days, "ntl_wh")),
            Series(name=_("Technical, by model"), values=_kwhs(days, "technical_wh")),
        ),
        source=_source(),
        coverage=coverage,
        marked=frozenset(n for n, day in enumerate(days) if day.refusal),
        mark=_("no verdict"),
    )


def balance_chart(days: list[DailyLoss], coverage: str) -> Chart:
    """What came in and what was delivered."""
    return Chart(
        key="neraca",
        title=_("Came in and delivered, a day"),
        unit="kWh",
        kind=Kind.LINE,
        axis=Axis.DAY,
        positions=tuple(day.date for day in days),
        series=(
            Series(name=_("Came in"), values=_kwhs(days, "input_wh")),
            Series(name=_("Delivered"), values=_kwhs(days, "delivered_wh")),
        ),
        source=_source(),
        coverage=coverage,
        from_zero=False,
        marked=frozenset(n for n, day in enumerate(days) if day.refusal),
        mark=_("no verdict"),
    )


def meter_chart(days: list[DailyLoss], used: dict[dt.date, float], coverage: str) -> Chart:
    """A meter's use beside what its transformer lacks."""
    return Chart(
        key="meter",
        title=_("Its use, and what the transformer lacks, a day"),
        unit="kWh",
        kind=Kind.LINE,
        axis=Axis.DAY,
        positions=tuple(day.date for day in days),
        series=(
            Series(name=_("Used, by this meter"), values=tuple(_kilo(used.get(day.date)) for day in days)),
            Series(name=_("The transformer lacks"), values=_kwhs(days, "ntl_wh")),
        ),
        source=_source(),
        coverage=coverage,
    )


def _kwhs(days: list[DailyLoss], name: str) -> tuple[float | None, ...]:
    return tuple(_kilo(getattr(day, name)) for day in days)


def _kilo(value_wh: float | None) -> float | None:
    return None if value_wh is None else value_wh / 1000


def coverage_words(days: list[DailyLoss]) -> str:
    """How much of what was due the days stand on."""
    if not days:
        return ""
    mean = sum(day.completeness for day in days) / len(days)
    given = sum(not day.refusal for day in days)
    return _("%(percent)s percent of the readings due; %(given)s of %(days)s days have a verdict.") % {
        "percent": percent(mean),
        "given": given,
        "days": len(days),
    }


def state_words(state: LossState | None) -> list[str]:
    """What the newest span says of a transformer as a whole, a sentence each."""
    if state is None:
        return []
    out = []
    if state.since_date is not None:
        out.append(_("From %(day)s on more is missing than before.") % {"day": day_words(state.since_date)})
    if state.clean_days:
        out.append(_("The model learned from %(n)s days without such a loss.") % {"n": state.clean_days})
    else:
        out.append(_("No period without loss is known, so the interval is wide. An inspection can set one."))
    if not state.plate_known:
        out.append(_("The transformer's test sheet is not in the registry: usual values stand in, doubted more."))
    if state.street_light_w:
        words = _("About %(w)s W burn all night without a meter: perhaps street lights.")
        out.append(words % {"w": figure(state.street_light_w, 0)})
    if state.feed_in:
        out.append(_("Somebody feeds in at noon; the sunny hours are left out of the search."))
    if not state.ranked:
        out.append(_("There are too few complete days to look for single meters (two weeks are needed)."))
    elif state.cannot_tell:
        out.append(_("Energy is missing and no single meter stands out."))
    return out


def mechanism(suspect: LossSuspect) -> str:
    """What the regression saw, as a field crew can check it; empty: it saw nothing."""
    if not suspect.case:
        return ""
    share, energy = percent(suspect.share, 0), kwh(suspect.hidden_wh_day)
    since = day_words(suspect.since_date) if suspect.since_date else ""
    values = {"share": share, "kwh": energy, "day": since}
    if suspect.mechanism == "drop":
        words = _(
            "Since %(day)s it counts less, and from then on the missing energy rises and falls with its use: "
            "about %(kwh)s kWh a day, %(share)s percent of what it would draw. "
            "Look for a load connected before the meter, or a damaged meter."
        )
    elif suspect.mechanism == "bypass":
        words = _(
            "Since %(day)s it counts next to nothing, and the transformer lacks what it used before: "
            "about %(kwh)s kWh a day. Look whether the house is lived in and whether a wire passes the meter."
        )
    elif suspect.mechanism == "later":
        words = _(
            "Since %(day)s the missing energy rises and falls with its use, and its own use went on as before: "
            "about %(kwh)s kWh a day, %(share)s percent of what it would draw. "
            "Look for new loads of this house that are connected before the meter."
        )
    elif suspect.mechanism == "night":
        words = _(
            "At night (22-5 h) the missing energy rises and falls with its use: about %(kwh)s kWh a night. "
            "Look for a load connected before the meter that runs at night."
        )
    else:
        words = _(
            "The missing energy rises and falls with its use at all hours: about %(kwh)s kWh a day, "
            "%(share)s percent of what it would draw. Look for a part of the house that is connected before the meter, "
            "or a wrong factor."
        )
    return words % values


def rules(suspect: LossSuspect) -> list[str]:
    """What the meter itself reported, a sentence each."""
    return [_rule(code, number) for code, _weight, number in suspect.rules]


def _rule(code: str, number: float) -> str:
    n, energy = counted(int(number)), kwh(number, 2)
    sentences = {
        "use_relay_open": _("%(kwh)s kWh were counted while the meter said its relay was open."),
        "magnet": _("It reported a strong magnetic field %(n)s times."),
        "reverse_current": _("It reported current running backwards %(n)s times."),
        "cover_open": _("It reported that its cover was opened %(n)s times."),
        "closed_no_credit": _("Its relay is closed though its credit is used up."),
        "no_token": _("No token was loaded for %(n)s days, and the meter is alive."),
        "zero_use": _("It counted no use for %(n)s whole days while its neighbours use as ever."),
        "unbalance": _("Phase and neutral carry currents that differ by %(a)s A."),
    }
    return sentences.get(code, code) % {"n": n, "kwh": energy, "a": figure(number, 1)}


def suspect_row(one: Indicated) -> dict[str, Any]:
    """An indication in a list: what it rests on in one line."""
    row = one.suspect
    return {
        "row": row,
        "state": STATES[one.state],
        "chip": CHIPS[one.state],
        "is_open": one.state == OPEN,
        "hidden": kwh(row.hidden_wh_day) if row.case else "",
        "score": figure(row.score, 1) if row.case else "",
        "sentences": [words for words in (mechanism(row), *rules(row)) if words],
        "decision": one.decision,
    }


def finding_row(row: LossFinding, nodes: dict[int, NetworkNode], drns: dict[int, str]) -> dict[str, Any]:
    """A finding as one sentence with its figures."""
    return {"row": row, "kind": FINDINGS[Found(row.kind)], "words": _finding(row, nodes, drns)}


def _finding(row: LossFinding, nodes: dict[int, NetworkNode], drns: dict[int, str]) -> str:
    detail = row.detail
    if row.kind in PLACES:
        return _place(detail, nodes, drns)
    if row.kind in REGISTERS:
        return _("%(at)s: the register went from %(before)s to %(after)s kWh. Balances go by the intervals there.") % {
            "at": instant(row.at, row.meter.zone),
            "before": kwh(detail["before_wh"]),
            "after": kwh(detail["after_wh"]),
        }
    if row.kind == Found.CLOCK:
        minutes = abs(detail["lag_s"]) // 60
        late = _("Its time stamps are %(n)s minutes too late, as its voltage beside its neighbours' shows.")
        early = _("Its time stamps are %(n)s minutes too early, as its voltage beside its neighbours' shows.")
        return (late if detail["lag_s"] > 0 else early) % {"n": minutes}
    if row.kind == Found.FEED_IN:
        return _("While the sun is high it draws nothing, and less comes into the transformer than its neighbours use.")
    return _("Its use fell to nothing and nothing is missing: the house is empty, it is no indication.")


def _place(detail: dict[str, Any], nodes: dict[int, NetworkNode], drns: dict[int, str]) -> str:
    node = nodes.get(int(detail["likely"][0]))
    where = f"{node.name or node.code if node else '?'} {detail['likely'][1]}".strip()
    words = _(
        "Its voltage moves with %(where)s (fit %(likely)s), not with where it is recorded (fit %(recorded)s)."
    ) % {
        "where": where,
        "likely": figure(detail["fits_likely"], 2),
        "recorded": figure(detail["fits_recorded"], 2),
    }
    other = detail.get("exchanged")
    if other is not None and other in drns:
        words += " " + _("It was perhaps exchanged with %(drn)s.") % {"drn": drn_words(drns[other])}
    return words
