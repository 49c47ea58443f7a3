# SPDX-License-Identifier: Apache-2.0
"""What a login's subscriptions are, and what became of their reports."""

from __future__ import annotations

from django.db.models import QuerySet

from duaarah.people.models import Login
from duaarah.reports.models import Issue, Subscription


def subscriptions_of(login: Login) -> QuerySet[Subscription]:
    """Those that go on, by their next time."""
    return Subscription.objects.filter(login=login, ended_at=None).select_related("unit").order_by("next_due_at", "pk")


def issues_of(login: Login) -> QuerySet[Issue]:
    """What was sent or is to be sent, the newest first, with its tries."""
    rows = Issue.objects.filter(subscription__login=login).select_related("subscription__unit")
    return rows.prefetch_related("attempts").order_by("-pk")
