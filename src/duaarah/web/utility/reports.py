# SPDX-License-Identifier: Apache-2.0
"""Reports by e-mail: what one gets and when, a trial, the last sends with what became of them, and the way out."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from duaarah.clock.queries import now
from duaarah.people.models import Language, Organisation, Unit
from duaarah.reports import operations as verbs
from duaarah.reports.models import Attempt, Issue, Subscription
from duaarah.reports.queries import issues_of, subscriptions_of
from duaarah.web.shared.access import for_kind, login_of
from duaarah.web.utility.report_letters import subscription_of

for_pln = for_kind(Organisation.Kind.UTILITY)
SHOWN = 30
REPORTS = {
    Subscription.Report.MORNING: gettext_lazy("The grid this morning"),
    Subscription.Report.RELIABILITY: gettext_lazy("Reliability of the month"),
    Subscription.Report.LOSSES: gettext_lazy("Losses of the week"),
}
RHYTHMS = {
    Subscription.Rhythm.DAILY: gettext_lazy("every day"),
    Subscription.Rhythm.WEEKLY: gettext_lazy("every week"),
    Subscription.Rhythm.MONTHLY: gettext_lazy("on the first of the month"),
}
WEEKDAYS = (
    *(gettext_lazy("Monday"), gettext_lazy("Tuesday"), gettext_lazy("Wednesday"), gettext_lazy("Thursday")),
    *(gettext_lazy("Friday"), gettext_lazy("Saturday"), gettext_lazy("Sunday")),
)
STATES = {
    Issue.State.WAITING: ("wait", gettext_lazy("waits")),
    Issue.State.SENDING: ("wait", gettext_lazy("is being sent")),
    Issue.State.SENT: ("nyala", gettext_lazy("taken by the mail server")),
    Issue.State.FAILED: ("habis", gettext_lazy("given up")),
    Issue.State.UNSURE: ("diam", gettext_lazy("handed over twice, no answer")),
    Issue.State.WITHDRAWN: ("diam", gettext_lazy("not sent: it was ended")),
}
OUTCOMES = {
    Attempt.Outcome.OPEN: gettext_lazy("under way"),
    Attempt.Outcome.SENT: gettext_lazy("taken"),
    Attempt.Outcome.DEFERRED: gettext_lazy("not now, said the server"),
    Attempt.Outcome.REFUSED: gettext_lazy("refused by the server"),
    Attempt.Outcome.UNREACHED: gettext_lazy("the server was not reached"),
    Attempt.Outcome.NOT_MADE: gettext_lazy("the report could not be made"),
    Attempt.Outcome.NO_ANSWER: gettext_lazy("handed over, no answer came"),
    Attempt.Outcome.DIED: gettext_lazy("broken off before it was handed over"),
}
REFUSALS = {
    "email": gettext_lazy("This is no e-mail address. Nothing was changed."),
    "domain": gettext_lazy("Reports do not go to addresses of this domain. Nothing was changed."),
    "choice": gettext_lazy("Choose a report, a rhythm and an hour. Nothing was changed."),
    "many": gettext_lazy("You have 20 reports already; end one first. Nothing was changed."),
    "twice": gettext_lazy("This report goes to this address already. Nothing was changed."),
    "ended": gettext_lazy("This report was ended before. Nothing was sent."),
    "trial_waits": gettext_lazy("A trial of this report waits already; it is sent within a minute."),
}


def units() -> list[Unit]:
    """Units that have a part of the network."""
    return list(Unit.objects.filter(networknode__isnull=False).distinct().order_by("name"))


@for_pln
def reports(request: HttpRequest) -> HttpResponse:
    """One's own reports."""
    login, at = login_of(request), now()
    context = {
        "now": at,
        "rows": [_row(one) for one in subscriptions_of(login)],
        "sends": [_send(one) for one in issues_of(login)[:SHOWN]],
        "reports": REPORTS.items(),
        "rhythms": RHYTHMS.items(),
        "weekdays": list(enumerate(WEEKDAYS)),
        "hours": [(hour, f"{hour:02d}.00") for hour in range(24)],
        "units": units(),
        "can_send": settings.MAIL_SERVER,
        "domains": ", ".join(settings.MAIL_DOMAINS),
    }
    return render(request, "utility/reports.html", context)


