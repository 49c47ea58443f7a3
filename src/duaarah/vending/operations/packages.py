# SPDX-License-Identifier: Apache-2.0
"""
SMS packages in the books of the data operator and of the mobile operator, never in PLN's.

An issued invoice is one entry in the data operator's books (receivable, own revenue, what is payable to the others) and
one in the books of each other party (its receivable). A correction books the difference to what it corrects.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from typing import Any

from django.db import transaction

from duaarah.audit import operations as audit
from duaarah.people.models import Organisation
from duaarah.sms.models import IssuedInvoice
from duaarah.vending.models import LedgerEntry
from duaarah.vending.operations.accounts import AmountTooHigh, locked_balance_sen
from duaarah.vending.operations.books import book, of_book

BATCH_MAX = 200


def receivable_account(book_code: str, of_code: str) -> str:
    """What `of_code` owes to the entity whose books these are."""
    return of_book(book_code, f"receivable:{of_code}")


def payable_account(book_code: str, to_code: str) -> str:
    """What the entity whose books these are owes to `to_code`."""
    return of_book(book_code, f"payable:{to_code}")


def book_invoices(*, now: dt.datetime) -> int:
    """Book the issued invoices that are not in the books yet, in their order; returns how many were booked."""
    booked = LedgerEntry.objects.filter(kind=LedgerEntry.Kind.INVOICE, reference__startswith="invoice:")
    known = {reference.split(":")[1] for reference in booked.values_list("reference", flat=True)}
    waiting = IssuedInvoice.objects.order_by("pk").values_list("pk", "number")
    ids = [pk for pk, number in waiting if number not in known][:BATCH_MAX]
    return sum(book_invoice(invoice_id=pk, now=now) for pk in ids)


def book_invoice(*, invoice_id: int, now: dt.datetime) -> bool:
    """Entry: one issued invoice into the books of all its parties, once; returns whether it was booked now."""
    with transaction.atomic(durable=True):
        # The row's lock makes two bookers one: the second finds the entry. The invoice itself is never changed.
        invoice = IssuedInvoice.objects.select_for_update(of=("self",)).select_related("operator").get(pk=invoice_id)
        issuer = _issuer(invoice)
        if LedgerEntry.objects.filter(reference=f"invoice:{invoice.number}:{issuer.code}").exists():
            return False
        parts_sen = _parts_sen(invoice, 1)
        if invoice.corrects is not None:
            parts_sen.update(_parts_sen(invoice.corrects, -1))
        said: dict[str, Any] = {"kind": LedgerEntry.Kind.INVOICE, "at": now, "vend_id": None}
        lines = {receivable_account(issuer.code, invoice.operator.code): sum(parts_sen.values())}
        for party in sorted(parts_sen):
            if party == issuer.code:
                lines[of_book(issuer.code, "revenue")] = -parts_sen[party]
            else:
                lines[payable_account(issuer.code, party)] = -parts_sen[party]
        if any(lines.values()):
            book(reference=f"invoice:{invoice.number}:{issuer.code}", lines_sen=lines, entity=issuer.code, **said)
        for party in _other_books(parts_sen, issuer):
            own = {
                receivable_account(party, issuer.code): parts_sen[party],
                of_book(party, "revenue"): -parts_sen[party],
            }
            if parts_sen[party]:
                book(reference=f"invoice:{invoice.number}:{party}", lines_sen=own, entity=party, **said)
        moved = any(lines.values())
        if moved:
            detail = {"number": invoice.number, "parts_sen": dict(sorted(parts_sen.items()))}
            audit.record(at=now, actor="ledger", verb="vending.book_invoice", subject=invoice.number, detail=detail)
        return moved


def _issuer(invoice: IssuedInvoice) -> Organisation:
    """The data operator whose package it is, by its lines."""
    line = invoice.lines.select_related("terms__plan__data_operator").order_by("pk").first()
    assert line is not None  # an invoice without lines is never issued
    return line.terms.plan.data_operator


def _parts_sen(invoice: IssuedInvoice, sign: int) -> Counter[str]:
    parts: Counter[str] = Counter()
    for code, amount_idr in invoice.shares.values_list("party__code", "amount_idr"):
        parts[code] += sign * amount_idr * 100
    return parts


def _other_books(parts_sen: Counter[str], issuer: Organisation) -> list[str]:
    """The parties that get books of their own here: not the issuer, and never PLN."""
    others = Organisation.objects.filter(code__in=parts_sen).exclude(pk=issuer.pk)
    return sorted(others.exclude(kind=Organisation.Kind.UTILITY).values_list("code", flat=True))


def receive_invoice_payment(
    *, data_operator: Organisation, payer: Organisation, amount_idr: int, reference: str, actor: str, now: dt.datetime
) -> bool:
    """
    Entry: who was invoiced has paid the data operator, once a reference; returns whether it was booked now.

    Raises:
        ValueError: an amount of zero or less.
        AmountTooHigh: more than is owed; one audit line.
    """
    receivable = receivable_account(data_operator.code, payer.code)
    lines = {of_book(data_operator.code, "cash"): amount_idr * 100, receivable: -amount_idr * 100}
    return _pay(
        kind=LedgerEntry.Kind.INVOICE_PAID,
        owed=receivable,
        sign=1,
        amount_idr=amount_idr,
        deeds={data_operator.code: lines},
        reference=reference,
        actor=actor,
        now=now,
    )


def pay_share(
    *, data_operator: Organisation, party: Organisation, amount_idr: int, reference: str, actor: str, now: dt.datetime
) -> bool:
    """
    Entry: the data operator pays a party its share; an entry in both books. Raises ValueError, AmountTooHigh as above.
    """
    payable = payable_account(data_operator.code, party.code)
    deeds = {data_operator.code: {payable: amount_idr * 100, of_book(data_operator.code, "cash"): -amount_idr * 100}}
    if party.kind != Organisation.Kind.UTILITY:
        receivable = receivable_account(party.code, data_operator.code)
        deeds[party.code] = {of_book(party.code, "cash"): amount_idr * 100, receivable: -amount_idr * 100}
    return _pay(
        kind=LedgerEntry.Kind.SHARE_PAID,
        owed=payable,
        sign=-1,
        amount_idr=amount_idr,
        deeds=deeds,
        reference=reference,
        actor=actor,
        now=now,
    )


def _pay(
    *,
    kind: str,
    owed: str,
    sign: int,
    amount_idr: int,
    deeds: dict[str, dict[str, int]],
    reference: str,
    actor: str,
    now: dt.datetime,
) -> bool:
    """`owed` is the account that the payment settles; `sign` is 1 for a receivable, -1 for what is payable."""
    if amount_idr <= 0:
        raise ValueError("A payment is a positive amount.")
    said: dict[str, Any] = {"at": now, "actor": actor, "verb": f"vending.{kind.lower()}", "subject": owed}
    detail = {"amount_idr": amount_idr, "reference": reference}
    try:
        with transaction.atomic(durable=True):
            owed_sen = sign * locked_balance_sen(owed)
            deed = hashlib.sha256(f"{owed}\0{reference}".encode()).hexdigest()[:32]
            names = {code: f"{kind.lower()}:{deed}:{code}" for code in deeds}
            if LedgerEntry.objects.filter(reference__in=names.values()).exists():
                return False
            if amount_idr * 100 > owed_sen:
                raise AmountTooHigh("More than is owed.")
            for code, lines in sorted(deeds.items()):
                book(kind=kind, reference=names[code], at=now, vend_id=None, lines_sen=lines, entity=code)
            audit.record(**said, detail=detail)
            return True
    except AmountTooHigh as error:
        with transaction.atomic(durable=True):
            audit.record_refusal(**said, code=error.code, reason=str(error), detail=detail)
        raise
