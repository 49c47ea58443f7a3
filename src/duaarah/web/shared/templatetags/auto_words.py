# SPDX-License-Identifier: Apache-2.0
"""Automatic top-up in words: what a rule says of a meter, what became of a purchase, and why it was made."""

from __future__ import annotations

import datetime as dt

from django import template
from django.utils.translation import gettext, gettext_lazy

from duaarah.notices.models import TopUpRequest
from duaarah.vending.models import Vend
from duaarah.web.shared.supply import Days
from duaarah.web.shared.templatetags.duaarah import days_left, instant, kwh, rupiah

register = template.Library()

WORDS = {
    "": gettext_lazy("looked at in a moment"),
    "enough": gettext_lazy("enough credit"),
    "buy": gettext_lazy("is being bought"),
    "approval": gettext_lazy("waits for a second person"),
    "in_flight": gettext_lazy("a purchase is under way"),
    "reading": gettext_lazy("its latest report is being read"),
    "rejected": gettext_lazy("it refused its last token, a person looks at it"),
    "asked": gettext_lazy("was tried in vain, again tomorrow"),
    "budget": gettext_lazy("the month's budget is used up"),
    "cap": gettext_lazy("the 720-hour cap of the month is reached"),
    "sms": gettext_lazy("the SMS for tokens are used up, waits until the last day"),
    "cut_off": gettext_lazy("waits for the end of the banks' cut-off, 00.30 WIB"),
    "quiet": gettext_lazy("waits for the end of your quiet hours"),
    "wallet": gettext_lazy("the wallet holds too little"),
    "unknown": gettext_lazy("the meter has told too little"),
    "not_his": gettext_lazy("it is not yours any more"),
    "no_price": gettext_lazy("no price is known for it"),
}
RESULTS = {
    "rule_changed": gettext_lazy("the rule was changed before"),
    "rule_off": gettext_lazy("the rule was switched off before"),
    "not_his": gettext_lazy("it is not yours any more"),
    "given_up": gettext_lazy("given up after many tries"),
    "bought_otherwise": gettext_lazy("was filled by hand before"),
    "wallet_too_low": gettext_lazy("the wallet holds too little"),
    "no_price": gettext_lazy("no price is known for it"),
    "approval_refused": gettext_lazy("the second person refused"),
    "approval_expired": gettext_lazy("nobody agreed in time"),
    "approval_impossible": gettext_lazy("nobody could be asked"),
}


@register.filter
def auto_word(word: str) -> str:
    """A verdict of `core.top_up_rule` in words."""
    return str(WORDS.get(word, word))


@register.filter
def auto_state(request: TopUpRequest) -> str:
    """What became of an automatic purchase."""
    if request.state == TopUpRequest.State.FAILED:
        return gettext("not bought: %(why)s") % {"why": RESULTS.get(request.result, request.result)}
    if request.state == TopUpRequest.State.BOUGHT:
        back = request.vend is not None and request.vend.state == Vend.State.REFUNDED
        return gettext("no token was made, the money is back") if back else gettext("bought")
    waits = request.state in (TopUpRequest.State.WAITING, TopUpRequest.State.NEEDS_APPROVAL)
    return auto_word("approval" if waits else "buy")


@register.filter
def why(request: TopUpRequest) -> str:
    """Why a purchase was decided: the credit, the forecast, the threshold, and what was left of the budget."""
    known, parts = request.why, []
    if known["credit_wh"] is not None:
        parts.append(gettext("Credit about %(credit)s") % {"credit": kwh(known["credit_wh"])})
    if known["told_wh"] is not None and known["told_at"] is not None:
        told_at = instant(dt.datetime.fromisoformat(known["told_at"]), request.meter.zone)
        parts.append(gettext("the meter told %(told)s at %(at)s") % {"told": kwh(known["told_wh"]), "at": told_at})
    if known["days_left"] is not None:
        days = Days(days=known["days_left"], low=known["low"], high=known["high"], ends_at=None, known=0)
        parts.append(gettext("enough for %(days)s") % {"days": days_left(days)})
    if known["threshold_wh"] is not None:
        parts.append(gettext("the rule buys below %(limit)s") % {"limit": kwh(known["threshold_wh"])})
    else:
        parts.append(gettext("the rule buys %(n)d days before the end") % {"n": known["threshold_days"]})
    left = {"left": rupiah(known["left_idr"]), "budget": rupiah(known["budget_idr"])}
    parts.append(gettext("%(left)s of %(budget)s left this month") % left)
    return "; ".join(parts) + "."
