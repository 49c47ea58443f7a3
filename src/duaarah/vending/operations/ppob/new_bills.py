# SPDX-License-Identifier: Apache-2.0
"""Bills that banks may collect: each is entered once, by its number."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction

from duaarah.audit import operations as audit
from duaarah.vending.ppob_models import PostpaidBill, Registration

NUMBER_DIGITS, IDPEL_DIGITS, PERIOD_DIGITS, READS = 13, 12, 6, 6


class BillRefused(Exception):
    """The bill was not entered, in a sentence; one audit line."""

    code = "bill_refused"
    retryable = False


def new_registration(
    *, number: str, kind: str, details_idr: Sequence[int], actor: str, now: dt.datetime, **said: Any
) -> Registration:
    """
    Entry: a non-taglis bill under its registration number of 13 digits; `said` are Registration's other fields.

    Raises:
        BillRefused: a number that is not 13 digits or known, or no positive amount.
    """
    if not _digits(number, NUMBER_DIGITS):
        raise _refused(f"registration:{number}", f"A registration number has {NUMBER_DIGITS} digits.", actor, now)
    if not details_idr or min(details_idr) <= 0:
        raise _refused(f"registration:{number}", "A bill has positive amounts.", actor, now)
    try:
        with transaction.atomic(durable=True):
            row = Registration.objects.create(number=number, kind=kind, details_idr=list(details_idr), **said)
            _record(f"registration:{number}", sum(details_idr), actor, now)
        return row
    except IntegrityError:
        raise _refused(f"registration:{number}", "This number is registered already.", actor, now) from None


def new_postpaid_bill(
    *, idpel: str, period: str, reads: Sequence[int], actor: str, now: dt.datetime, **said: Any
) -> PostpaidBill:
    """
    Entry: one month (YYYYMM) of a postpaid customer; `said` are PostpaidBill's other fields.

    Raises:
        BillRefused: no idpel, no month, not six reads, nothing to pay, or a month that is known.
    """
    subject = f"postpaid:{idpel}:{period}"
    if not _digits(idpel, IDPEL_DIGITS) or not _digits(period, PERIOD_DIGITS) or not "01" <= period[4:] <= "12":
        raise _refused(subject, "A bill has an idpel of 12 digits and a month YYYYMM.", actor, now)
    row = PostpaidBill(idpel=idpel, period=period, reads=list(reads), **said)
    if len(reads) != READS or row.total_idr <= 0:
        raise _refused(subject, "A bill has three pairs of reads and something to pay.", actor, now)
    try:
        with transaction.atomic(durable=True):
            row.save(force_insert=True)
            _record(subject, row.total_idr, actor, now)
        return row
    except IntegrityError:
        raise _refused(subject, "This month is billed already.", actor, now) from None


def _digits(text: str, count: int) -> bool:
    return len(text) == count and text.isascii() and text.isdigit()


def _record(subject: str, total_idr: int, actor: str, now: dt.datetime) -> None:
    audit.record(at=now, actor=actor, verb="vending.new_bill", subject=subject, detail={"total_idr": total_idr})


def _refused(subject: str, reason: str, actor: str, now: dt.datetime) -> BillRefused:
    error = BillRefused(reason)
    with transaction.atomic(durable=True):
        audit.record_refusal(
            at=now, actor=actor, verb="vending.new_bill", subject=subject, code=error.code, reason=reason
        )
    return error
