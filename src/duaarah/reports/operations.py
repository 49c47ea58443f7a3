# SPDX-License-Identifier: Apache-2.0
"""Subscribing and ending it, and turning what is due into rows to be sent."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from duaarah.audit import operations as audit
from duaarah.people.models import Language, Login, Organisation, Unit
from duaarah.reports.models import Issue, Subscription
from duaarah.reports.rhythm import last_due, next_due

OPEN_MAX = 20
DUE_AT_ONCE = 200


class ReportRefused(Exception):
    """`code` says why: email, domain, choice, many, twice, ended, trial_waits."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


def may_read(login: Login) -> bool:
    """Reports are for people who are signed up with the utility, now."""
    member = login.memberships.filter(unit__organisation__kind=Organisation.Kind.UTILITY)
    return bool(login.is_active and member.exists())


def subscribe(
    *,
    login: Login,
    email: str,
    report: str,
    rhythm: str,
    hour: int,
    weekday: int,
    unit: Unit | None,
    language: str,
    domains: Collection[str],
    now: dt.datetime,
) -> Subscription:
    """
    Entry: the report comes from the next time on.

    Args:
        domains: what an address may end with after its @; empty: any.

    Raises:
        ReportRefused: an address, a domain, a choice that is none; the same again; more than OPEN_MAX of one login.
    """
    email = email.strip()
    try:
        validate_email(email)
    except ValidationError as error:
        raise ReportRefused("email", "No e-mail address.") from error
    if domains and email.rpartition("@")[2].lower() not in domains:
        raise ReportRefused("domain", "Reports do not go to this domain.")
    known = report in Subscription.Report.values and rhythm in Subscription.Rhythm.values
    if not (known and 0 <= hour <= 23 and 0 <= weekday <= 6 and language in Language.values):
        raise ReportRefused("choice", "Not a report, a rhythm, an hour, a weekday or a language.")
    try:
        with transaction.atomic(durable=True):
            Login.objects.select_for_update().get(pk=login.pk)
            if Subscription.objects.filter(login=login, ended_at=None).count() >= OPEN_MAX:
                raise ReportRefused("many", f"A login has {OPEN_MAX} subscriptions at most.")
            made = Subscription.objects.create(
                login=login,
                email=email,
                report=report,
                rhythm=rhythm,
                hour=hour,
                weekday=weekday,
                unit=unit,
                language=language,
                next_due_at=next_due(rhythm=rhythm, hour=hour, weekday=weekday, after_at=now),
                created_at=now,
            )
            _note(made, "report.subscribe", f"login:{login.pk}", now)
    except IntegrityError as error:
        raise ReportRefused("twice", "This report goes to this address already.") from error
    return made


def _note(subscription: Subscription, verb: str, actor: str, now: dt.datetime) -> None:
    detail = {"report": subscription.report, "rhythm": subscription.rhythm, "email": subscription.email}
    audit.record(at=now, actor=actor, verb=verb, subject=f"subscription:{subscription.pk}", detail=detail)


def unsubscribe(*, subscription_id: int, actor: str, now: dt.datetime) -> bool:
    """Entry: nothing comes any more, what waits is withdrawn. False: it had ended."""
    with transaction.atomic(durable=True):
        found = Subscription.objects.select_for_update().get(pk=subscription_id)
        return _end(found, actor, now)


def _end(found: Subscription, actor: str, now: dt.datetime) -> bool:
    if found.ended_at is not None:
        return False
    Subscription.objects.filter(pk=found.pk).update(ended_at=now, ended_by=actor)
    waiting = Issue.objects.filter(subscription=found, state=Issue.State.WAITING)
    waiting.update(state=Issue.State.WITHDRAWN, closed_at=now)
    _note(found, "report.unsubscribe", actor, now)
    return True


def ask_trial(*, subscription_id: int, sender: str, now: dt.datetime) -> Issue:
    """
    Entry: the report as it would be now, once, soon.

    Raises:
        ReportRefused: the subscription ended, or a trial waits already.
    """
    try:
        with transaction.atomic(durable=True):
            found = Subscription.objects.select_for_update().get(pk=subscription_id)
            if found.ended_at is not None:
                raise ReportRefused("ended", "The subscription ended.")
            return _issue(found, now, sender, now, trial=True)
    except IntegrityError as error:
        raise ReportRefused("trial_waits", "A trial waits already.") from error


def _issue(found: Subscription, due_at: dt.datetime, sender: str, now: dt.datetime, *, trial: bool) -> Issue:
    host = sender.rpartition("@")[2].rstrip(">") or "localhost"
    return Issue.objects.create(
        subscription=found,
        due_at=due_at,
        trial=trial,
        message_id=f"<{uuid.uuid4()}@{host}>",
        next_attempt_at=now,
    )


def make_due(*, sender: str, now: dt.datetime) -> int:
    """
    Entry: each subscription whose time has come gets its one issue; returns how many.

    After a long silence only the newest one is made: nobody wants the mornings of a week at once. The subscription of
    somebody who is no longer with the utility ends here.
    """
    made = 0
    for pk in Subscription.objects.filter(ended_at=None, next_due_at__lte=now).values_list("pk", flat=True)[
        :DUE_AT_ONCE
    ]:
        with transaction.atomic(durable=True):
            found = (
                Subscription.objects.select_for_update(skip_locked=True, of=("self",))
                .select_related("login")
                .filter(pk=pk, ended_at=None, next_due_at__lte=now)
                .first()
            )
            if found is None:
                continue
            if not may_read(found.login):
                _end(found, "system:not_a_member", now)
                continue
            due_at = last_due(rhythm=found.rhythm, hour=found.hour, weekday=found.weekday, until_at=now)
            if not Issue.objects.filter(subscription=found, due_at=due_at, trial=False).exists():
                _issue(found, due_at, sender, now, trial=False)
                made += 1
            next_at = next_due(rhythm=found.rhythm, hour=found.hour, weekday=found.weekday, after_at=now)
            Subscription.objects.filter(pk=pk).update(next_due_at=next_at)
    return made
