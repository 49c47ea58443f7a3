# SPDX-License-Identifier: Apache-2.0
"""
Who wants which report when (`Subscription`), each report that is due or was tried (`Issue`), and each try (`Attempt`).

Nothing is deleted: a subscription that ended stays with what it sent.
"""

from __future__ import annotations

from django.db import models

from duaarah.people.models import Language, Login, Unit


class Subscription(models.Model):
    class Report(models.TextChoices):
        MORNING = "MORNING", "The grid this morning"
        RELIABILITY = "RELIABILITY", "Reliability of the month"
        LOSSES = "LOSSES", "Losses of the week"

    class Rhythm(models.TextChoices):
        DAILY = "DAILY", "Every day"
        WEEKLY = "WEEKLY", "Every week"
        MONTHLY = "MONTHLY", "On the first of the month"

    login = models.ForeignKey(Login, on_delete=models.PROTECT, related_name="report_subscriptions")
    email = models.EmailField(max_length=200)
    report = models.CharField(max_length=12, choices=Report.choices)
    rhythm = models.CharField(max_length=8, choices=Rhythm.choices)
    hour = models.PositiveSmallIntegerField(help_text="0 to 23, WIB")
    weekday = models.PositiveSmallIntegerField(default=0, help_text="Of weekly ones: 0 is Monday")
    unit = models.ForeignKey(Unit, null=True, on_delete=models.PROTECT, help_text="Empty: the whole utility")
    language = models.CharField(max_length=2, choices=Language.choices)
    next_due_at = models.DateTimeField(help_text="Business time")
    created_at = models.DateTimeField(help_text="Business time")
    ended_at = models.DateTimeField(null=True, help_text="Business time; empty: it goes on")
    ended_by = models.CharField(max_length=60, blank=True, default="", help_text="Actor, as in the audit record")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["login", "email", "report", "rhythm", "unit"],
                condition=models.Q(ended_at__isnull=True),
                nulls_distinct=False,
                name="reports_subscription_once",
            ),
            models.CheckConstraint(condition=models.Q(hour__lte=23, weekday__lte=6), name="reports_subscription_when"),
        ]
        indexes = [models.Index(fields=["next_due_at"], name="reports_subscription_due")]


class Issue(models.Model):
    """
    One report to one address. `message_id` is drawn with the row, so that a repeat is the same message to whoever gets it.
    """

    class State(models.TextChoices):
        WAITING = "WAITING", "Waits"
        SENDING = "SENDING", "Is being sent"
        SENT = "SENT", "Taken by the mail server"
        FAILED = "FAILED", "Given up"
        UNSURE = "UNSURE", "Handed over twice without an answer"
        WITHDRAWN = "WITHDRAWN", "Not sent: the subscription ended"

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="issues")
    due_at = models.DateTimeField(help_text="Business time it is of")
    trial = models.BooleanField(default=False, help_text="Asked for by hand")
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    message_id = models.CharField(max_length=200, unique=True)
    next_attempt_at = models.DateTimeField(help_text="Business time")
    claimed_until_at = models.DateTimeField(null=True, help_text="Business time at which a dead sender is given up")
    closed_at = models.DateTimeField(null=True, help_text="Business time")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subscription", "due_at"], condition=models.Q(trial=False), name="reports_issue_once"
            ),
            models.UniqueConstraint(
                fields=["subscription"],
                condition=models.Q(trial=True, state__in=["WAITING", "SENDING"]),
                name="reports_issue_one_trial",
            ),
        ]
        indexes = [models.Index(fields=["state", "next_attempt_at"], name="reports_issue_next")]


class Attempt(models.Model):
    """
    One try. `handed_at` is written before the message itself goes to the server: a try that ends without it sent nothing.
    """

    class Outcome(models.TextChoices):
        OPEN = "", "Not known yet"
        SENT = "SENT", "Taken"
        DEFERRED = "DEFERRED", "Not now (4xx)"
        REFUSED = "REFUSED", "Refused (5xx)"
        UNREACHED = "UNREACHED", "The server was not reached"
        NOT_MADE = "NOT_MADE", "The report could not be made"
        NO_ANSWER = "NO_ANSWER", "Handed over, no answer"
        DIED = "DIED", "The sender died before handing over"

    issue = models.ForeignKey(Issue, on_delete=models.PROTECT, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    begun_at = models.DateTimeField(help_text="Business time")
    handed_at = models.DateTimeField(null=True, help_text="Business time")
    ended_at = models.DateTimeField(null=True, help_text="Business time")
    outcome = models.CharField(max_length=9, choices=Outcome.choices, blank=True, default="")
    code = models.PositiveSmallIntegerField(null=True, help_text="Of the server's reply")
    words = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["issue", "number"], name="reports_attempt_number")]
