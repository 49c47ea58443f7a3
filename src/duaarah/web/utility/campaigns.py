# SPDX-License-Identifier: Apache-2.0
"""Campaigns on pages: choose an order and its meters, look at how many and which, begin, and see how far it comes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from duaarah.clock.queries import now
from duaarah.core.order import DANGEROUS, OrderKind
from duaarah.headend.campaigns import operations as campaigns
from duaarah.headend.campaigns.choice import Choice, numbers_of_file, numbers_of_text
from duaarah.headend.campaigns.key_roll import KIND as KEY_ROLL
from duaarah.headend.campaigns.queries import OUTCOMES, WITHOUT_SUCCESS, counts_of, items_of
from duaarah.headend.models import Campaign, CampaignItem
from duaarah.headend.operations.orders import OrderRefused
from duaarah.headend.shipments.table import BadTable
from duaarah.people.operations import ApprovalRefused
from duaarah.registry.models import Meter, NetworkNode
from duaarah.web.shared.access import for_operator
from duaarah.web.shared.export import Table, exported
from duaarah.web.shared.fresh import fragment
from duaarah.web.utility.campaign_words import campaign_label, campaign_values, campaign_will, outcome_words, refusal
from duaarah.web.utility.orders import BadForm, operator_of, order_from
from duaarah.web.utility.shipment_words import table_words
from duaarah.wiring.campaign_deeds import make_known
from duaarah.wiring.drivers import DriverDirectory

SHOWN = 30
PAGE = 50
SAMPLE = 10
PER_HOUR, IN_FLIGHT = 3_600, 500
FILE_OCTETS_MAX = 4 * 1024 * 1024
_ZONE = "Asia/Jakarta"
# A load profile is read of one meter at a time; a day that is missing the head end asks for by itself.
_NOT_OFFERED = {OrderKind.READ_PROFILE, OrderKind.DAY_SUMMARY}
# What is harmless first: the first one is what a form begins with.
_KINDS = sorted(set(OrderKind) - _NOT_OFFERED, key=lambda kind: (kind in DANGEROUS, kind.value))
_DRIVER = DriverDirectory()
make_known()


@for_operator
def campaign_list(request: HttpRequest) -> HttpResponse:
    """The campaigns, newest first, each with how far it is."""
    rows = [
        {"campaign": each, "label": campaign_label(each), "counts": _words(counts_of(each))}
        for each in Campaign.objects.order_by("-pk")[:SHOWN]
    ]
    return render(request, "utility/campaigns.html", {"rows": rows})


def _words(counts: dict[str, int]) -> list[tuple[str, str, int]]:
    return [(name, outcome_words(name), count) for name, count in counts.items()]


@for_operator
def campaign_new(request: HttpRequest) -> HttpResponse:
    """The form; what it makes is only planned."""
    status = 200
    if request.method == "POST":
        made = _plan(request)
        if made is not None:
            return redirect("desk-campaign", campaign=made.pk)
        status = 409
    context = {
        "form": request.POST,
        "kinds": [(kind, campaign_label(Campaign(kind=kind))) for kind in (*map(str, _KINDS), KEY_ROLL)],
        "profiles": _used("profile"),
        "tariffs": _used("tariff_group"),
        "regions": _used("region"),
        "nodes": NetworkNode.objects.order_by("code").values_list("code", flat=True),
        "per_hour": PER_HOUR,
        "in_flight": IN_FLIGHT,
    }
    return render(request, "utility/campaign_new.html", context, status=status)


def _used(field: str) -> list[str]:
    return sorted(Meter.objects.values_list(field, flat=True).distinct())


def _plan(request: HttpRequest) -> Campaign | None:
    login, at = operator_of(request), now()
    form = request.POST
    try:
        roll = form.get("order") == KEY_ROLL
        order = None if roll else order_from(form, _ZONE, at)
        return campaigns.plan_campaign(
            title=form.get("title", "")[:80],
            kind=order.kind.value if order else KEY_ROLL,
            values=order.values() if order else {},
            choice=_choice(request),
            everything=form.get("everything") == "yes",
            per_hour=_number(form.get("per_hour", "")),
            in_flight_max=_number(form.get("in_flight_max", "")),
            reason=form.get("reason", "")[:400],
            driver=_DRIVER,
            actor=f"login:{login.pk}",
            now=at,
        )
    except BadForm as error:
        messages.error(request, str(error))
    except BadTable as error:
        messages.error(request, table_words(error.code, str(error)))
    except OrderRefused as error:
        messages.error(request, refusal(error))
    return None


def _choice(request: HttpRequest) -> Choice:
    """Raises BadTable for a file that cannot be read."""
    form, numbers = request.POST, None
    if pasted := form.get("numbers", "").strip():
        numbers = numbers_of_text(pasted)
    file = request.FILES.get("file")
    if file is not None:
        if file.size is None or file.size > FILE_OCTETS_MAX:
            raise BadTable("too_large", "The file is too large.")
        numbers = (numbers or frozenset()) | numbers_of_file(file.read())
    return Choice(
        profile=form.get("profile", ""),
        tariff_group=form.get("tariff_group", ""),
        region=form.get("region", ""),
        node=form.get("node", ""),
        numbers=numbers,
    )


def _number(text: str) -> int:
    digits = text.replace(".", "").replace(" ", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
        raise BadForm(_("A whole number is needed."))
    return int(digits)


def progress(campaign: Campaign, at: dt.datetime) -> dict[str, Any]:
    """What is live: the state, the counts, the share that has an outcome."""
    counts = counts_of(campaign)
    total = sum(counts.values())
    open_now = sum(counts.get(name, 0) for name in ("waiting", "queued", "sent"))
    closed = campaign.state in (Campaign.State.DONE, Campaign.State.STOPPED)
    return {
        "campaign": campaign,
        "counts": _words(counts),
        "total": total,
        "closed_n": total - open_now,
        "waiting_n": counts.get("waiting", 0),
        "again_n": sum(counts.get(name, 0) for name in WITHOUT_SUCCESS) if closed else 0,
        "approval": campaigns.open_approval(campaign, at),
        "dangerous": campaign.kind in {KEY_ROLL, *(kind.value for kind in DANGEROUS)},
    }


@for_operator
def campaign(request: HttpRequest, campaign: int) -> HttpResponseBase:
    """One campaign: what will happen to how many, how far it is, and each meter; filters in the address."""
    found = get_object_or_404(Campaign, pk=campaign)
    outcome, after = request.GET.get("hasil", ""), request.GET.get("sesudah", "")
    rows = items_of(found, outcome if outcome in OUTCOMES else "")
    if (file := exported(request, lambda: _table(found, rows))) is not None:
        return file
    if after.isdigit():
        rows = rows.filter(pk__gt=int(after))
    page: list[Any] = list(rows[:PAGE])
    context = {
        **progress(found, now()),
        "label": campaign_label(found),
        "words": campaign_values(found, _ZONE),
        "will": campaign_will(found),
        "rows": [{"item": item, "words": outcome_words(item.outcome), "why": _why(item)} for item in page],
        "outcomes": [(name, outcome_words(name)) for name in OUTCOMES],
        "outcome": outcome,
        "after": page[-1].pk if len(page) == PAGE else None,
    }
    return render(request, "utility/campaign.html", context)


def _why(item: Any) -> str:
    """The meter's own reason, or ours."""
    if item.outcome == "unfit":
        return refusal_code(item.code)
    return item.result if item.outcome == "refused" else ""


