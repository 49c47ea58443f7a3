# SPDX-License-Identifier: Apache-2.0
"""
Pages of automatic top-up, the same for a household and for a fleet: rules and what they do now, a form with "what would
it have done?" before it is switched on, what was bought and why, and what waits for a second person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duaarah.clock.queries import now
from duaarah.core.tariff import NOMINALS_IDR
from duaarah.notices.auto.queries import requests_of, rules_of_holder
from duaarah.notices.auto.replaying import replay_wish
from duaarah.notices.auto.rules import RuleRefused, set_rule, stop_rule
from duaarah.notices.auto.second_person import waiting_for
from duaarah.notices.models import AutoRule
from duaarah.people.models import AccountHolder
from duaarah.people.operations import ApprovalRefused, decide_approval
from duaarah.registry.access import meters_of_holder
from duaarah.vending.queries import wallet_balance_idr
from duaarah.web.shared.access import holder_of, login_of
from duaarah.web.shared.auto_form import WrongForm, fields_of, filled, said, time_words

REQUESTS_SHOWN = 20
METERS_SHOWN = 500
PAUSES = {
    "wallet": gettext_lazy("Paused: the wallet holds too little. It goes on by itself when it is filled."),
    "no_price": gettext_lazy("Paused: no price is known for a meter. Set the rule again to go on."),
}


@dataclass(frozen=True)
class Portal:
    """Where the pages stand: the prefix of their URLs' names, and the navigation beside them."""

    prefix: str
    nav: str

    @property
    def names(self) -> dict[str, str]:
        """The names of its URLs."""
        return {name: f"{self.prefix}-auto-{name}" for name in ("list", "new", "edit", "stop", "decide")}


def listing(request: HttpRequest, portal: Portal) -> HttpResponse:
    """Rules, what they do now, what waits for a second person, what was bought and why."""
    holder, at = holder_of(request), now()
    rules = [
        {
            "now": one,
            "members": one.rule.members.select_related("meter__customer", "meter__site").order_by("meter_id")[:50],
            "quiet": (time_words(one.rule.quiet_from_min), time_words(one.rule.quiet_until_min)),
            "pause": PAUSES.get(one.rule.pause_code),
        }
        for one in rules_of_holder(holder_id=holder.pk, now=at)
    ]
    context = {
        "names": portal.names,
        "nav": portal.nav,
        "rules": rules,
        "waiting": waiting_for(holder=holder, now=at),
        "me": login_of(request).pk,
        "requests": requests_of(holder_id=holder.pk, limit=REQUESTS_SHOWN),
        "wallet_idr": wallet_balance_idr(holder_id=holder.pk),
    }
    return render(request, "shared/auto.html", context)


def edit(request: HttpRequest, portal: Portal, rule_id: int | None = None) -> HttpResponse:
    """The form; then what it would have done and a second look; then it is on."""
    holder, at = holder_of(request), now()
    rule = _rule(holder, rule_id) if rule_id is not None else None
    form, replayed, wrong, status = None, None, "", 200
    if request.method == "POST":
        try:
            form = filled(request, holder)
            if "confirm" in request.POST:
                set_rule(
                    holder=holder,
                    wish=form.wish,
                    meters=form.meters,
                    actor=f"holder:{holder.pk}",
                    now=at,
                    rule_id=rule_id,
                    login=login_of(request),
                )
                messages.success(request, _("The rule is on. It looks at your meters from now on."))
                return redirect(portal.names["list"])
            replayed = replay_wish(holder=holder, wish=form.wish, meters=form.meters, now=at)
        except WrongForm as error:
            wrong, status = f"{error} {_('Nothing was changed.')}", 409
        except RuleRefused as error:
            wrong, status = f"{said(error)} {_('Nothing was changed.')}", 409
    chosen = _chosen(request, rule)
    context: dict[str, Any] = {
        "names": portal.names,
        "nav": portal.nav,
        "rule": rule,
        "form": form,
        "fields": {**fields_of(rule, form.wish if form else None), **(_written(request) if wrong else {})},
        "nominals": NOMINALS_IDR,
        "meters": [
            {"meter": meter, "chosen": meter.drn in chosen}
            for meter in meters_of_holder(holder_id=holder.pk)[:METERS_SHOWN]
        ],
        "replayed": replayed,
        "wallet_idr": wallet_balance_idr(holder_id=holder.pk),
        "wrong": wrong,
    }
    return render(request, "shared/auto_form.html", context, status=status)


def stop(request: HttpRequest, portal: Portal, rule_id: int) -> HttpResponse:
    """Off, at once."""
    holder = holder_of(request)
    try:
        stop_rule(holder=holder, rule_id=rule_id, actor=f"holder:{holder.pk}", now=now())
    except RuleRefused as error:
        messages.error(request, said(error))
    else:
        messages.success(request, _("The rule is off. Nothing is bought by it any more."))
    return redirect(portal.names["list"])


def decide(request: HttpRequest, portal: Portal, request_id: int) -> HttpResponse:
    """The second person's word on one purchase."""
    holder, login, at = holder_of(request), login_of(request), now()
    found = waiting_for(holder=holder, now=at).filter(pk=request_id).first()
    if found is None:
        raise Http404
    agree = request.POST.get("agree")
    if agree not in ("yes", "no"):
        raise PermissionDenied
    try:
        decide_approval(approval_id=found.approval_id or 0, approve=agree == "yes", decided_by=login, now=at)
    except ApprovalRefused:
        messages.error(request, _("Another person than the one who set the rule decides. Nothing was changed."))
    else:
        words = _("Agreed: it is bought in a moment.") if agree == "yes" else _("Refused: it is not bought.")
        messages.success(request, words)
    return redirect(portal.names["list"])


def _rule(holder: AccountHolder, rule_id: int) -> AutoRule:
    rule = AutoRule.objects.filter(pk=rule_id, holder=holder).exclude(state=AutoRule.State.OFF).first()
    if rule is None:
        raise Http404
    return rule


def _chosen(request: HttpRequest, rule: AutoRule | None) -> set[str]:
    """The meters that are ticked: as written, else the rule's, else those that the address names."""
    if request.method == "POST":
        return set(request.POST.getlist("meter"))
    if rule is not None:
        return set(rule.members.values_list("meter__drn", flat=True))
    return set(request.GET.getlist("meter"))


def _written(request: HttpRequest) -> dict[str, str]:
    """What was written stays in the form that was wrong."""
    return {name: value for name, value in request.POST.items() if isinstance(value, str) and name != "meter"}
