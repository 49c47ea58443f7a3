# SPDX-License-Identifier: Apache-2.0
"""The second person of a purchase above a rule's limit: asked, followed, and used in the transaction that frees it."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.db.models import QuerySet

from duaarah.notices.auto.rules import close_request
from duaarah.notices.models import TopUpRequest
from duaarah.people.models import AccountHolder, Approval
from duaarah.people.operations import request_approval, use_approval

VERB = "notices.auto_top_up"
BATCH_MAX = 20
REASON = "Automatic top-up above the limit of its rule"


def subject_of(request: TopUpRequest) -> str:
    """What the approval is for: this one purchase."""
    return f"topup:{request.pk}"


def ask_second_persons(*, now: dt.datetime) -> int:
    """
    Ask for each purchase that needs one; returns how many were asked for.

    Killed between the question and its note, the same question is found again: it is asked once.
    """
    wanting = TopUpRequest.objects.filter(state=TopUpRequest.State.NEEDS_APPROVAL).select_related("rule__login")
    count = 0
    for request in wanting.order_by("pk")[:BATCH_MAX]:
        login = request.rule.login
        if login is None:
            _close(request.pk, "approval_impossible", now)
            continue
        approval = request_approval(
            verb=VERB,
            subject=subject_of(request),
            detail={"request": request.pk, "meter": request.meter_id, "nominal_idr": request.nominal_idr},
            reason=REASON,
            requested_by=login,
            now=now,
        )
        with transaction.atomic(durable=True):
            row = TopUpRequest.objects.select_for_update().get(pk=request.pk)
            if row.state == TopUpRequest.State.NEEDS_APPROVAL:
                row.state, row.approval = TopUpRequest.State.WAITING, approval
                row.save(update_fields=["state", "approval"])
        count += 1
    return count


def follow_second_persons(*, now: dt.datetime) -> int:
    """Entry, one a purchase: what was agreed to is due, what was refused or not answered is closed; returns how many."""
    waiting = TopUpRequest.objects.filter(state=TopUpRequest.State.WAITING).select_related("approval")
    count = 0
    for request in waiting.order_by("pk")[:BATCH_MAX]:
        approval = request.approval
        assert approval is not None
        if approval.state == Approval.State.REFUSED:
            _close(request.pk, "approval_refused", now)
        elif approval.expires_at <= now:
            _close(request.pk, "approval_expired", now)
        elif approval.state == Approval.State.APPROVED:
            _free(request.pk, now)
        else:
            continue
        count += 1
    return count


def _free(request_id: int, now: dt.datetime) -> None:
    with transaction.atomic(durable=True):
        row = TopUpRequest.objects.select_for_update().get(pk=request_id)
        if row.state != TopUpRequest.State.WAITING or row.approval_id is None:
            return
        use_approval(approval_id=row.approval_id, verb=VERB, subject=subject_of(row), now=now)
        row.state = TopUpRequest.State.DUE
        row.save(update_fields=["state"])


def _close(request_id: int, result: str, now: dt.datetime) -> None:
    with transaction.atomic(durable=True):
        row = TopUpRequest.objects.select_for_update().get(pk=request_id)
        if row.state in (TopUpRequest.State.NEEDS_APPROVAL, TopUpRequest.State.WAITING):
            close_request(row, result, now)


def waiting_for(*, holder: AccountHolder, now: dt.datetime) -> QuerySet[TopUpRequest]:
    """What waits for a second person of this holder, the oldest first."""
    return (
        TopUpRequest.objects.filter(
            rule__holder=holder,
            state=TopUpRequest.State.WAITING,
            approval__state=Approval.State.REQUESTED,
            approval__expires_at__gt=now,
        )
        .select_related("approval__requested_by", "rule", "meter__customer", "meter__site")
        .order_by("pk")
    )
