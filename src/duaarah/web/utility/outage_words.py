# SPDX-License-Identifier: Apache-2.0
"""Outages in words: levels, states, causes, what a meter's word says, why a deed was refused."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duaarah.core.outage import Kind
from duaarah.outages.models import Cause, Outage, PlannedOutage

LEVELS = {
    Outage.Level.METER: gettext_lazy("One meter"),
    Outage.Level.TRANSFORMER: gettext_lazy("Transformer"),
    Outage.Level.FEEDER: gettext_lazy("Feeder"),
    Outage.Level.SUBSTATION: gettext_lazy("Substation"),
}
STATES = {
    Outage.State.SUSPECTED: (gettext_lazy("Suspected: silence alone"), "diam"),
    Outage.State.DECLARED: (gettext_lazy("Power is off"), "padam"),
    Outage.State.CLOSED: (gettext_lazy("Power is back"), "nyala"),
    Outage.State.WITHDRAWN: (gettext_lazy("It was none"), "diam"),
}
CAUSES = {
    Cause.UNPLANNED: gettext_lazy("Fault"),
    Cause.PLANNED: gettext_lazy("Planned work"),
    Cause.SUPPLY: gettext_lazy("Loss of supply from above"),
    Cause.FORCE_MAJEURE: gettext_lazy("Force majeure"),
}
WORDS = {
    Kind.GASP: gettext_lazy("last gasp: the supply failed"),
    Kind.RESTORE: gettext_lazy("the supply is back"),
    Kind.ALIVE: gettext_lazy("heard: it had supply"),
    Kind.INTERVAL: gettext_lazy("measured voltage"),
    Kind.ZERO: gettext_lazy("measured no voltage"),
    Kind.PING_SENT: gettext_lazy("asked for a word"),
    Kind.PING_ANSWERED: gettext_lazy("answered when asked"),
    Kind.PING_LOST: gettext_lazy("did not answer when asked"),
    Kind.CREDIT_OPEN: gettext_lazy("cut off for want of credit"),
    Kind.CREDIT_CLOSED: gettext_lazy("has credit, relay closed"),
    Kind.BALANCE_EMPTY: gettext_lazy("its balance is nothing"),
    Kind.LOG: gettext_lazy("its log of power failures tells it"),
    Kind.LOG_COVERS: gettext_lazy("its log was read"),
    Kind.MODEM: gettext_lazy("its modem reported"),
}
PLANS = {
    PlannedOutage.State.DRAFT: (gettext_lazy("Draft: nobody is told"), "diam"),
    PlannedOutage.State.ANNOUNCED: (gettext_lazy("Customers are told"), "padam"),
    PlannedOutage.State.CANCELLED: (gettext_lazy("Called off"), "diam"),
    PlannedOutage.State.DONE: (gettext_lazy("Over"), "nyala"),
}
REFUSED = {
    "bad_end": gettext_lazy("The expected end has to lie within the next seven days. Nothing was changed."),
    "not_open": gettext_lazy("It is over already. Nothing was changed."),
    "not_draft": gettext_lazy("Its time has come, or it was called off. Nobody was told."),
    "no_reason": gettext_lazy("A reason is needed, of 200 characters at most. Nothing was changed."),
    "bad_span": gettext_lazy("Planned work begins in the future and lasts three days at most. Nothing was changed."),
    "bad_time": gettext_lazy("This time cannot be read. Nothing was changed."),
}


def outage_row(outage: Outage) -> dict[str, Any]:
    """An outage with its words."""
    word, sign = STATES[Outage.State(outage.state)]
    return {
        "outage": outage,
        "level": LEVELS[Outage.Level(outage.level)],
        "word": word,
        "sign": sign,
        "cause": CAUSES[Cause(outage.cause)],
        "name": name_of(outage),
    }


def name_of(outage: Outage) -> str:
    """What is off: a node by its name and code, a meter by its number."""
    if outage.node is not None:
        return f"{outage.node.name} ({outage.node.code})" if outage.node.name else outage.node.code
    return outage.meter.drn if outage.meter is not None else _("Unknown")


def plan_row(plan: PlannedOutage) -> dict[str, Any]:
    """Planned work with its words."""
    word, sign = PLANS[PlannedOutage.State(plan.state)]
    return {"plan": plan, "word": word, "sign": sign}
