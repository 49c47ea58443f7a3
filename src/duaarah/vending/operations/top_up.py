# SPDX-License-Identifier: Apache-2.0
"""
A top-up, crash-safe at every arrow: T1 takes the money and fixes all that decides the token; the token is obtained
outside any transaction; T2 books it and queues its way to the meter. Repeating any part changes nothing.
"""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.db import IntegrityError, connection, transaction
from django.db.models import F

from duaarah.audit import operations as audit
from duaarah.core.tariff import NOMINALS_IDR, QuoteLines, TariffError, quote, terms
from duaarah.headend.models import Command
from duaarah.headend.operations import queue_command
from duaarah.registry.models import Meter, Pairing
from duaarah.sms.models import Priority
from duaarah.vending.models import Channel, LedgerEntry, Payment, Quote, Token, Vend, Wallet
from duaarah.vending.operations.books import (
    ADMIN,
    INSTALMENT,
    PENDING,
    PPJ,
    PPN,
    ROUNDING,
    STAMP,
    STROOM,
    book,
    wallet_account,
)
from duaarah.vending.operations.tids import next_tid
from duaarah.vending.operations.words import tell_digits_one_way, tell_refund
from duaarah.vending.ports import Issued, KeyTerms, Refused, TokenRequest, TokenSource, Unknown

OBTAIN_RETRY_S = 5
OBTAIN_RETRY_S_MAX = 300
_WIB = ZoneInfo("Asia/Jakarta")


class TopUpRefused(Exception):
    """Nothing was bought and no money moved."""

    code = "top_up_refused"


class NominalRefused(TopUpRefused):
    """The nominal is not one that is sold."""

    code = "wrong_nominal"


class WalletTooLow(TopUpRefused):
    """The wallet does not hold the nominal and its admin fee."""

    code = "wallet_too_low"

    def __init__(self, balance_idr: int) -> None:
        super().__init__("The wallet does not hold enough.")
        self.balance_idr = balance_idr


class NoPrice(TopUpRefused):
    """No price can be made for this meter today."""

    code = "no_price"


class ReferenceReused(TopUpRefused):
    """The channel used this reference before for another meter or amount."""

    code = "reference_reused"


@dataclass(frozen=True, kw_only=True)
class TopUpOutcome:
    """What came of it: the vend, its state, and its digits once they exist. `repeated`: it was bought before."""

    vend: Vend
    digits: str | None
    repeated: bool

    def __repr__(self) -> str:
        return f"TopUpOutcome(vend={self.vend.pk}, state={self.vend.state}, repeated={self.repeated})"


def top_up(
    *,
    pairing: Pairing,
    amount_idr: int,
    channel: Channel,
    reference: str,
    token_source: TokenSource,
    now: dt.datetime,
) -> TopUpOutcome:
    """
    Buy credit for a meter from its holder's wallet. A repeated reference returns the same vend and the same digits.

    Raises:
        TopUpRefused: NominalRefused, WalletTooLow, NoPrice, ReferenceReused; nothing moved, an audit line says so.
    """
    vend, repeated = take_payment(pairing=pairing, amount_idr=amount_idr, channel=channel, reference=reference, now=now)
    outcome = obtain_token(vend=vend, token_source=token_source, now=now)
    return TopUpOutcome(vend=outcome.vend, digits=outcome.digits, repeated=repeated)


def take_payment(
    *, pairing: Pairing, amount_idr: int, channel: Channel, reference: str, now: dt.datetime
) -> tuple[Vend, bool]:
    """
    Entry (T1): the payment, its quote, and the vend with its TID, random number and whole key configuration.

    Returns the vend, and whether the reference had bought it before.
    """
    try:
        with transaction.atomic(durable=True):
            earlier = _earlier(channel, reference, pairing.meter, amount_idr)
            if earlier is not None:
                return earlier, True
            lines = _price(pairing.meter, amount_idr, now)
            return _take(pairing, lines, channel, reference, now), False
    except IntegrityError as error:
        # Two deliveries of one request raced; the unique reference let one of them through.
        if "vending_payment_once" not in str(error):
            raise
        return take_payment(pairing=pairing, amount_idr=amount_idr, channel=channel, reference=reference, now=now)
    except TopUpRefused as error:
        _record_refusal(pairing.meter, channel, reference, error, now)
        raise


def _earlier(channel: Channel, reference: str, meter: Meter, amount_idr: int) -> Vend | None:
    vend = (
        Vend.objects.select_related("payment", "token")
        .filter(payment__channel=channel, payment__reference=reference)
        .first()
    )
    if vend is None:
        return None
    if vend.meter_id != meter.pk or vend.payment is None or vend.payment.amount_idr != amount_idr:
        raise ReferenceReused("This reference was used for another purchase.")
    return vend