def _row(one: Subscription) -> dict[str, Any]:
    return {
        "subscription": one,
        "report": REPORTS[Subscription.Report(one.report)],
        "rhythm": RHYTHMS[Subscription.Rhythm(one.rhythm)],
        "weekday": WEEKDAYS[one.weekday] if one.rhythm == Subscription.Rhythm.WEEKLY else "",
        "hour": f"{one.hour:02d}.00",
        "where": one.unit.name if one.unit else _("Whole utility"),
    }


def _send(one: Issue) -> dict[str, Any]:
    sign, words = STATES[Issue.State(one.state)]
    tries = sorted(one.attempts.all(), key=lambda each: each.number)
    last = tries[-1] if tries else None
    return {
        "issue": one,
        "report": REPORTS[Subscription.Report(one.subscription.report)],
        "sign": sign,
        "words": words,
        "tries": len(tries),
        "last": last,
        "outcome": OUTCOMES[Attempt.Outcome(last.outcome)] if last else "",
    }


@require_POST
@for_pln
def subscribe(request: HttpRequest) -> HttpResponse:
    """From the next time on."""
    form, login = request.POST, login_of(request)
    unit = next((one for one in units() if str(one.pk) == form.get("unit")), None)
    try:
        if form.get("unit") and unit is None:
            raise verbs.ReportRefused("choice", "No such unit.")
        verbs.subscribe(
            login=login,
            email=form.get("email", "")[:200],
            report=form.get("report", ""),
            rhythm=form.get("rhythm", ""),
            hour=_number(form.get("hour", "")),
            weekday=_number(form.get("weekday", "0")),
            unit=unit,
            language=Language.ENGLISH if (get_language() or "id").startswith("en") else Language.INDONESIAN,
            domains=settings.MAIL_DOMAINS,
            now=now(),
        )
        messages.success(request, _("Noted. The report comes from the next time on."))
    except verbs.ReportRefused as error:
        messages.error(request, REFUSALS[error.code])
    return redirect("desk-reports")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 99


def _own(request: HttpRequest, number: int) -> Subscription:
    return get_object_or_404(Subscription, pk=number, login=login_of(request))


@require_POST
@for_pln
def trial(request: HttpRequest, subscription: int) -> HttpResponse:
    """The report as it would be now."""
    found = _own(request, subscription)
    if not settings.MAIL_SERVER:
        messages.error(request, _("No mail server is set (DUAARAH_SMTP): nothing is sent."))
        return redirect("desk-reports")
    try:
        verbs.ask_trial(subscription_id=found.pk, sender=settings.DEFAULT_FROM_EMAIL, now=now())
        messages.success(request, _("A trial is on its way; within a minute you see here what became of it."))
    except verbs.ReportRefused as error:
        messages.error(request, REFUSALS[error.code])
    return redirect("desk-reports")


@require_POST
@for_pln
def end(request: HttpRequest, subscription: int) -> HttpResponse:
    """No more of it."""
    found = _own(request, subscription)
    verbs.unsubscribe(subscription_id=found.pk, actor=f"login:{login_of(request).pk}", now=now())
    messages.success(request, _("Ended. Nothing more is sent."))
    return redirect("desk-reports")


# Whoever holds the link of a letter may end that one report, signed in or not; a mail program does so by itself (RFC 8058).
@csrf_exempt
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Asks first, so that a program which only opens links ends nothing."""
    found = subscription_of(token)
    if found is None:
        raise Http404
    if request.method == "POST":
        verbs.unsubscribe(subscription_id=found.pk, actor="link", now=now())
        found.refresh_from_db()
    context = {"found": found, "report": REPORTS[Subscription.Report(found.report)]}
    return render(request, "utility/report_end.html", context)
