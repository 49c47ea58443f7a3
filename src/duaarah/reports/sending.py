# SPDX-License-Identifier: Apache-2.0
"""
Sending what waits, one after the other, by SMTP.

A try is a row before anything happens. `handed_at` is committed after the server was reached and before the message goes to
it: who dies before that has sent nothing, and the next try is free; who dies after it may have sent it, and it is sent at
most once more, under the same Message-ID.
"""

from __future__ import annotations

import datetime as dt
import logging
import smtplib
from collections.abc import Callable

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction

from duaarah.reports.composing import Letter, letter_of
from duaarah.reports.models import Attempt, Issue
from duaarah.reports.operations import may_read

LOG = logging.getLogger(__name__)
LEASE = dt.timedelta(minutes=15)
# After which try how long it rests; after the last it is given up. About a day.
PAUSES_MIN = (1, 5, 15, 60, 240, 480, 720)
UNSURE_MAX = 2
LOOKED_AT = 20  # issues whose subscriber has left are passed over at once
Outcome = Attempt.Outcome
Result = tuple[Outcome, int | None, str]


def send_next(*, now: Callable[[], dt.datetime]) -> bool:
    """Entry: one issue is tried, if one is due. False: none was."""
    attempt = _claim(now())
    if attempt is None:
        return False
    result = _try(attempt, now)
    _close(attempt.pk, result, now())
    LOG.info("report %s, try %d: %s %s", attempt.issue_id, attempt.number, result[0], result[1] or "")
    return True


def _claim(at: dt.datetime) -> Attempt | None:
    """The next issue that is due, its try noted; what a dead sender left is looked at first."""
    with transaction.atomic(durable=True):
        rows = Issue.objects.select_for_update(skip_locked=True, of=("self",)).select_related("subscription__login")
        dead = rows.filter(state=Issue.State.SENDING, claimed_until_at__lte=at).order_by("pk").first()
        if dead is not None:
            _close_dead(dead, at)
        waiting = rows.filter(state=Issue.State.WAITING, next_attempt_at__lte=at)
        for issue in waiting.order_by("next_attempt_at", "pk")[:LOOKED_AT]:
            if issue.subscription.ended_at is not None or not may_read(issue.subscription.login):
                Issue.objects.filter(pk=issue.pk).update(state=Issue.State.WITHDRAWN, closed_at=at)
                continue
            number = issue.attempts.count() + 1
            Issue.objects.filter(pk=issue.pk).update(state=Issue.State.SENDING, claimed_until_at=at + LEASE)
            return Attempt.objects.create(issue=issue, number=number, begun_at=at)
    return None


def _close_dead(issue: Issue, at: dt.datetime) -> None:
    last = issue.attempts.order_by("-number").first()
    if last is None or last.outcome:
        Issue.objects.filter(pk=issue.pk).update(state=Issue.State.WAITING, claimed_until_at=None)
        return
    _settle(issue, last, (Outcome.NO_ANSWER if last.handed_at else Outcome.DIED, None, ""), at)


def _try(attempt: Attempt, now: Callable[[], dt.datetime]) -> Result:
    subscription = attempt.issue.subscription
    try:
        message = _message(letter_of(subscription, attempt.issue.due_at, now()), attempt.issue)
        message.message()  # a header that cannot be written is found out before the server is asked
    except Exception as error:
        LOG.exception("report %s could not be made", attempt.issue_id)
        return Outcome.NOT_MADE, None, type(error).__name__
    server = get_connection(fail_silently=False)
    try:
        server.open()
    except smtplib.SMTPResponseException as error:
        return Outcome.UNREACHED, error.smtp_code, _words(error.smtp_error)
    except (OSError, smtplib.SMTPException) as error:
        return Outcome.UNREACHED, None, _words(str(error))
    try:
        with transaction.atomic(durable=True):
            Attempt.objects.filter(pk=attempt.pk).update(handed_at=now())
        return _handed(server, message)
    finally:
        _leave(server)


def _leave(server: BaseEmailBackend) -> None:
    """QUIT; what goes wrong with it says nothing of the message, which was answered before."""
    try:
        server.close()
    except (OSError, smtplib.SMTPException):
        LOG.info("the mail server did not take its leave")


def _handed(server: BaseEmailBackend, message: EmailMultiAlternatives) -> Result:
    """The server's word on the message itself."""
    try:
        server.send_messages([message])
    except smtplib.SMTPRecipientsRefused as error:
        code, words = next(iter(error.recipients.values()))
        return _refused(code), code, _words(words)
    except smtplib.SMTPResponseException as error:
        return _refused(error.smtp_code), error.smtp_code, _words(error.smtp_error)
    except (OSError, smtplib.SMTPException) as error:
        return Outcome.NO_ANSWER, None, _words(str(error))
    return Outcome.SENT, 250, ""


def _refused(code: int) -> Outcome:
    return Outcome.REFUSED if 500 <= code <= 599 else Outcome.DEFERRED


def _words(said: bytes | str) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return " ".join(text.split())[:300]


def _message(letter: Letter, issue: Issue) -> EmailMultiAlternatives:
    message = EmailMultiAlternatives(
        subject=" ".join(letter.subject.split()),
        body=letter.text,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[issue.subscription.email],
        headers={**letter.headers, "Message-ID": issue.message_id, "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(letter.html, "text/html")
    for one in letter.attachments:
        message.attach(one.name, one.content, one.kind)
    return message


def _close(attempt_id: int, result: Result, at: dt.datetime) -> None:
    with transaction.atomic(durable=True):
        attempt = Attempt.objects.select_for_update(of=("self",)).get(pk=attempt_id)
        issue = Issue.objects.select_for_update(of=("self",)).get(pk=attempt.issue_id)
        # A sender that was taken for dead, and was not, tells what became of it; the issue may have gone on already.
        newest = attempt.number == issue.attempts.count()
        _settle(issue, attempt, result, at, mine=newest and issue.state == Issue.State.SENDING)


def _settle(issue: Issue, attempt: Attempt, result: Result, at: dt.datetime, *, mine: bool = True) -> None:
    """The try's outcome, and what follows for its issue."""
    outcome, code, words = result
    Attempt.objects.filter(pk=attempt.pk).update(outcome=outcome, code=code, words=words, ended_at=at)
    if outcome == Outcome.SENT:
        Issue.objects.filter(pk=issue.pk).update(state=Issue.State.SENT, closed_at=at, claimed_until_at=None)
        return
    if not mine:
        return
    unsure = issue.attempts.filter(outcome=Outcome.NO_ANSWER).count()
    if outcome == Outcome.REFUSED:
        _end(issue, Issue.State.FAILED, at)
    elif unsure >= UNSURE_MAX:
        _end(issue, Issue.State.UNSURE, at)
    elif attempt.number > len(PAUSES_MIN):
        _end(issue, Issue.State.UNSURE if unsure else Issue.State.FAILED, at)
    else:
        pause = dt.timedelta(minutes=PAUSES_MIN[attempt.number - 1])
        waits = {"state": Issue.State.WAITING, "claimed_until_at": None, "next_attempt_at": at + pause}
        Issue.objects.filter(pk=issue.pk).update(**waits)


def _end(issue: Issue, state: Issue.State, at: dt.datetime) -> None:
    Issue.objects.filter(pk=issue.pk).update(state=state, closed_at=at, claimed_until_at=None)
