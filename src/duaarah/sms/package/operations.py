# SPDX-License-Identifier: Apache-2.0
"""Selling packages: dated terms with their shares, and a meter's subscription by the month."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction

from duaarah.audit import operations as audit
from duaarah.core.smsplan import Bucket, Budget, Overflow, PlanError, ReportingPlan
from duaarah.people.models import Organisation
from duaarah.registry.models import Meter
from duaarah.sms.operations.enqueue import package_month
from duaarah.sms.package_models import PackagePlan, PackageTerms, RevenueShare, Subscription

PARTS = 10_000


class PackageRefused(Exception):
    """A package deed that cannot be; `code` says why and nothing moved."""

    retryable = False

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Composition (segments a month) and prices (rupiah) of a plan; the seed's package is the default."""

    token_sms: int = 20
    sms_per_top_up: int = 5
    fault_sms: int = 5
    data_sms: int = 3
    block_days: tuple[int, ...] = (1, 11, 21)
    meter_fault_sms: int = 4
    sms_price_idr: int = 350
    package_price_idr: int = 10_000
    inquiry_price_idr: int = 1_000
    token_overflow: Overflow = Overflow.BORROW
    fault_overflow: Overflow = Overflow.BLOCK
    data_overflow: Overflow = Overflow.BLOCK
    daily_summary: bool = False

    def budget(self) -> Budget:
        """The same for the planner. Raises PlanError."""
        return Budget(
            {Bucket.TOKEN: self.token_sms, Bucket.FAULT: self.fault_sms, Bucket.DATA: self.data_sms},
            {
                Bucket.TOKEN: self.token_overflow,
                Bucket.FAULT: self.fault_overflow,
                Bucket.DATA: self.data_overflow,
            },
        )


@dataclass(frozen=True, kw_only=True)
class Share:
    """`parts` of 10,000 of one kind of income (RevenueShare.Of) go to a party."""

    of: str
    party: Organisation
    parts: int


def set_terms(
    *,
    plan: PackagePlan,
    valid_from_date: dt.date,
    terms: Terms,
    shares: Sequence[Share],
    actor: str,
    now: dt.datetime,
) -> PackageTerms:
    """
    Entry: a plan's composition, prices and shares from a month on.

    Raises:
        PackageRefused: not_a_month, back_dated (before this month, unless the plan has no terms yet), shares
            (a kind of income whose parts are not 10,000), bad_sms_plan, terms_exist. One audit line, nothing moved.
    """
    subject = f"package:{plan.code}"
    try:
        with transaction.atomic(durable=True):
            row = write_terms(plan=plan, valid_from_date=valid_from_date, terms=terms, shares=shares, now=now)
            audit.record(
                at=now,
                actor=actor,
                verb="sms.set_terms",
                subject=subject,
                detail={"from": valid_from_date.isoformat(), "terms": row.pk},
            )
            return row
    except PackageRefused as refused:
        _refuse(refused, actor=actor, verb="sms.set_terms", subject=subject, now=now)
    except IntegrityError:
        clash = PackageRefused("terms_exist", "The plan has terms from this month already.")
        _refuse(clash, actor=actor, verb="sms.set_terms", subject=subject, now=now)
    raise AssertionError("unreachable")


def write_terms(
    *, plan: PackagePlan, valid_from_date: dt.date, terms: Terms, shares: Sequence[Share], now: dt.datetime
) -> PackageTerms:
    """Joining: the rows of `set_terms`, which its caller audits. Raises PackageRefused, IntegrityError (terms exist)."""
    _check_terms(plan, valid_from_date, terms, shares, now)
    row = PackageTerms.objects.create(
        plan=plan,
        valid_from_date=valid_from_date,
        **{name: getattr(terms, name) for name in Terms.__dataclass_fields__ if name != "block_days"},
        block_days=list(terms.block_days),
    )
    RevenueShare.objects.bulk_create(
        RevenueShare(terms=row, of=share.of, party=share.party, parts=share.parts) for share in shares
    )
    return row


