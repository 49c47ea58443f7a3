# SPDX-License-Identifier: Apache-2.0
"""The guided tour: the seven steps of today (Eksisting) beside the three of two ways, on a real meter; and PLN's morning."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from duaarah.clock.queries import now
from duaarah.headend.models import Attempt
from duaarah.messaging.models import Message
from duaarah.registry.models import Pairing
from duaarah.vending.models import Vend
from duaarah.vending.queries import amount_idr, journey, vends_of_meters

BEGAN = "stage_tour_began"
WARNINGS = ("low_credit", "credit_exhausted")
_ANSWER = re.compile(r"ISI (\d{4,8}) ([A-Z]\d[A-Z])")

# A button of the tour, and the stage's deed behind it.
STEPS = {"low": "habiskan", "answer": "sms", "atm": "atm"}
# In the seed's order and with its own weight: (what happens, who has the trouble).
EXISTING = (
    (_("The meter beeps"), _("if somebody is near enough to hear it")),
    (_("Somebody is told to buy"), _("by call or chat, from the house to whoever can buy")),
    (_("He takes the request"), _("when he reads it")),
    (_("He buys the token"), _("at an ATM, a shop or in an app")),
    (_("He passes the digits on"), _("20 of them, by chat or read aloud")),
    (_("The house takes them down"), _("and checks each one")),
    (_("Somebody keys them in"), _("at the meter, outside, also at night and in the rain")),
)
# What the other side has of it every morning: (what, why, as whom, name of the page).
UTILITY = (
    (
        _("The grid this morning"),
        _("what is off, how long it was off this year, how complete the data is"),
        "pln",
        "desk-morning",
    ),
    (
        _("Outages of ninety days"),
        _("told by the meters' own last gasps; cut a feeder on the stage for one more"),
        "pln",
        "desk-outages",
    ),
    (
        _("A house from which energy is missing"),
        _("one neighbour hides a part of his use; find the transformer, then the meter"),
        "pln",
        "desk-losses",
    ),
    (
        _("A weak line end"),
        _("its evening volts go below the limit; the phase and the lowest meters are named"),
        "pln",
        "desk-voltage",
    ),
    (
        _("Where money helps first"),
        _("full transformers, weak ends and losses on one page"),
        "perencana",
        "desk-planner",
    ),
)


@dataclass(frozen=True)
class Tour:
    """
    How far a tour has come, by rows alone: the warning, the purchase after it, the meter's answer.

    `waited_s` is business time from the warning to the loaded meter.
    """

    warning: Message | None
    vend: Vend | None
    receipt: Message | None
    waited_s: int | None

    @property
    def loaded(self) -> bool:
        """The meter itself has said so."""
        return self.vend is not None and self.vend.state == Vend.State.LOADED

    @property
    def answer(self) -> str:
        """What the warning says one may answer; empty where there is none."""
        found = _ANSWER.search(self.warning.text) if self.warning is not None else None
        return found[0] if found else ""


def begin(request: HttpRequest) -> None:
    """From here on counts what happens."""
    request.session[BEGAN] = now().isoformat()


def start_of(request: HttpRequest) -> dt.datetime:
    """When this visitor's tour began; it begins with his first look."""
    try:
        at = dt.datetime.fromisoformat(request.session.get(BEGAN, ""))
    except ValueError:
        begin(request)
        return start_of(request)
    # A town that was founded anew lives before an old tour.
    return at if at <= now() else now()


def tour_of(pairing: Pairing, began_at: dt.datetime) -> Tour:
    """The tour's state for one meter."""
    mine = Message.objects.filter(meter_id=pairing.meter_id, created_at__gte=began_at).order_by("-pk")
    warning = mine.filter(template__in=WARNINGS).first()
    vend = None
    if warning is not None:
        vend = next((v for v in vends_of_meters([pairing.meter_id], 3) if v.paid_at >= warning.created_at), None)
    receipt = None
    if vend is not None:
        receipt = Message.objects.filter(dedupe=f"receipt:vend:{vend.pk}").first()
    waited_s = None
    if warning is not None and vend is not None and vend.closed_at is not None:
        waited_s = max(1, round((vend.closed_at - warning.created_at).total_seconds()))
    return Tour(warning, vend, receipt, waited_s)


def context(request: HttpRequest, pairing: Pairing) -> dict[str, object]:
    """What the page shows."""
    tour = tour_of(pairing, start_of(request))
    frames = Attempt.objects.filter(command__vend=tour.vend).count() if tour.vend is not None else 0
    return {
        "pairing": pairing,
        "tour": tour,
        "steps": journey(tour.vend) if tour.vend is not None else [],
        "frames": frames,
        "amount_idr": amount_idr(tour.vend) if tour.vend is not None else None,
        "existing": EXISTING,
        "utility": UTILITY,
    }
