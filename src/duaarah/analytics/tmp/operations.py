# SPDX-License-Identifier: Apache-2.0
"""Declared values; a month proposed by one person and closed by a second; compensations given once, whoever dies."""

from __future__ import annotations

import datetime as dt
import logging
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Sum

from duaarah.analytics.models import Compensation, DeclaredLevel, TMPMonth
from duaarah.analytics.models.tmp import Indicator
from duaarah.analytics.tmp.queries import UnitMonth, unit_month
from duaarah.audit import operations as audit
from duaarah.core import tmp
from duaarah.core.tariff import TariffError
from duaarah.core.tariff.programmes import minimum_wh
from duaarah.core.tariff.tables import group_of, rate_row
from duaarah.messaging.operations import queue_message
from duaarah.messaging.texts import render, rupiah
from duaarah.people.models import Approval, Login, Unit
from duaarah.people.operations import decide_approval, request_approval, use_approval
from duaarah.registry.access import pairing_of_meter
from duaarah.sms.models import MessageClass, Priority
from duaarah.vending.models import Vend
from duaarah.vending.operations import give_compensation
from duaarah.vending.operations.refusals import TopUpRefused
from duaarah.vending.ports import TokenSource

LOG = logging.getLogger(__name__)
VERB = "tmp.close_month"
WIB = ZoneInfo("Asia/Jakarta")
BATCH = 200


class TMPRefused(Exception):
    """Nothing was changed. `code` says why."""

    retryable = False

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def declare(
    *, unit: Unit, indicator: str, value: Decimal, valid_from_date: dt.date, actor: str, now: dt.datetime
) -> DeclaredLevel:
    """
    Entry: a unit's declared value from a day on, audited; the rows before it stay.

    Raises:
        TMPRefused: `value`: negative, or more than a month holds; `indicator`: none of both.
    """
    if indicator not in Indicator.values:
        raise TMPRefused("indicator", "No such indicator.")
    if not 0 <= value <= 744:
        raise TMPRefused("value", "A declared value is between 0 and the hours of a month.")
    with transaction.atomic(durable=True):
        made = DeclaredLevel.objects.create(
            unit=unit,
            indicator=indicator,
            value=value,
            valid_from_date=valid_from_date,
            set_at=now,
            set_by=actor,
        )
        detail = {"indicator": indicator, "value": str(value), "from": valid_from_date.isoformat()}
        audit.record(at=now, actor=actor, verb="tmp.declare", subject=f"unit:{unit.pk}", detail=detail)
    return made


def propose_month(*, unit: Unit, month_date: dt.date, reason: str, asked_by: Login, now: dt.datetime) -> TMPMonth:
    """
    Ask a second person to close a unit's month; what each customer would get is kept with the proposal.

    The same asked again, also after a crash between the request and its rows, is that proposal.

    Raises:
        TMPRefused: `not_over`, `still_off`, `nothing_declared`, `closed`.
        NoRules: no rules are loaded for this month.
    """
    month_date = month_date.replace(day=1)
    measured = unit_month(unit_id=unit.pk, month_date=month_date)
    if (waits := _check(unit, measured, asked_by, now)) is not None:
        return waits
    rows = _rows(measured)
    asked = request_approval(
        verb=VERB,
        subject=f"unit:{unit.pk}",
        detail={
            "month": month_date.isoformat(),
            "customers": len(rows),
            "total_idr": sum(row.amount_idr for row in rows),
        },
        reason=reason,
        requested_by=asked_by,
        now=now,
    )
    with transaction.atomic(durable=True):
        state = TMPMonth.State.PROPOSED
        month, made = TMPMonth.objects.get_or_create(
            approval=asked,
            defaults={"unit": unit, "month_date": month_date, "state": state, "proposed_at": now},
        )
        if made:
            for row in rows:
                row.month = month
            Compensation.objects.bulk_create(rows, batch_size=5_000)
    return month


def _check(unit: Unit, measured: UnitMonth, asked_by: Login, now: dt.datetime) -> TMPMonth | None:
    """The proposal of the same person that waits already, if there is one."""
    following = (measured.month_date + dt.timedelta(days=32)).replace(day=1)
    if now.astimezone(WIB).date() < following:
        raise TMPRefused("not_over", "The month is not over yet.")
    if measured.open_customers:
        raise TMPRefused("still_off", "Customers of this month are still off.")
    if measured.declared_h is None and measured.declared_times is None:
        raise TMPRefused("nothing_declared", "The unit had declared nothing for this month.")
    same = TMPMonth.objects.filter(unit=unit, month_date=measured.month_date)
    # A proposal whose approval expired gives way to the next one.
    with transaction.atomic(durable=True):
        stale = same.filter(state=TMPMonth.State.PROPOSED, approval__expires_at__lte=now)
        stale.update(state=TMPMonth.State.REFUSED)
    found = same.exclude(state=TMPMonth.State.REFUSED).select_related("approval").first()
    if found is None:
        return None
    if found.state == TMPMonth.State.PROPOSED and found.approval.requested_by_id == asked_by.pk:
        return found
    raise TMPRefused("closed", "This month is closed already, or waits for its second person.")


