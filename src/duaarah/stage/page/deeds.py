# SPDX-License-Identifier: Apache-2.0
"""What the buttons of the stage do, each one thing in the simulated world or to the clock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duaarah.clock.models import BusinessClock
from duaarah.clock.queries import now
from duaarah.registry.models import Pairing
from duaarah.stage.opening import change_rate_of_both, move_both
from duaarah.vending.operations.sweep import UNCONFIRMED_S

RATES = (1, 10, 60, 300)
ATM_NOMINAL_IDR = 50_000
# The story in the seed's order; each step lights when it has happened.
STEPS = (
    ("low", gettext_lazy("Credit runs low"), gettext_lazy("the meter says so by itself")),
    ("warned", gettext_lazy("One SMS"), gettext_lazy("with a code to answer")),
    ("bought", gettext_lazy("Bought"), gettext_lazy("by answer, page, ATM, anywhere")),
    ("token", gettext_lazy("Token"), gettext_lazy("20 digits, STS")),
    ("sent", gettext_lazy("To the meter"), gettext_lazy("encrypted DLMS by SMS")),
    ("loaded", gettext_lazy("Loaded"), gettext_lazy("the meter's own answer")),
)


class Town(Protocol):
    def __call__(self, op: str, **fields: object) -> dict[str, Any]: ...


Form = Mapping[str, str]


@dataclass(frozen=True)
class Deed:
    """`name` on the button (empty: a form of its own); `act` returns a sentence, or nothing."""

    name: object
    act: Callable[[Town, Pairing, Form], str]


def _text(town: Town, pairing: Pairing, form: Form) -> str:
    words = form.get("text", "").strip()[:160]
    if words:
        town("send", **{"from": pairing.phone, "text": words})
    return ""


def _keypad(town: Town, pairing: Pairing, form: Form) -> str:
    digits = "".join(c for c in form.get("digits", "") if c.isascii() and c.isdigit())
    if len(digits) != 20:
        return _("A token has 20 digits.")
    return _("The meter says: %(word)s") % {"word": town("keypad", drn=pairing.meter.drn, digits=digits)["result"]}


def _use_up(town: Town, pairing: Pairing, form: Form) -> str:
    town("use_up", drn=pairing.meter.drn)
    return ""


def _atm(town: Town, pairing: Pairing, form: Form) -> str:
    town("buy_at_atm", drn=pairing.meter.drn, nominal_idr=ATM_NOMINAL_IDR)
    return ""


def _modem(town: Town, pairing: Pairing, form: Form) -> str:
    dead = not town("meter", drn=pairing.meter.drn)["modem_dead"]
    town("fault", drn=pairing.meter.drn, modem_dead=dead)
    return _("The modem has no network.") if dead else _("The modem is back.")


def _lose(town: Town, pairing: Pairing, form: Form) -> str:
    town("fault", drn=pairing.meter.drn, lose_next_answer=1)
    return _("The meter's next answer will be lost; the frame goes again under a new counter.")


def _pace(step: int) -> Callable[[Town, Pairing, Form], str]:
    def act(town: Town, pairing: Pairing, form: Form) -> str:
        rate = BusinessClock.objects.get(pk=1).rate
        index = min(range(len(RATES)), key=lambda i: abs(RATES[i] - rate))
        change_rate_of_both(town, RATES[max(0, min(len(RATES) - 1, index + step))])
        return ""

    return act


def _jump(town: Town, pairing: Pairing, form: Form) -> str:
    """To the next thing that is due by business time: an event of the town, or a promise that the platform keeps."""
    times = []
    if due := town("status")["next_due_at"]:
        times.append(dt.datetime.fromisoformat(due))
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(issued_at) FROM vending_vend WHERE state = 'ISSUED' AND digits_sent_at IS NULL")
        (issued_at,) = cursor.fetchone()
    if issued_at is not None:
        times.append(issued_at + dt.timedelta(seconds=UNCONFIRMED_S))
    at = now()
    later = [t for t in times if t > at]
    if not later:
        return _("Nothing is due.")
    move_both(town, min(later), BusinessClock.objects.get(pk=1).rate)
    return ""


DEEDS: dict[str, Deed] = {
    "sms": Deed("", _text),
    "keypad": Deed("", _keypad),
    "habiskan": Deed(gettext_lazy("Use up the credit"), _use_up),
    "atm": Deed(gettext_lazy("Buy at the ATM"), _atm),
    "modem": Deed(gettext_lazy("Modem off / on"), _modem),
    "jawaban": Deed(gettext_lazy("Lose the next answer"), _lose),
    "lambat": Deed(gettext_lazy("Slower"), _pace(-1)),
    "cepat": Deed(gettext_lazy("Faster"), _pace(1)),
    "lompat": Deed(gettext_lazy("Jump to what is due"), _jump),
}
