# SPDX-License-Identifier: Apache-2.0
"""What became of a campaign: counts by outcome, and each meter with the meter's own reason."""

from __future__ import annotations

from django.db.models import Case, CharField, Count, F, QuerySet, Value, When

from duaarah.headend.campaign_models import Campaign, CampaignItem
from duaarah.headend.models import Command

# In the order in which a meter goes through them; the last five are without success.
OUTCOMES = ("waiting", "queued", "sent", "executed", "refused", "expired", "withdrawn", "unfit", "left")
WITHOUT_SUCCESS = OUTCOMES[4:]

_OUTCOME = Case(
    When(state=CampaignItem.State.WAITING, then=Value("waiting")),
    When(state=CampaignItem.State.UNFIT, then=Value("unfit")),
    When(state=CampaignItem.State.LEFT, then=Value("left")),
    When(command__state=Command.State.ACKED, then=Value("executed")),
    When(command__state=Command.State.REJECTED, then=Value("refused")),
    When(command__state=Command.State.EXPIRED, then=Value("expired")),
    When(command__state=Command.State.CANCELLED, then=Value("withdrawn")),
    When(command__state=Command.State.SENT, then=Value("sent")),
    When(command__attempts__gt=0, then=Value("sent")),
    default=Value("queued"),
    output_field=CharField(),
)


def items_of(campaign: Campaign, outcome: str = "") -> QuerySet[CampaignItem]:
    """
    Every meter of it, or those of one outcome, with its `outcome` (see OUTCOMES), `result` (the meter's word) and the
    `frames` sent.
    """
    found = (
        campaign.items.select_related("meter", "command")
        .annotate(outcome=_OUTCOME, result=F("command__result"), frames=F("command__attempts"))
        .order_by("pk")
    )
    return found.filter(outcome=outcome) if outcome else found


def counts_of(campaign: Campaign) -> dict[str, int]:
    """How many meters stand at each outcome; those with none are left out, in the order of OUTCOMES."""
    found = campaign.items.annotate(outcome=_OUTCOME).values_list("outcome").annotate(n=Count("pk")).order_by()
    counted = dict(found)
    return {name: counted[name] for name in OUTCOMES if counted.get(name)}