def _rows(measured: UnitMonth) -> list[Compensation]:
    rules = tmp.rules_of(measured.month_date)
    made: list[Compensation] = []
    terms: dict[tuple[str, int], tuple[bool, int, str]] = {}
    for row in measured.rows:
        key = row.tariff_group, row.contracted_va
        if key not in terms:
            terms[key] = _terms(*key, measured.month_date)
        subsidised, base_idr, refusal = terms[key]
        owed = tmp.owed(
            rules,
            interrupted_s=row.interrupted_s,
            times=row.times,
            declared_h=measured.declared_h,
            declared_times=measured.declared_times,
            subsidised=subsidised,
        )
        if owed is not None:
            made.append(
                Compensation(
                    meter_id=row.meter_id,
                    interrupted_s=row.interrupted_s,
                    times=row.times,
                    indicator=owed.indicator,
                    percent=owed.percent,
                    base_idr=base_idr,
                    amount_idr=tmp.amount_idr(base_idr, owed.percent),
                    refusal=refusal,
                )
            )
    return made


def _terms(group: str, va: int, date: dt.date) -> tuple[bool, int, str]:
    """(subsidised, rekening minimum in rupiah, why there is none) of a tariff group at a power."""
    try:
        rate = rate_row(group=group, va=va, date=date).value
        base_idr = tmp.minimum_bill_idr(minimum_wh=minimum_wh(va=va, date=date), rate_idr_per_kwh=rate)
        return tmp.is_subsidised(group_of(group), va), base_idr, ""
    except TariffError as error:
        return False, 0, error.code


def decide_month(*, month_id: int, approve: bool, decided_by: Login, now: dt.datetime) -> TMPMonth:
    """
    The second person's word on a proposal; after a yes the compensations are on their way.

    A yes that died half-way is said again by anybody who may decide, and goes on.

    Raises:
        ApprovalRefused: the same person, expired, or decided before.
    """
    month = TMPMonth.objects.select_related("approval").get(pk=month_id)
    if not (approve and month.approval.state == Approval.State.APPROVED):
        decide_approval(approval_id=month.approval_id, approve=approve, decided_by=decided_by, now=now)
    with transaction.atomic(durable=True):
        month = TMPMonth.objects.select_for_update().get(pk=month_id)
        if approve:
            subject = f"unit:{month.unit_id}"
            approval = use_approval(approval_id=month.approval_id, verb=VERB, subject=subject, now=now)
            month.state = TMPMonth.State.APPROVED
            actor = f"login:{decided_by.pk}"
            audit.record(
                at=now, actor=actor, verb=VERB, subject=subject, reason=approval.reason, detail=approval.detail
            )
        else:
            month.state = TMPMonth.State.REFUSED
        month.save(update_fields=["state"])
    return month


def give_due(*, token_source: TokenSource, now: dt.datetime, limit: int = BATCH) -> int:
    """
    Entry of entries: compensations of approved months, each once a meter and month; returns how many were given.

    The reference is the meter's and the month's: whoever died in between is followed by the same token. A refusal stays
    in its row and holds up no other.
    """
    due = Compensation.objects.filter(
        month__state=TMPMonth.State.APPROVED, given_at=None, refusal="", amount_idr__gt=0
    ).select_related("meter__customer__holder", "month")
    given = 0
    for row in due.order_by("pk")[:limit]:
        given += _give(row, token_source, now)
    waiting = Compensation.objects.filter(given_at=None, refusal="", amount_idr__gt=0).values("month_id")
    TMPMonth.objects.filter(state=TMPMonth.State.APPROVED).exclude(pk__in=waiting).update(state=TMPMonth.State.DONE)
    return given


def _give(row: Compensation, token_source: TokenSource, now: dt.datetime) -> bool:
    reference = f"{row.month.month_date:%Y-%m}:{row.meter.drn}"
    vend, refusal = None, ""
    try:
        outcome = give_compensation(
            meter=row.meter, amount_idr=row.amount_idr, reference=reference, token_source=token_source, now=now
        )
        vend = outcome.vend
        if vend.state == Vend.State.REFUNDED:
            refusal = "no_token"
    except TopUpRefused as error:
        refusal = error.code
        LOG.warning("compensation %d is not given: %s", row.pk, refusal)
    with transaction.atomic(durable=True):
        fields: dict[str, Any] = {"refusal": refusal} if refusal else {"vend_id": vend and vend.pk, "given_at": now}
        changed = Compensation.objects.filter(pk=row.pk, given_at=None).update(**fields)
        if changed and not refusal:
            _tell(row, now)
    return bool(changed) and not refusal


def _tell(row: Compensation, now: dt.datetime) -> None:
    pairing = pairing_of_meter(meter_id=row.meter_id, at=now)
    if pairing is None or row.meter.customer is None:
        return
    language = row.meter.customer.holder.language
    text = render(
        "compensation",
        language,
        month=f"{row.month.month_date:%m/%Y}",
        nominal=rupiah(row.amount_idr, language),
        meter=row.meter.drn,
    )
    queue_message(
        dedupe=f"compensation:{row.month.month_date:%Y-%m}:{row.meter_id}",
        phone=pairing.phone,
        template="compensation",
        language=language,
        text=text,
        message_class=MessageClass.NOTICE,
        priority=Priority.LOW_CREDIT,
        meter_id=row.meter_id,
        correlation=None,
        now=now,
    )


def month_total_idr(month: TMPMonth) -> int:
    """What a closed month costs, in rupiah."""
    return Compensation.objects.filter(month=month).aggregate(total=Sum("amount_idr"))["total"] or 0