def _price(meter: Meter, amount_idr: int, now: dt.datetime) -> QuoteLines:
    if amount_idr not in NOMINALS_IDR:
        raise NominalRefused(f"Rp{amount_idr} is not a nominal that is sold.")
    try:
        return quote(
            amount_idr,
            terms(
                group=meter.tariff_group,
                va=meter.contracted_va,
                region=meter.region,
                nominal_idr=amount_idr,
                date=now.astimezone(_WIB).date(),
                admin_idr=0,
            ),
        )
    except TariffError as error:
        raise NoPrice(str(error)) from error


def _take(pairing: Pairing, lines: QuoteLines, channel: Channel, reference: str, now: dt.datetime) -> Vend:
    meter = pairing.meter
    if meter.customer is None:
        raise NoPrice("The meter has no customer.")
    holder = meter.customer.holder
    wallet = Wallet.objects.select_for_update().filter(holder=holder).first()
    total_sen = lines.total_paid_idr * 100
    if wallet is None or wallet.balance_sen < total_sen:
        raise WalletTooLow(wallet.balance_sen // 100 if wallet else 0)
    payment = Payment.objects.create(
        channel=channel,
        reference=reference,
        holder=holder,
        meter=meter,
        amount_idr=lines.nominal_idr,
        admin_idr=lines.admin_idr,
        taken_at=now,
    )
    _keep_quote(payment, meter, lines, now)
    vend = _new_vend(pairing, payment, lines.energy_wh, now)
    Wallet.objects.filter(pk=wallet.pk).update(balance_sen=F("balance_sen") - total_sen)
    book(
        kind=LedgerEntry.Kind.PAYMENT_TAKEN,
        reference=f"paid:{vend.pk}",
        at=now,
        vend_id=vend.pk,
        lines_sen={wallet_account(holder.pk): total_sen, PENDING: -total_sen},
    )
    audit.record(
        at=now,
        actor=f"channel:{channel.code}",
        verb="vending.take_payment",
        subject=f"meter:{meter.pk}",
        correlation=vend.correlation,
        detail={"vend": vend.pk, "amount_idr": lines.nominal_idr, "energy_wh": lines.energy_wh, "tid": vend.tid},
    )
    return vend


def _keep_quote(payment: Payment, meter: Meter, lines: QuoteLines, now: dt.datetime) -> None:
    found = terms(
        group=meter.tariff_group,
        va=meter.contracted_va,
        region=meter.region,
        nominal_idr=lines.nominal_idr,
        date=now.astimezone(_WIB).date(),
        admin_idr=lines.admin_idr,
    )
    Quote.objects.create(
        payment=payment,
        tariff_group=meter.tariff_group,
        rate_idr_per_kwh=lines.rate_idr_per_kwh,
        ppj_rate=found.ppj_rate,
        ppn_rate=found.ppn_rate,
        stamp_sen=lines.stamp_sen,
        instalment_sen=lines.instalment_sen,
        ppj_sen=lines.ppj_sen,
        ppn_sen=lines.ppn_sen,
        stroom_sen=lines.stroom_sen,
        rounding_sen=lines.rounding_sen,
        energy_wh=lines.energy_wh,
    )


def _new_vend(pairing: Pairing, payment: Payment, energy_wh: int, now: dt.datetime) -> Vend:
    meter = pairing.meter
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp() + %s * interval '1 second'", [OBTAIN_RETRY_S])
        obtain_not_before_at = cursor.fetchone()[0]
    return Vend.objects.create(
        request_id=uuid.uuid4(),
        origin=Vend.Origin.OURS,
        payment=payment,
        meter=meter,
        phone=pairing.phone,
        state=Vend.State.PAID,
        correlation=uuid.uuid4(),
        drn=meter.drn,
        pan=meter.pan,
        base_date=meter.base_date,
        tid=next_tid(meter_id=meter.pk, base_date=meter.base_date, ken=meter.ken, now=now),
        rnd=secrets.randbelow(16),
        sts_register=meter.sts_register,
        dkga=meter.dkga,
        ea=meter.ea,
        sgc=meter.sgc,
        ti=meter.ti,
        krn=meter.krn,
        kt=meter.kt,
        ken=meter.ken,
        requested_wh=energy_wh,
        paid_at=now,
        obtain_not_before_at=obtain_not_before_at,
    )


def _record_refusal(meter: Meter, channel: Channel, reference: str, error: TopUpRefused, now: dt.datetime) -> None:
    with transaction.atomic(durable=True):
        audit.record_refusal(
            at=now,
            actor=f"channel:{channel.code}",
            verb="vending.take_payment",
            subject=f"meter:{meter.pk}",
            code=error.code,
            reason=str(error),
            detail={"reference": reference},
        )


def key_terms(vend: Vend) -> KeyTerms:
    """The configuration that was stored with the vend in T1: a key roll in between does not change the digits."""
    return KeyTerms(
        register=vend.sts_register,
        dkga=vend.dkga,
        ea=vend.ea,
        sgc=vend.sgc,
        ti=vend.ti,
        krn=vend.krn,
        kt=vend.kt,
        ken=vend.ken,
        base_date=vend.base_date,
    )


def obtain_token(*, vend: Vend, token_source: TokenSource, now: dt.datetime) -> TopUpOutcome:
    """Obtain the token of a paid vend (no transaction is open here) and record what came of it (T2)."""
    if vend.state != Vend.State.PAID:
        token = Token.objects.filter(vend=vend).first()
        return TopUpOutcome(vend=vend, digits=token.digits if token else None, repeated=True)
    answer = token_source.obtain(
        TokenRequest(
            request_id=vend.request_id,
            pan=vend.pan,
            keys=key_terms(vend),
            tid=vend.tid,
            rnd=vend.rnd,
            energy_wh=vend.requested_wh,
        )
    )
    return record_outcome(vend_id=vend.pk, answer=answer, now=now)


_ASK_AGAIN = """
UPDATE vending_vend SET obtain_attempts = obtain_attempts + 1,
    obtain_not_before_at = clock_timestamp()
        + least(%s, %s * power(2, least(obtain_attempts, 10))) * interval '1 second'
WHERE id = %s
"""


def record_outcome(*, vend_id: int, answer: Issued | Refused | Unknown, now: dt.datetime) -> TopUpOutcome:
    """Entry (T2): token, ledger, command; or the refund; or a later question. A second call changes nothing."""
    with transaction.atomic(durable=True):
        vend = Vend.objects.select_for_update(of=("self",)).select_related("payment").get(pk=vend_id)
        if vend.state == Vend.State.PAID:
            match answer:
                case Issued():
                    _issue(vend, answer, now)
                case Refused():
                    _refund(vend, answer, now)
                case Unknown():
                    with connection.cursor() as cursor:
                        cursor.execute(_ASK_AGAIN, [OBTAIN_RETRY_S_MAX, OBTAIN_RETRY_S, vend.pk])
        token = Token.objects.filter(vend=vend).first()
    return TopUpOutcome(vend=vend, digits=token.digits if token else None, repeated=False)


def _issue(vend: Vend, answer: Issued, now: dt.datetime) -> None:
    Token.objects.create(vend=vend, digits=answer.digits, energy_wh=answer.encoded_wh, created_at=now)
    assert vend.payment is not None  # the constraint vending_payment_iff_ours
    lines = vend.payment.quote
    total_sen = (vend.payment.amount_idr + vend.payment.admin_idr) * 100
    book(
        kind=LedgerEntry.Kind.TOKEN_ISSUED,
        reference=f"issued:{vend.pk}",
        at=now,
        vend_id=vend.pk,
        lines_sen={
            PENDING: total_sen,
            STROOM: -(lines.stroom_sen + lines.rounding_sen),
            ROUNDING: lines.rounding_sen,
            PPJ: -lines.ppj_sen,
            PPN: -lines.ppn_sen,
            STAMP: -lines.stamp_sen,
            INSTALMENT: -lines.instalment_sen,
            ADMIN: -vend.payment.admin_idr * 100,
        },
    )
    vend.state, vend.encoded_wh, vend.issued_at = Vend.State.ISSUED, answer.encoded_wh, now
    send_to_meter(vend, answer.digits, vend.payment.amount_idr, now)
    vend.save(update_fields=["state", "encoded_wh", "issued_at", "command", "digits_sent_at"])
    audit.record(
        at=now,
        actor="vending",
        verb="vending.issue",
        subject=f"meter:{vend.meter_id}",
        correlation=vend.correlation,
        detail={"vend": vend.pk, "tid": vend.tid, "requested_wh": vend.requested_wh, "encoded_wh": answer.encoded_wh},
    )


def send_to_meter(vend: Vend, digits: str, amount_idr: int, now: dt.datetime) -> None:
    """Joining: the token's way to the meter; for a meter that does not talk, its digits to the customer."""
    if Pairing.objects.filter(meter_id=vend.meter_id, valid__contains=now).exists():
        vend.command = queue_command(
            request_id=vend.request_id,
            meter_id=vend.meter_id,
            kind=Command.Kind.LOAD_CREDIT,
            payload={"token": digits},
            priority=Priority.TOKEN,
            correlation=vend.correlation,
            now=now,
        )
    else:
        vend.digits_sent_at = now
        tell_digits_one_way(vend, digits, amount_idr, now)


def _refund(vend: Vend, answer: Refused, now: dt.datetime) -> None:
    assert vend.payment is not None and vend.payment.holder_id is not None
    total_sen = (vend.payment.amount_idr + vend.payment.admin_idr) * 100
    holder_id = vend.payment.holder_id
    book(
        kind=LedgerEntry.Kind.REFUND,
        reference=f"refund:{vend.pk}",
        at=now,
        vend_id=vend.pk,
        lines_sen={PENDING: total_sen, wallet_account(holder_id): -total_sen},
    )
    Wallet.objects.filter(holder_id=holder_id).update(balance_sen=F("balance_sen") + total_sen)
    vend.state, vend.closed_at, vend.result = Vend.State.REFUNDED, now, answer.code[:20]
    vend.save(update_fields=["state", "closed_at", "result"])
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
