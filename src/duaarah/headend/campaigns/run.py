# SPDX-License-Identifier: Apache-2.0
"""Campaigns go on: the next meters of each running one, as fast as its pace and its number in flight allow."""

from __future__ import annotations

import datetime as dt
import logging
import uuid

from django.db import DatabaseError, connection, transaction

from duaarah.audit import operations as audit
from duaarah.headend.campaign_models import Campaign, CampaignItem
from duaarah.headend.campaigns.deeds import Deed, deed_of
from duaarah.headend.campaigns.key_roll import KIND as KEY_ROLL
from duaarah.headend.operations.orders import OrderRefused
from duaarah.headend.ports import Driver

LOG = logging.getLogger(__name__)
BATCH_MAX = 50
# What a worker that stood still may catch up at once.
CATCH_UP_S = 10
_NAMESPACE = uuid.UUID("5f0e3c1a-7a0b-4f3e-9d52-0c3f9a4be621")

_SETTLE = """
UPDATE headend_campaignitem i SET state = 'SETTLED' FROM headend_command c
WHERE i.campaign_id = %s AND i.state = 'ORDERED' AND c.id = i.command_id AND c.state NOT IN ('QUEUED', 'SENT')
    AND c.kind <> 'ROTATE_KEYS'
"""

# New keys have come to an end when the meter has used them, refused them, or said nothing for long: not with the command.
_SETTLE_KEYS = """
UPDATE headend_campaignitem i SET state = 'SETTLED' FROM headend_campaign n, headend_keyrotation r
WHERE i.campaign_id = %s AND n.id = i.campaign_id AND i.state = 'ORDERED' AND r.meter_id = i.meter_id
    AND r.ordered_by = 'campaign:' || n.id AND r.state NOT IN ('ORDERED', 'SENDING', 'TRANSFERRED')
"""


def run_campaigns(*, driver: Driver, now: dt.datetime, limit: int = BATCH_MAX) -> int:
    """
    Entry, one transaction a campaign: order up to `limit` meters of each running one; returns how many were handled.

    A process that dies leaves either all of a batch or nothing; a request id of campaign, meter and round keeps a
    command from being queued twice whatever happens.
    """
    running = Campaign.objects.filter(state=Campaign.State.RUNNING).order_by("pk").values_list("pk", flat=True)
    return sum(_advance(campaign_id, driver, now, limit) for campaign_id in list(running))


def _advance(campaign_id: int, driver: Driver, now: dt.datetime, limit: int) -> int:
    with transaction.atomic(durable=True):
        found = Campaign.objects.select_for_update(skip_locked=True)
        campaign = found.filter(pk=campaign_id, state=Campaign.State.RUNNING).first()
        if campaign is None:
            return 0
        with connection.cursor() as cursor:
            cursor.execute(_SETTLE, [campaign_id])
            if campaign.kind == KEY_ROLL:
                cursor.execute(_SETTLE_KEYS, [campaign_id])
            cursor.execute("SELECT clock_timestamp()")
            machine_at: dt.datetime = cursor.fetchone()[0]
        flying = campaign.items.filter(state=CampaignItem.State.ORDERED).count()
        allowed, interval = paced(campaign, machine_at)
        count = min(limit, allowed, campaign.in_flight_max - flying)
        # In the order of their meters: two campaigns lock the same meters in the same order.
        items = list(_next(campaign, count)) if count > 0 else []
        if items:
            deed, ordered = deed_of(campaign.kind, campaign.values, driver), 0
            for item in items:
                ordered += _order(item, campaign, deed, now)
            begun = _begins(campaign, machine_at)
            campaign.next_at = begun + interval * ordered
            campaign.save(update_fields=["next_at"])
        elif not flying and not campaign.items.filter(state=CampaignItem.State.WAITING).exists():
            _finish(campaign, now)
    return len(items)


def _next(campaign: Campaign, count: int) -> list[CampaignItem]:
    waiting = campaign.items.filter(state=CampaignItem.State.WAITING).select_related("meter")
    return list(waiting.order_by("pk")[:count])


def _begins(campaign: Campaign, machine_at: dt.datetime) -> dt.datetime:
    if campaign.next_at is None:
        return machine_at
    return max(campaign.next_at, machine_at - dt.timedelta(seconds=CATCH_UP_S))


def paced(campaign: Campaign, machine_at: dt.datetime) -> tuple[int, dt.timedelta]:
    """How many orders may follow now, and the time that each of them takes up."""
    interval = dt.timedelta(hours=1) / campaign.per_hour
    waited = machine_at - _begins(campaign, machine_at)
    return (0 if waited < dt.timedelta(0) else waited // interval + 1), interval


def _order(item: CampaignItem, campaign: Campaign, deed: Deed, now: dt.datetime) -> int:
    """1 when the order was queued, 0 when this meter cannot be told: then a line of the audit says why."""
    request_id = uuid.uuid5(_NAMESPACE, f"{campaign.pk}:{item.meter_id}:{item.round}")
    try:
        with transaction.atomic():
            item.command_id = deed.begin(
                meter=item.meter,
                request_id=request_id,
                reason=campaign.reason,
                actor=f"campaign:{campaign.pk}",
                now=now,
            )
        item.state, item.code = CampaignItem.State.ORDERED, ""
    except OrderRefused as error:
        item.state, item.code = CampaignItem.State.UNFIT, error.code
    except DatabaseError:
        raise
    except Exception:
        # One meter that nobody foresaw must not stop the thousands behind it.
        LOG.exception("campaign %d: meter %s was passed over", campaign.pk, item.meter.drn)
        item.state, item.code = CampaignItem.State.UNFIT, "failed"
    item.save(update_fields=["state", "code", "command"])
    if item.state == CampaignItem.State.ORDERED:
        return 1
    audit.record_refusal(
        at=now,
        actor=f"campaign:{campaign.pk}",
        verb="headend.run_campaigns",
        subject=f"meter:{item.meter_id}",
        code=item.code,
    )
    return 0


def _finish(campaign: Campaign, now: dt.datetime) -> None:
    campaign.state, campaign.closed_at = Campaign.State.DONE, now
    campaign.save(update_fields=["state", "closed_at"])
    audit.record(
        at=now, actor="headend", verb="headend.run_campaigns", subject=f"campaign:{campaign.pk}", detail={"done": True}
    )
