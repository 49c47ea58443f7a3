# SPDX-License-Identifier: Apache-2.0
"""What became of a campaign: counts by outcome, and each meter with the meter's own reason."""

from __future__ import annotations

from django.db.models import Case, CharField, Count, Exists, F, OuterRef, QuerySet, Value, When
from django.db.models.functions import Cast, Concat

from duaarah.headend.campaign_models import Campaign, CampaignItem
from duaarah.headend.campaigns.key_roll import KIND
from duaarah.headend.models import Command, KeyRotation

# In the order in which a meter goes through them; the last five are without success.
OUTCOMES = ("waiting", "queued", "sent", "executed", "refused", "expired", "withdrawn", "unfit", "left")
WITHOUT_SUCCESS = OUTCOMES[4:]

# Of new keys the rotation tells, not its command.
_KEYS = KeyRotation.objects.filter(
    meter=OuterRef("meter"), ordered_by=Concat(Value("campaign:"), Cast(OuterRef("campaign_id"), CharField()))
).order_by("-pk")


def _rotated(state: str) -> Exists:
    return Exists(_KEYS.filter(state=state))


_KEYS_OUTCOME = Case(
    When(state=CampaignItem.State.WAITING, then=Value("waiting")),
    When(state=CampaignItem.State.UNFIT, then=Value("unfit")),
    When(state=CampaignItem.State.LEFT, then=Value("left")),
    When(_rotated(KeyRotation.State.PROVEN), then=Value("executed")),
    When(_rotated(KeyRotation.State.REFUSED), then=Value("refused")),
    When(_rotated(KeyRotation.State.SILENT), then=Value("expired")),
    When(_rotated(KeyRotation.State.WITHDRAWN), then=Value("withdrawn")),
    When(_rotated(KeyRotation.State.ORDERED), then=Value("queued")),
    default=Value("sent"),
    output_field=CharField(),
)
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


def _outcome(campaign: Campaign) -> Case:
    return _KEYS_OUTCOME if campaign.kind == KIND else _OUTCOME


def items_of(campaign: Campaign, outcome: str = "") -> QuerySet[CampaignItem]:
    """
    Every meter of it, or those of one outcome, with its `outcome` (see OUTCOMES), `result` (the meter's word) and the
    `frames` sent.
    """
    found = (
        campaign.items.select_related("meter", "command")
        .annotate(outcome=_outcome(campaign), result=F("command__result"), frames=F("command__attempts"))
        .order_by("pk")
    )
    return found.filter(outcome=outcome) if outcome else found


def counts_of(campaign: Campaign) -> dict[str, int]:
    """How many meters stand at each outcome; those with none are left out, in the order of OUTCOMES."""
    found = (
        campaign.items.annotate(outcome=_outcome(campaign)).values_list("outcome").annotate(n=Count("pk")).order_by()
    )
    counted = dict(found)
    return {name: counted[name] for name in OUTCOMES if counted.get(name)}
