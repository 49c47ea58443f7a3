# SPDX-License-Identifier: Apache-2.0
"""
Payment of bills, and its reversal. Both meet at the inquiry's locked row, whatever comes first, twice or late.

A reversal that finds no payment voids the reference, so that a payment that arrives after it is refused. A reversal is new
lines in the books, and the bill can be paid again under a new inquiry.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import transaction

from duaarah.audit import operations as audit
from duaarah.vending.ledger_models import SettledEntry
from duaarah.vending.models import LedgerEntry
from duaarah.vending.operations.books import CONNECTION_FEE, POSTPAID
from duaarah.vending.operations.corrections import reverse_entry
from duaarah.vending.operations.fees import book_connection_fee
from duaarah.vending.operations.ppob import codes
from duaarah.vending.operations.ppob.bill_inquiry import (
    BILLS_MAX,
    RegistrationFound,
    check_registration,
    registration_found,
)
from duaarah.vending.operations.ppob.codes import PPOBRefused
from duaarah.vending.operations.ppob.gate import Gate, check_cut_off
from duaarah.vending.operations.top_up import ChannelLimitPassed, DepositTooLow, terms_of_channel
from duaarah.vending.ppob_models import BillPayment, PostpaidBill, PPOBInquiry, Registration

REFERENCE = "ppob:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What names a request: trace (field 11), local time (12) and bank (32), as they were sent."""

    trace: str
    sent: str
    bank: str


def pay_registration(
    *, gate: Gate, pln_ref: str, switcher_ref: str, number: str, amount_idr: int, said: Said, now: dt.datetime
) -> RegistrationFound:
    """
    Entry: a registration's whole bill from the channel's deposit, once a PLN reference.

    Raises:
        PPOBRefused: 0098, 0092, 0097 as a purchase; 0013 another amount; 0046; 0048; 0083; 0088; 0094 reversed.
            Nothing moved.
    """

    def pay(inquiry: PPOBInquiry) -> None:
        row = Registration.objects.select_for_update().get(number=inquiry.number)
        check_registration(row, now)
        if not amount_idr == sum(row.details_idr) == inquiry.total_idr:
            raise PPOBRefused(codes.NOT_REGISTERED, "The amount is another than the bill's.")
        row.paid = _take(gate, inquiry, amount_idr, inquiry.admin_idr, said, now)
        row.save(update_fields=["paid"])

    with transaction.atomic(durable=True):
        inquiry = _locked(gate, PPOBInquiry.Product.NONTAGLIS, pln_ref, number)
        if inquiry.switcher_ref != switcher_ref:
            raise PPOBRefused(codes.WRONG_REFERENCE, "The switcher's reference is another than the inquiry's.")
        _once(gate, inquiry, amount_idr, pay, now)
        return registration_found(inquiry, Registration.objects.get(number=number))


def pay_postpaid(
    *, gate: Gate, reference: str, idpel: str, periods: Sequence[str], amount_idr: int, said: Said, now: dt.datetime
) -> None:
    """
    Entry: months that were shown, oldest first and none left out, once a reference.

    Raises:
        PPOBRefused: as pay_registration; 0013 also for months out of order. Nothing moved.
    """

    def pay(inquiry: PPOBInquiry) -> None:
        unpaid = PostpaidBill.objects.select_for_update().filter(idpel=idpel, paid=None).order_by("period")[:BILLS_MAX]
        chosen = list(unpaid)[: len(periods)]
        if not set(periods) <= {bill.period for bill in unpaid}:
            raise PPOBRefused(codes.PAID_ALREADY, "One of these months is paid, or was never billed.")
        if not periods or [bill.period for bill in chosen] != list(periods):
            raise PPOBRefused(codes.NOT_REGISTERED, "The oldest month is paid first, and none is left out.")
        if sum(bill.total_idr for bill in chosen) != amount_idr:
            raise PPOBRefused(codes.NOT_REGISTERED, "The amount is another than the bills'.")
        payment = _take(gate, inquiry, amount_idr, inquiry.admin_idr * len(chosen), said, now)
        PostpaidBill.objects.filter(pk__in=[bill.pk for bill in chosen]).update(paid=payment)

    with transaction.atomic(durable=True):
        inquiry = _locked(gate, PPOBInquiry.Product.POSTPAID, reference, idpel)
        _once(gate, inquiry, amount_idr, pay, now)


def reverse(
    *, gate: Gate, product: str, pln_ref: str, number: str, original: Said, amount_idr: int, now: dt.datetime
) -> None:
    """
    Entry: take a payment of bills back; `original` is what field 56 says of it.

    Raises:
        PPOBRefused: 0012 settled already: the payment stands; 0094 reversed before; 0063 nothing was paid, and nothing
            will be; 0092 field 56 names another payment; 0097 another amount; 0030 a prepaid purchase: only an advice
            can say what became of it.
    """
    if product == PPOBInquiry.Product.PREPAID:
        # Its payment is not in this table: what is looked for below would be missing, and the bank told to refund.
        raise PPOBRefused(codes.BAD_MESSAGE, "A prepaid purchase has no reversal.")
    refusal: PPOBRefused | None = None
    with transaction.atomic(durable=True):
        inquiry = _locked(gate, product, pln_ref, number)
        payment = BillPayment.objects.filter(inquiry=inquiry).first()
        if payment is None:
            _void(gate, inquiry, now)
            # Not raised here: what voids the reference is to be committed.
            refusal = PPOBRefused(codes.NO_SUCH_PAYMENT, "Nothing was paid under this reference, and nothing will be.")
        else:
            _reverse(gate, inquiry, payment, original, amount_idr, now)
    if refusal is not None:
        raise refusal