def refusal_code(code: str) -> str:
    """A sentence for why a meter was not told."""
    error = OrderRefused(code)
    error.code = code
    return refusal(error)


def _table(found: Campaign, rows: QuerySet[CampaignItem]) -> Table:
    head = (_("Meter"), _("Kind"), _("Outcome"), _("Reason"), _("Frames"), _("Closed"))

    def lines() -> Iterator[tuple[object, ...]]:
        for item in rows.iterator(chunk_size=2_000):
            closed = item.command.closed_at.isoformat() if item.command and item.command.closed_at else ""
            each: Any = item
            words = outcome_words(each.outcome)
            yield item.meter.drn, item.meter.profile, words, _why(item), each.frames or 0, closed

    return Table(name=f"kampanye-{found.pk}", head=head, rows=lines())


@for_operator
def campaign_part(request: HttpRequest, campaign: int) -> HttpResponse:
    """The live part."""
    found = get_object_or_404(Campaign, pk=campaign)
    return fragment(request, "utility/campaign_part.html", progress(found, now()))


@require_POST
@for_operator
def campaign_step(request: HttpRequest, campaign: int) -> HttpResponse:
    """Begin, ask a second person, pause, resume, another pace, stop, try the failed again."""
    login, at = operator_of(request), now()
    found = get_object_or_404(Campaign, pk=campaign)
    who: dict[str, Any] = {"campaign_id": found.pk, "actor": f"login:{login.pk}", "now": at}
    try:
        match request.POST.get("step", ""):
            case "begin":
                campaigns.begin_campaign(approval_id=None, driver=_DRIVER, **who)
                messages.success(request, _("It runs. You see below how far it comes."))
            case "ask":
                campaigns.request_campaign(campaign_id=found.pk, requested_by=login, now=at)
                messages.success(request, _("Asked. It begins when a second person has approved it."))
            case "pause":
                campaigns.pause_campaign(**who)
                messages.success(request, _("Paused: no further meter is told until it goes on."))
            case "resume":
                campaigns.resume_campaign(**who)
                messages.success(request, _("It goes on."))
            case "stop":
                campaigns.stop_campaign(**who)
                messages.success(request, _("Stopped. What was not sent yet was taken back."))
            case "again":
                count = campaigns.try_again(**who)
                messages.success(request, _("%(n)d meters wait again; look, then begin.") % {"n": count})
            case "pace":
                per_hour, flying = (_number(request.POST.get(name, "")) for name in ("per_hour", "in_flight_max"))
                campaigns.set_pace(per_hour=per_hour, in_flight_max=flying, **who)
                messages.success(request, _("The pace is changed."))
            case _:
                messages.error(request, _("Nothing was chosen. Nothing was changed."))
    except BadForm as error:
        messages.error(request, str(error))
    except OrderRefused as error:
        messages.error(request, refusal(error))
    except ApprovalRefused:
        messages.error(request, _("This needs a second person, once and within a day. Nothing was changed."))
    return redirect("desk-campaign", campaign=found.pk)
