# SPDX-License-Identifier: Apache-2.0
"""A campaign's life: planned with its meters, looked at, agreed to, begun, paused, stopped, tried again."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import connection, transaction
from django.db.models import Sum

from duaarah.audit import operations as audit
from duaarah.headend.campaign_models import Campaign, CampaignItem
from duaarah.headend.campaigns.choice import Choice, meters_of
from duaarah.headend.campaigns.deeds import deed_of
from duaarah.headend.operations.orders import NeedsSecondPerson, OrderRefused
from duaarah.headend.ports import Driver
from duaarah.people.models import Approval, Login
from duaarah.people.operations import ApprovalRefused, request_approval, use_approval

VERB = "headend.begin_campaign"
PER_HOUR_MAX = 1_000_000
IN_FLIGHT_MAX = 100_000
UNKNOWN_SHOWN = 100
_OPEN = (Campaign.State.RUNNING, Campaign.State.PAUSED)


class CampaignRefused(OrderRefused):
    """The campaign does not go on like that; `code` says why. Nothing was changed."""

    code = "campaign_refused"


class NoMeters(CampaignRefused):
    """Nothing is chosen, or no meter fits."""

    code = "no_meters"


class WrongState(CampaignRefused):
    """This step does not follow the state that the campaign is in."""

    code = "wrong_state"


# Whom it cannot reach is a row too: the report tells of every meter that was meant.
_ITEMS = """
INSERT INTO headend_campaignitem (campaign_id, meter_id, state, round, code)
SELECT %s, q.id, CASE WHEN q.why = '' THEN 'WAITING' ELSE 'UNFIT' END, 0, q.why
FROM (SELECT m.id, CASE
        WHEN NOT (m.profile = ANY(%s)) THEN 'order_unsupported'
        WHEN NOT EXISTS (SELECT 1 FROM registry_pairing p WHERE p.meter_id = m.id AND p.valid @> %s::timestamptz)
            THEN 'meter_does_not_talk'
        ELSE '' END AS why
      FROM ({chosen}) AS m) AS q
ORDER BY q.id
"""


def plan_campaign(
    *,
    title: str,
    kind: str,
    values: dict[str, Any],
    choice: Choice,
    everything: bool,
    per_hour: int,
    in_flight_max: int,
    reason: str,
    driver: Driver,
    actor: str,
    now: dt.datetime,
) -> Campaign:
    """
    Entry: fix what is to be done and to which meters; nothing is sent.

    `everything` says that a choice that narrows nothing is meant.

    Raises:
        CampaignRefused: NoMeters; a pace or a title that cannot be.
        OrderRefused: an unknown deed.
    """
    if not title.strip() or not reason.strip():
        raise CampaignRefused("A campaign has a title and a reason.")
    if not (0 < per_hour <= PER_HOUR_MAX and 0 < in_flight_max <= IN_FLIGHT_MAX):
        raise CampaignRefused("This pace cannot be.")
    if choice.everything and not everything:
        raise NoMeters("Choose meters, or say that all of them are meant.")
    deed, chosen = deed_of(kind, values, driver), meters_of(choice)
    with transaction.atomic(durable=True):
        profiles = [name for name in chosen.values_list("profile", flat=True).distinct() if deed.fits(name)]
        unknown: set[str] = set()
        if choice.numbers is not None:
            unknown = set(choice.numbers) - set(chosen.values_list("drn", flat=True))
        campaign = Campaign.objects.create(
            title=title.strip()[:80],
            kind=kind,
            values=values,
            chosen=choice.values(),
            unknown=sorted(unknown)[:UNKNOWN_SHOWN],
            unknown_count=len(unknown),
            reason=reason.strip()[:400],
            state=Campaign.State.PLANNED,
            per_hour=per_hour,
            in_flight_max=in_flight_max,
            planned_at=now,
            planned_by=actor,
        )
        query, parameters = chosen.values("id", "profile").order_by().query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(_ITEMS.format(chosen=query), [campaign.pk, profiles, now, *parameters])
            count = cursor.rowcount
        if not count:
            raise NoMeters("No meter fits this choice.")
        _audit(campaign, "headend.plan_campaign", actor, now, meters=count)
    return campaign


def waiting_of(campaign: Campaign) -> int:
    """How many meters would be told."""
    return campaign.items.filter(state=CampaignItem.State.WAITING).count()


def open_approval(campaign: Campaign, now: dt.datetime) -> Approval | None:
    """The second person's decision on this try that is still open or unused."""
    asked = Approval.objects.filter(
        verb=VERB, subject=_subject(campaign.pk), expires_at__gt=now, detail__round=_round(campaign)
    )
    return asked.filter(state__in=[Approval.State.REQUESTED, Approval.State.APPROVED]).order_by("-pk").first()


