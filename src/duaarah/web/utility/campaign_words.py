# SPDX-License-Identifier: Apache-2.0
"""Campaigns in sentences: what it does, what became of a meter's order, why a step is refused."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duaarah.core.order import Order, OrderError, OrderKind
from duaarah.headend.campaigns.key_roll import KIND as KEY_ROLL
from duaarah.headend.models import Campaign, Command
from duaarah.headend.operations.orders import OrderRefused
from duaarah.web.utility.order_words import WILL, refusal_words, values_words

OUTCOME_WORDS = {
    "waiting": gettext_lazy("waits for its turn"),
    "queued": gettext_lazy("queued"),
    "sent": gettext_lazy("sent"),
    "executed": gettext_lazy("executed"),
    "refused": gettext_lazy("refused by the meter"),
    "expired": gettext_lazy("no answer in time"),
    "withdrawn": gettext_lazy("taken back, or a newer order came"),
    "unfit": gettext_lazy("cannot be told"),
    "left": gettext_lazy("left out: it was stopped"),
}
REFUSALS = {
    "no_meters": gettext_lazy("No meter is chosen, or none of them can be told this. Nothing was changed."),
    "wrong_state": gettext_lazy("This does not follow the state it is in, or somebody was asked already."),
    "campaign_refused": gettext_lazy("A title, a reason and a pace of at least one an hour are needed."),
    "unknown_deed": gettext_lazy("This order is not known. Nothing was changed."),
    "failed": gettext_lazy("It failed here for a reason that the log tells."),
}


def refusal(error: OrderRefused) -> str:
    """The sentence of a refusal."""
    return str(REFUSALS.get(error.code) or refusal_words(error))


def outcome_words(name: str) -> str:
    """What became of one meter's order."""
    return str(OUTCOME_WORDS[name])


def campaign_label(campaign: Campaign) -> str:
    """What it does, in a word or two."""
    known = campaign.kind.upper() in Command.Kind.values
    return _(str(Command.Kind(campaign.kind.upper()).label)) if known else campaign.kind


def campaign_will(campaign: Campaign) -> str:
    """What every meter will do."""
    kind = _order_kind(campaign)
    if campaign.kind == KEY_ROLL:
        return _("Every meter gets new DLMS keys; each counts when the meter has used it.")
    return str(WILL[kind]) if kind else ""


def campaign_values(campaign: Campaign, zone: str) -> str:
    """The order's fields in words."""
    try:
        return values_words(Order.of_values(campaign.kind, campaign.values), zone)
    except OrderError:
        return ""


def _order_kind(campaign: Campaign) -> OrderKind | None:
    return OrderKind(campaign.kind) if campaign.kind in set(OrderKind) else None
