# SPDX-License-Identifier: Apache-2.0
"""T2: what the token source answered becomes a token on its way, a refund, or a later question."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass

from django.db import connection, models, transaction
from django.db.models import F

from duaarah.audit import operations as audit
from duaarah.headend.models import Command
from duaarah.headend.operations import queue_command
from duaarah.sms.models import Priority
from duaarah.vending.models import Channel, LedgerEntry, Payment, Quote, Token, Vend, Wallet
from duaarah.vending.operations import arrears, sql
from duaarah.vending.operations.books import (
    COMPENSATION,
    PENDING,
    book,
    deposit_account,
    issued_lines_sen,
    wallet_account,
)
from duaarah.vending.operations.offers import Why, offer_again
from duaarah.vending.operations.phones import phone_of_meter
from duaarah.vending.operations.policy import WIB
from duaarah.vending.operations.statement import run
from duaarah.vending.operations.words import tell_digits_one_way, tell_refund
from duaarah.vending.ports import Issued, Refused, Unknown

LOG = logging.getLogger(__name__)
OBTAIN_RETRY_S = 5
OBTAIN_RETRY_S_MAX = 300


@dataclass(frozen=True, kw_only=True)
class TopUpOutcome:
    """What came of it: the vend, its state, and its digits once they exist. `repeated`: it was bought before."""

    vend: Vend
    digits: str | None
    repeated: bool

    def __repr__(self) -> str:
        return f"TopUpOutcome(vend={self.vend.pk}, state={self.vend.state}, repeated={self.repeated})"


def record_outcome(*, vend_id: int, answer: Issued | Refused | Unknown, now: dt.datetime) -> TopUpOutcome:
    """Entry (T2): token, ledger, command; or the refund; or a later question. A second call changes nothing."""
    with transaction.atomic(durable=True):
        vend = _locked(vend_id)
        digits: str | None = None
        if vend.state == Vend.State.PAID:
            match answer:
                case Issued():
                    _issue(vend, answer, now)
                    digits = answer.digits
                case Refused():
                    refund_paid(vend, answer, now)
                case Unknown():
                    with connection.cursor() as cursor:
                        cursor.execute(sql.ASK_AGAIN, [OBTAIN_RETRY_S_MAX, OBTAIN_RETRY_S, vend.pk])
        else:
            digits = Token.objects.filter(vend=vend).values_list("digits", flat=True).first()
    LOG.info("vend %d is %s", vend.pk, vend.state, extra={"correlation": vend.correlation})
    return TopUpOutcome(vend=vend, digits=digits, repeated=False)


def _columns(model: type[models.Model]) -> list[str]:
    return [str(field.column) for field in model._meta.concrete_fields]


_LOCK = f"""
SELECT {", ".join([f"v.{name}" for name in _columns(Vend)])}, {", ".join([f"p.{name}" for name in _columns(Payment)])},
    {", ".join([f"q.{name}" for name in _columns(Quote)])}
