# SPDX-License-Identifier: Apache-2.0
"""Issuing an operator's month: what was computed and looked at becomes rows that nobody edits; a change is a correction."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import astuple

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.people.models import Organisation
from duaarah.sms.models import IssuedInvoice, IssuedLine, IssuedShare
from duaarah.sms.operations.enqueue import package_month
from duaarah.sms.package.statement import Invoice, invoice

REASON_MAX = 400
_INVOICE_LOCK = 0x44554104


class InvoiceRefused(Exception):
    """
    Not issued, nothing moved. `code`: not_over, empty, changed (since it was looked at), same, reason, not_an_operator.
    """

    retryable = False

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def digest_of(made: Invoice) -> str:
    """SHA-256 of lines and shares: the same digest is the same invoice to the rupiah."""
    told = json.dumps([[astuple(x) for x in made.lines], [astuple(x) for x in made.shares]], separators=(",", ":"))
    return hashlib.sha256(told.encode()).hexdigest()


def latest_issued(*, operator_id: int, month_date: dt.date) -> IssuedInvoice | None:
    """The invoice of a month that holds: the last correction, or the first one."""
    rows = IssuedInvoice.objects.filter(operator_id=operator_id, month_date=month_date)
    return rows.select_related("operator", "corrects").order_by("-sequence").first()


def issue_invoice(
    *, operator: Organisation, month_date: dt.date, seen_digest: str, reason: str = "", actor: str, now: dt.datetime
) -> IssuedInvoice:
    """
    Entry: the month's invoice as rows, or its correction when one was issued; a correction says why.

    `seen_digest` is digest_of what the issuer looked at: when a segment was decided since, he looks again.

    Raises:
        InvoiceRefused: one audit line.
    """
    subject = f"operator:{operator.code}"
    try:
        with transaction.atomic(durable=True):
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_INVOICE_LOCK, operator.pk])
            before = latest_issued(operator_id=operator.pk, month_date=month_date)
            made = _checked(operator, month_date, seen_digest, reason, before, now)
            row = _write(operator, month_date, made, reason.strip() if before else "", before, actor, now)
            detail = {"number": row.number, "total_idr": row.total_idr, "corrects": before.number if before else None}
            audit.record(
                at=now, actor=actor, verb="sms.issue_invoice", subject=subject, reason=row.reason, detail=detail
            )
            return row
    except InvoiceRefused as refused:
        with transaction.atomic(durable=True):
            audit.record_refusal(
                at=now, actor=actor, verb="sms.issue_invoice", subject=subject, code=refused.code, reason=str(refused)
            )
        raise


def _checked(
    operator: Organisation,
    month_date: dt.date,
    seen_digest: str,
    reason: str,
    before: IssuedInvoice | None,
    now: dt.datetime,
) -> Invoice:
    if operator.kind != Organisation.Kind.MOBILE_OPERATOR or month_date.day != 1:
        raise InvoiceRefused("not_an_operator", "An invoice is of a mobile operator's whole month.")
    if month_date >= package_month(now):
        raise InvoiceRefused("not_over", "A month is invoiced when it is over.")
    made = invoice(operator_id=operator.pk, month_date=month_date)
    if not made.lines:
        raise InvoiceRefused("empty", "Nothing was sold in this month.")
    if digest_of(made) != seen_digest:
        raise InvoiceRefused("changed", "The month has changed since you looked at it: look again.")
    if before is not None and before.digest == seen_digest:
        raise InvoiceRefused("same", "The invoice that was issued says the same; there is nothing to correct.")
    if before is not None and not 0 < len(reason.strip()) <= REASON_MAX:
        raise InvoiceRefused("reason", "A correction says why, in at most 400 letters.")
    return made


def _write(
    operator: Organisation,
    month_date: dt.date,
    made: Invoice,
    reason: str,
    before: IssuedInvoice | None,
    actor: str,
    now: dt.datetime,
) -> IssuedInvoice:
    sequence = before.sequence + 1 if before else 1
    row = IssuedInvoice.objects.create(
        number=f"{operator.code}-{month_date:%Y%m}-{sequence:02d}",
        operator=operator,
        month_date=month_date,
        sequence=sequence,
        corrects=before,
        reason=reason,
        total_idr=made.total_idr,
        open_sms=made.open_sms,
        digest=digest_of(made),
        issued_by=actor,
        issued_at=now,
    )
    IssuedLine.objects.bulk_create(
        IssuedLine(
            invoice=row,
            terms_id=line.terms_id,
            plan=line.plan,
            of=line.of,
            count=line.count,
            price_idr=line.price_idr,
            amount_idr=line.amount_idr,
        )
        for line in made.lines
    )
    parties = dict(Organisation.objects.values_list("code", "pk"))
    IssuedShare.objects.bulk_create(
        IssuedShare(
            invoice=row,
            terms_id=share.terms_id,
            plan=share.plan,
            of=share.of,
            party_id=parties[share.party],
            parts=share.parts,
            amount_idr=share.amount_idr,
        )
        for share in made.shares
    )
    return row