def request_campaign(*, campaign_id: int, requested_by: Login, now: dt.datetime) -> Approval:
    """
    Ask a second person for the whole campaign, with its count.

    Raises:
        CampaignRefused: WrongState, also when somebody was asked already; NoMeters.
    """
    campaign = Campaign.objects.get(pk=campaign_id)
    count, who = waiting_of(campaign), (f"login:{requested_by.pk}", "headend.request_campaign")
    if campaign.state != Campaign.State.PLANNED or open_approval(campaign, now) is not None:
        raise _refused(WrongState("It is not planned any more, or somebody was asked already."), campaign, now, *who)
    if not count:
        raise _refused(NoMeters("No meter of it can be told this."), campaign, now, *who)
    detail = {
        "campaign": campaign.pk,
        "title": campaign.title,
        "order": campaign.kind,
        "values": campaign.values,
        "meters": count,
        "round": _round(campaign),
    }
    return request_approval(
        verb=VERB,
        subject=_subject(campaign.pk),
        detail=detail,
        reason=campaign.reason,
        requested_by=requested_by,
        now=now,
    )


def begin_campaign(
    *, campaign_id: int, approval_id: int | None, driver: Driver, actor: str, now: dt.datetime
) -> Campaign:
    """
    Entry: let a planned campaign run; a dangerous one spends the approval of exactly this campaign and count.

    Raises:
        CampaignRefused: WrongState, NoMeters; NeedsSecondPerson (an OrderRefused). An audit line says so.
        ApprovalRefused: not approved, expired, used, or for another number of meters.
    """
    campaign = Campaign.objects.get(pk=campaign_id)
    try:
        with transaction.atomic(durable=True):
            campaign = Campaign.objects.select_for_update().get(pk=campaign_id)
            if campaign.state != Campaign.State.PLANNED:
                raise WrongState("It has begun, or was stopped.")
            count = waiting_of(campaign)
            if not count:
                raise NoMeters("No meter of it can be told this.")
            if deed_of(campaign.kind, campaign.values, driver).dangerous:
                if approval_id is None:
                    raise NeedsSecondPerson("Another person has to agree to this.")
                approval = use_approval(approval_id=approval_id, verb=VERB, subject=_subject(campaign_id), now=now)
                if (approval.detail["meters"], approval.detail["round"]) != (count, _round(campaign)):
                    raise ApprovalRefused("The approval is for another number of meters.")
            campaign.state, campaign.started_at, campaign.closed_at = Campaign.State.RUNNING, now, None
            campaign.save(update_fields=["state", "started_at", "closed_at"])
            _audit(campaign, VERB, actor, now, meters=count, approval=approval_id)
    except (OrderRefused, ApprovalRefused) as error:
        _refused(error, campaign, now, actor, VERB)
        raise
    return campaign


def pause_campaign(*, campaign_id: int, actor: str, now: dt.datetime) -> None:
    """Entry: no further order; what is ordered goes on. Raises WrongState."""
    _step(campaign_id, (Campaign.State.RUNNING,), Campaign.State.PAUSED, "headend.pause_campaign", actor, now)


def resume_campaign(*, campaign_id: int, actor: str, now: dt.datetime) -> None:
    """Entry: go on after a pause. Raises WrongState."""
    _step(campaign_id, (Campaign.State.PAUSED,), Campaign.State.RUNNING, "headend.resume_campaign", actor, now)


def set_pace(*, campaign_id: int, per_hour: int, in_flight_max: int, actor: str, now: dt.datetime) -> None:
    """Entry: another pace from now on. Raises CampaignRefused."""
    if not (0 < per_hour <= PER_HOUR_MAX and 0 < in_flight_max <= IN_FLIGHT_MAX):
        raise CampaignRefused("This pace cannot be.")
    with transaction.atomic(durable=True):
        campaign = Campaign.objects.select_for_update().get(pk=campaign_id)
        before = {"per_hour": campaign.per_hour, "in_flight_max": campaign.in_flight_max}
        campaign.per_hour, campaign.in_flight_max, campaign.next_at = per_hour, in_flight_max, None
        campaign.save(update_fields=["per_hour", "in_flight_max", "next_at"])
        after = {"per_hour": per_hour, "in_flight_max": in_flight_max}
        _audit(campaign, "headend.set_pace", actor, now, before=before, after=after)


