# SPDX-License-Identifier: Apache-2.0
"""Inquiries of bills: a non-taglis registration (BP and others), or a postpaid customer's unpaid months."""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass

from django.db import transaction

from duaarah.vending.operations.policy import WIB
from duaarah.vending.operations.ppob import codes
from duaarah.vending.operations.ppob.codes import PPOBRefused
from duaarah.vending.operations.ppob.gate import Gate
from duaarah.vending.operations.top_up import terms_of_channel
from duaarah.vending.ppob_models import PostpaidBill, PPOBInquiry, Registration

BILLS_MAX = 4
ANY_TRANSACTION = "000"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationFound:
    """A registration and the references under which it may be paid, or was. `total_idr` is without the admin fee."""

    registration: Registration
    pln_ref: str
    switcher_ref: str
    total_idr: int
    admin_idr: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PostpaidFound:
    """A customer's oldest unpaid months, at most four. `reference` names the inquiry; `outstanding` counts all unpaid."""

    bills: tuple[PostpaidBill, ...]
    reference: str
    outstanding: int
    admin_idr: int


def inquire_registration(*, gate: Gate, number: str, transaction_code: str, now: dt.datetime) -> RegistrationFound:
    """
    Entry: a registration that waits for its payment.

    Raises:
        PPOBRefused: 0015 no such registration, 0048 expired, 0083 only at the counter, 0088 paid.
    """
    found = Registration.objects.filter(number=number).first()
    if found is None or transaction_code not in (ANY_TRANSACTION, found.transaction_code):
        raise PPOBRefused(codes.NO_BILL, "There is no registration of this number.")
    check_registration(found, now)
    kept = _keep(gate, PPOBInquiry.Product.NONTAGLIS, found.number, found.idpel, sum(found.details_idr), now)
    return registration_found(kept, found)


def registration_found(inquiry: PPOBInquiry, registration: Registration) -> RegistrationFound:
    """An inquiry's answer, also when its payment is repeated."""
    return RegistrationFound(
        registration=registration,
        pln_ref=inquiry.pln_ref,
        switcher_ref=inquiry.switcher_ref,
        total_idr=sum(registration.details_idr),
        admin_idr=inquiry.admin_idr,
    )


def check_registration(row: Registration, now: dt.datetime) -> None:
    """Whether it can be paid now. Raises PPOBRefused."""
    if row.paid_id is not None:
        raise PPOBRefused(codes.PAID_ALREADY, "The registration is paid.")
    if now.astimezone(WIB).date() > row.expires_date:
        raise PPOBRefused(codes.EXPIRED, "The registration has expired.")
    if row.counter_only:
        raise PPOBRefused(codes.COUNTER_ONLY, "The registration is paid at the utility's counter.")


def inquire_postpaid(*, gate: Gate, idpel: str, now: dt.datetime) -> PostpaidFound:
    """
    Entry: a postpaid customer's unpaid months, oldest first.

    Raises:
        PPOBRefused: 0014 an idpel that has no bills, 0088 all are paid.
    """
    bills = list(PostpaidBill.objects.filter(idpel=idpel).order_by("period"))
    if not bills:
        raise PPOBRefused(codes.UNKNOWN_NUMBER, "There is no postpaid customer of this idpel.")
    unpaid = [bill for bill in bills if bill.paid_id is None]
    if not unpaid:
        raise PPOBRefused(codes.PAID_ALREADY, "All bills are paid.")
    shown = tuple(unpaid[:BILLS_MAX])
    kept = _keep(gate, PPOBInquiry.Product.POSTPAID, idpel, idpel, sum(bill.total_idr for bill in shown), now)
    return PostpaidFound(bills=shown, reference=kept.pln_ref, outstanding=len(unpaid), admin_idr=kept.admin_idr)


def _keep(gate: Gate, product: str, number: str, idpel: str, total_idr: int, now: dt.datetime) -> PPOBInquiry:
    with transaction.atomic(durable=True):
        return PPOBInquiry.objects.create(
            pln_ref=fresh_pln_ref(),
            switcher_ref=fresh_switcher_ref(gate, now),
            partner_id=gate.partner_id,
            bank=gate.bank,
            product=product,
            number=number,
            idpel=idpel,
            admin_idr=terms_of_channel(gate.channel, 0, now).admin_idr,
            total_idr=total_idr,
            at=now,
        )


def fresh_pln_ref() -> str:
    """32 characters that nobody had before."""
    return secrets.token_hex(16).upper()


def fresh_switcher_ref(gate: Gate, now: dt.datetime) -> str:
    """32 characters: the partner, the local time, a random number."""
    return f"{gate.partner[:7]:0<7}{now.astimezone(WIB):%Y%m%d%H%M%S}{secrets.randbelow(10**11):011d}"