def _locked(gate: Gate, product: str, pln_ref: str, number: str) -> PPOBInquiry:
    inquiry = PPOBInquiry.objects.select_for_update().filter(pln_ref=pln_ref, product=product).first()
    if inquiry is None or inquiry.partner_id != gate.partner_id:
        raise PPOBRefused(codes.PLN_REF_INVALID, "No inquiry of this partner has this PLN reference.")
    if (inquiry.number, inquiry.bank) != (number, gate.bank):
        raise PPOBRefused(codes.DIFFERENT, "Number or bank is another than the inquiry's.")
    return inquiry


def _once(
    gate: Gate, inquiry: PPOBInquiry, amount_idr: int, pay: Callable[[PPOBInquiry], None], now: dt.datetime
) -> None:
    """The first payment under this reference; the same again changes nothing."""
    before = BillPayment.objects.filter(inquiry=inquiry).first()
    if before is not None:
        if before.reversed_at is not None:
            raise PPOBRefused(codes.REVERSED, "This payment was reversed.")
        if before.amount_idr != amount_idr:
            raise PPOBRefused(codes.DIFFERENT, "This reference paid another amount.")
        return
    check_cut_off(gate.cut_off)
    if inquiry.voided_at is not None:
        raise PPOBRefused(codes.REVERSED, "This payment was reversed before it came.")
    if (now - inquiry.at).total_seconds() > gate.inquiry_valid_s:
        raise PPOBRefused(codes.PLN_REF_INVALID, "This reference can no longer be paid: inquire again.")
    pay(inquiry)


def _take(
    gate: Gate, inquiry: PPOBInquiry, amount_idr: int, admin_idr: int, said: Said, now: dt.datetime
) -> BillPayment:
    bp = inquiry.product == PPOBInquiry.Product.NONTAGLIS
    commission_idr = min(terms_of_channel(gate.channel, 0, now).commission_idr, admin_idr)
    payment = BillPayment.objects.create(
        inquiry=inquiry,
        channel=gate.channel,
        amount_idr=amount_idr,
        admin_idr=admin_idr,
        commission_idr=commission_idr,
        trace=said.trace,
        sent=said.sent,
        bank=said.bank,
        paid_at=now,
    )
    audit.record(
        at=now,
        actor=f"channel:{gate.channel.code}",
        verb="vending.pay_bill",
        subject=f"bill:{inquiry.product}:{inquiry.number}",
        detail={"amount_idr": amount_idr, "admin_idr": admin_idr, "reference": inquiry.pln_ref},
    )
    try:
        # Last: the channel's one row is locked here.
        book_connection_fee(
            channel=gate.channel,
            amount_idr=amount_idr,
            admin_idr=admin_idr,
            commission_idr=commission_idr,
            reference=REFERENCE + inquiry.pln_ref,
            now=now,
            account=CONNECTION_FEE if bp else POSTPAID,
            kind=LedgerEntry.Kind.CONNECTION_FEE if bp else LedgerEntry.Kind.BILL_PAID,
        )
    except DepositTooLow as error:
        raise PPOBRefused(codes.DEPOSIT_EMPTY, str(error)) from error
    except ChannelLimitPassed as error:
        raise PPOBRefused(codes.ABOVE_MAXIMUM, str(error)) from error
    return payment


def _reverse(
    gate: Gate, inquiry: PPOBInquiry, payment: BillPayment, original: Said, amount_idr: int, now: dt.datetime
) -> None:
    if original != Said(trace=payment.trace, sent=payment.sent, bank=payment.bank):
        raise PPOBRefused(codes.WRONG_REFERENCE, "Field 56 names another payment.")
    if payment.amount_idr != amount_idr:
        raise PPOBRefused(codes.DIFFERENT, "The amount is another than the payment's.")
    if payment.reversed_at is not None:
        raise PPOBRefused(codes.REVERSED, "This payment was reversed before.")
    entry = LedgerEntry.objects.get(reference=f"fee:{payment.channel_id}:{REFERENCE}{inquiry.pln_ref}")
    if SettledEntry.objects.filter(entry=entry).exists():
        raise PPOBRefused(codes.SETTLED_ALREADY, "The payment is settled: it stands.")
    reverse_entry(entry_id=entry.pk, now=now)
    payment.registrations.update(paid=None)
    payment.bills.update(paid=None)
    payment.reversed_at = now
    payment.save(update_fields=["reversed_at"])
    audit.record(
        at=now,
        actor=f"channel:{gate.channel.code}",
        verb="vending.reverse_bill",
        subject=f"bill:{inquiry.product}:{inquiry.number}",
        detail={"amount_idr": payment.amount_idr, "reference": inquiry.pln_ref},
    )


def _void(gate: Gate, inquiry: PPOBInquiry, now: dt.datetime) -> None:
    if inquiry.voided_at is None:
        inquiry.voided_at = now
        inquiry.save(update_fields=["voided_at"])
        audit.record(
            at=now,
            actor=f"channel:{gate.channel.code}",
            verb="vending.ppob_void",
            subject=f"inquiry:{inquiry.pln_ref}",
        )