def _check_terms(
    plan: PackagePlan, valid_from_date: dt.date, terms: Terms, shares: Sequence[Share], now: dt.datetime
) -> None:
    _check_month(valid_from_date)
    if valid_from_date < package_month(now) and PackageTerms.objects.filter(plan=plan).exists():
        raise PackageRefused("back_dated", "Terms do not change a month that is over.")
    try:
        terms.budget()
        ReportingPlan(terms.block_days, terms.meter_fault_sms, terms.data_sms)
    except PlanError as error:
        raise PackageRefused(error.code, str(error)) from error
    if terms.meter_fault_sms > terms.fault_sms:
        raise PackageRefused("bad_sms_plan", "A meter cannot send more fault SMS than the package holds.")
    for of in RevenueShare.Of.values:
        if sum(share.parts for share in shares if share.of == of) != PARTS:
            raise PackageRefused("shares", f"The shares of {of} are not {PARTS} parts together.")
    if len({(share.of, share.party.pk) for share in shares}) != len(shares) or any(s.parts < 0 for s in shares):
        raise PackageRefused("shares", "A party is named once for each kind of income, with parts from 0 on.")


def subscribe(
    *, meter: Meter, plan: PackagePlan, from_month_date: dt.date, actor: str, now: dt.datetime
) -> Subscription:
    """
    Entry: a meter's package from a month on, until it is ended. A month that began is sold whole.

    Raises:
        PackageRefused: not_a_month, back_dated, no_terms, subscribed (another one in this slot). Audited, nothing moved.
    """
    subject = f"meter:{meter.pk}"
    try:
        with transaction.atomic(durable=True):
            _check_month(from_month_date)
            if from_month_date < package_month(now):
                raise PackageRefused("back_dated", "A package begins with this month or a later one.")
            if not PackageTerms.objects.filter(plan=plan, valid_from_date__lte=from_month_date).exists():
                raise PackageRefused("no_terms", "The plan has no terms for this month.")
            row = Subscription.objects.create(meter=meter, plan=plan, slot=plan.slot, valid=(from_month_date, None))
            audit.record(
                at=now,
                actor=actor,
                verb="sms.subscribe",
                subject=subject,
                detail={"plan": plan.code, "from": from_month_date.isoformat()},
            )
            return row
    except PackageRefused as refused:
        _refuse(refused, actor=actor, verb="sms.subscribe", subject=subject, now=now)
    except IntegrityError:
        clash = PackageRefused("subscribed", "The meter has a package of this kind in that time.")
        _refuse(clash, actor=actor, verb="sms.subscribe", subject=subject, now=now)
    raise AssertionError("unreachable")


def end_subscription(*, subscription_id: int, end_month_date: dt.date, actor: str, now: dt.datetime) -> None:
    """
    Entry: a package ends before the month `end_month_date`.

    Raises:
        PackageRefused: not_a_month, back_dated (the month that runs is sold), ended. Audited, nothing moved.
    """
    subject = f"subscription:{subscription_id}"
    try:
        with transaction.atomic(durable=True):
            _check_month(end_month_date)
            row = Subscription.objects.select_for_update().get(pk=subscription_id)
            if end_month_date <= package_month(now):
                raise PackageRefused("back_dated", "A package ends with this month or a later one.")
            if row.valid.upper is not None or end_month_date <= row.valid.lower:
                raise PackageRefused("ended", "The package has an end already, or begins later than that.")
            row.valid = (row.valid.lower, end_month_date)
            row.save(update_fields=["valid"])
            audit.record(
                at=now,
                actor=actor,
                verb="sms.end_subscription",
                subject=subject,
                detail={"end": end_month_date.isoformat()},
            )
            return
    except PackageRefused as refused:
        _refuse(refused, actor=actor, verb="sms.end_subscription", subject=subject, now=now)


def _check_month(month: dt.date) -> None:
    if month.day != 1:
        raise PackageRefused("not_a_month", "Packages go by whole months: give the first day of one.")


def _refuse(refused: PackageRefused, *, actor: str, verb: str, subject: str, now: dt.datetime) -> None:
    """One audit line in its own transaction, after the deed's was rolled back; then the refusal itself."""
    with transaction.atomic(durable=True):
        audit.record_refusal(at=now, actor=actor, verb=verb, subject=subject, code=refused.code, reason=str(refused))
    raise refused