FROM vending_vend v LEFT JOIN vending_payment p ON p.id = v.payment_id LEFT JOIN vending_quote q ON q.payment_id = p.id
WHERE v.id = %s FOR UPDATE OF v
"""


def _locked(vend_id: int) -> Vend:
    """The vend under its lock, with its payment and quote: what the ORM would give, from a prepared statement."""
    row = run(_LOCK, [vend_id])
    if row is None:
        raise Vend.DoesNotExist
    first, second = len(_columns(Vend)), len(_columns(Vend)) + len(_columns(Payment))
    vend = Vend.from_db("default", _attributes(Vend), row[:first])
    if vend.payment_id is not None:
        vend.payment = Payment.from_db("default", _attributes(Payment), row[first:second])
        quote = Quote.from_db("default", _attributes(Quote), row[second:])
        quote.payment = vend.payment
    return vend


def _attributes(model: type[models.Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


def _issue(vend: Vend, answer: Issued, now: dt.datetime) -> None:
    run(sql.TOKEN, [vend.pk, answer.digits, answer.encoded_wh, now])
    assert vend.payment is not None  # the constraint vending_payment_iff_ours
    lines = vend.payment.quote
    total_sen = (vend.payment.amount_idr + vend.payment.admin_idr) * 100
    if lines.instalment_sen:
        arrears.collect(vend_id=vend.pk)
    book(
        kind=LedgerEntry.Kind.TOKEN_ISSUED,
        reference=f"issued:{vend.pk}",
        at=now,
        vend_id=vend.pk,
        lines_sen=issued_lines_sen(
            lines,
            total_sen=total_sen,
            admin_idr=vend.payment.admin_idr,
            commission_idr=vend.payment.commission_idr,
            channel_id=vend.payment.channel_id,
        ),
    )
    vend.state, vend.encoded_wh, vend.issued_at = Vend.State.ISSUED, answer.encoded_wh, now
    send_to_meter(vend, answer.digits, vend.payment.amount_idr, now)
    run(sql.ISSUED, [answer.encoded_wh, now, vend.command_id, vend.digits_sent_at, vend.pk])
    audit.record(
        at=now,
        actor="vending",
        verb="vending.issue",
        subject=f"meter:{vend.meter_id}",
        correlation=vend.correlation,
        detail={"vend": vend.pk, "tid": vend.tid, "requested_wh": vend.requested_wh, "encoded_wh": answer.encoded_wh},
    )


def send_to_meter(vend: Vend, digits: str, amount_idr: int, now: dt.datetime) -> None:
    """
    Joining: the token's way to the meter; for a meter that does not talk, its digits to the customer.

    An older token that the meter never answered goes first. Where no phone is known, nobody is told: an operator sees it.
    """
    paired = run(sql.PAIRED, [vend.meter_id, now])
    assert paired is not None  # it selects one truth value
    if paired[0]:
        offer_again(meter_id=vend.meter_id, why=Why.BOUGHT, now=now, but=vend.pk)
        vend.command_id = queue_command(
            request_id=vend.request_id,
            meter_id=vend.meter_id,
            kind=Command.Kind.LOAD_CREDIT,
            payload={"token": digits},
            priority=Priority.TOKEN,
            correlation=vend.correlation,
            now=now,
        )
        return
    if not vend.phone:
        vend.phone = phone_of_meter(meter_id=vend.meter_id, now=now)
        Vend.objects.filter(pk=vend.pk).update(phone=vend.phone)
    if vend.phone:
        vend.digits_sent_at = now
        tell_digits_one_way(vend, digits, amount_idr, now)


def pay_back(payment: Payment, amount_sen: int) -> str:
    """Joining: money returns to where it came from (wallet, deposit, or nobody's purse); the account's code to book."""
    if payment.holder_id is not None:
        Wallet.objects.filter(holder_id=payment.holder_id).update(balance_sen=F("balance_sen") + amount_sen)
        return wallet_account(payment.holder_id)
    if payment.channel.kind == Channel.Kind.COMPENSATION:
        return COMPENSATION
    with connection.cursor() as cursor:
        cursor.execute(
            sql.CREDIT_DEPOSIT,
            {
                "total": amount_sen,
                "nominal": payment.amount_idr * 100,
                "day": payment.taken_at.astimezone(WIB).date(),
                "channel": payment.channel_id,
            },
        )
    return deposit_account(payment.channel_id)


def refund_paid(vend: Vend, answer: Refused, now: dt.datetime) -> None:
    """Joining: a locked vend that is PAID gets no token; its money goes back, and its customer is told."""
    assert vend.payment is not None
    total_sen = (vend.payment.amount_idr + vend.payment.admin_idr) * 100
    # Before the wallet's row, as T1 takes them.
    arrears.release(vend_id=vend.pk)
    book(
        kind=LedgerEntry.Kind.REFUND,
        reference=f"refund:{vend.pk}",
        at=now,
        vend_id=vend.pk,
        lines_sen={PENDING: total_sen, pay_back(vend.payment, total_sen): -total_sen},
    )
    vend.state, vend.closed_at, vend.result = Vend.State.REFUNDED, now, answer.code[:20]
    vend.save(update_fields=["state", "closed_at", "result"])
    if vend.payment.holder_id is not None:
        # Where a channel's deposit or PLN paid, nothing is back in the customer's wallet: the seller tells him.
        tell_refund(vend, vend.payment.amount_idr, now)
    audit.record_refusal(
        at=now,
        actor="vending",
        verb="vending.issue",
        subject=f"meter:{vend.meter_id}",
        code=answer.code,
        reason=answer.message,
        correlation=vend.correlation,
        detail={"vend": vend.pk},
    )