# Of what is queued, only what no frame was ever sent of: the rest is under way and gets its outcome.
_TAKE_BACK = """
UPDATE headend_command c SET state = 'CANCELLED', closed_at = %s
FROM headend_campaignitem i
WHERE i.campaign_id = %s AND i.state = 'ORDERED' AND c.id = i.command_id AND c.state = 'QUEUED' AND c.attempts = 0
"""


def stop_campaign(*, campaign_id: int, actor: str, now: dt.datetime) -> None:
    """Entry: no further order, and what was not sent yet is taken back. Raises WrongState."""
    states = (Campaign.State.PLANNED, *_OPEN)
    with transaction.atomic(durable=True):
        campaign = Campaign.objects.select_for_update().get(pk=campaign_id)
        stopped = campaign.state in states
        if stopped:
            left = campaign.items.filter(state=CampaignItem.State.WAITING).update(state=CampaignItem.State.LEFT)
            with connection.cursor() as cursor:
                cursor.execute(_TAKE_BACK, [now, campaign.pk])
                taken_back = cursor.rowcount
            campaign.state, campaign.closed_at = Campaign.State.STOPPED, now
            campaign.save(update_fields=["state", "closed_at"])
            _audit(campaign, "headend.stop_campaign", actor, now, left=left, taken_back=taken_back)
    if not stopped:
        raise _refused(WrongState("It is over already."), campaign, now, actor, "headend.stop_campaign")


# A meter that was left out, could not be told, refused, never answered, or whose order was taken back.
_AGAIN = """
UPDATE headend_campaignitem i SET state = 'WAITING', round = round + 1, code = '', command_id = NULL
WHERE i.campaign_id = %s AND (i.state IN ('UNFIT', 'LEFT') OR EXISTS (
    SELECT 1 FROM headend_command c
    WHERE c.id = i.command_id AND c.state IN ('REJECTED', 'EXPIRED', 'CANCELLED')))
"""


def try_again(*, campaign_id: int, actor: str, now: dt.datetime) -> int:
    """
    Entry: those without success wait again, and the campaign is planned again: a dangerous one is asked for anew.

    Returns how many. Raises WrongState while it runs or when there are none.
    """
    count = 0
    with transaction.atomic(durable=True):
        campaign = Campaign.objects.select_for_update().get(pk=campaign_id)
        if campaign.state in (Campaign.State.DONE, Campaign.State.STOPPED):
            with connection.cursor() as cursor:
                cursor.execute(_AGAIN, [campaign.pk])
                count = cursor.rowcount
        if count:
            campaign.state, campaign.closed_at = Campaign.State.PLANNED, None
            campaign.save(update_fields=["state", "closed_at"])
            _audit(campaign, "headend.try_again", actor, now, meters=count)
    if not count:
        raise _refused(WrongState("Nothing of it can be tried again now."), campaign, now, actor, "headend.try_again")
    return count


def _step(
    campaign_id: int,
    before: tuple[Campaign.State, ...],
    after: Campaign.State,
    verb: str,
    actor: str,
    now: dt.datetime,
) -> None:
    with transaction.atomic(durable=True):
        campaign = Campaign.objects.select_for_update().get(pk=campaign_id)
        fits = campaign.state in before
        if fits:
            campaign.state = after
            campaign.save(update_fields=["state"])
            _audit(campaign, verb, actor, now)
    if not fits:
        raise _refused(WrongState("This does not follow the state that it is in."), campaign, now, actor, verb)


def _round(campaign: Campaign) -> int:
    """The sum of all rounds: it changes whenever meters wait again."""
    total: int = campaign.items.aggregate(total=Sum("round"))["total"] or 0
    return total


def _subject(campaign_id: int) -> str:
    return f"campaign:{campaign_id}"


def _audit(campaign: Campaign, verb: str, actor: str, now: dt.datetime, **detail: object) -> None:
    audit.record(
        at=now,
        actor=actor,
        verb=verb,
        subject=_subject(campaign.pk),
        reason=campaign.reason,
        detail={"order": campaign.kind, **campaign.values, **detail},
    )


def _refused(
    error: OrderRefused | ApprovalRefused, campaign: Campaign, now: dt.datetime, actor: str, verb: str
) -> OrderRefused | ApprovalRefused:
    with transaction.atomic(durable=True):
        audit.record_refusal(
            at=now,
            actor=actor,
            verb=verb,
            subject=_subject(campaign.pk),
            code=error.code,
            reason=str(error),
        )
    return error
