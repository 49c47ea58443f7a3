# SPDX-License-Identifier: Apache-2.0
"""
A top-up, crash-safe at every arrow: T1 takes the money and fixes all that decides the token; the token is obtained
outside any transaction; T2 books it and queues its way to the meter. Repeating any part changes nothing.
"""

from __future__ import annotations

import datetime as dt
import logging
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from django.db import IntegrityError, connection, transaction

from duaarah.audit import operations as audit
from duaarah.core.tariff import NOMINALS_IDR, QuoteLines, TariffError, Terms, quote, terms
from duaarah.registry.models import Meter, Pairing
from duaarah.vending.models import Channel, LedgerEntry, Token, Vend, Wallet
from duaarah.vending.operations import arrears, sql
from duaarah.vending.operations.books import COMPENSATION, PENDING, book, deposit_account, wallet_account
from duaarah.vending.operations.configuration import COLUMNS, configuration_of, key_terms
from duaarah.vending.operations.issue import OBTAIN_RETRY_S, TopUpOutcome, record_outcome
from duaarah.vending.operations.policy import WIB
from duaarah.vending.operations.refusals import (
    ChannelLimitPassed,
    DepositTooLow,
    NominalRefused,
    NoPrice,
    ReferenceReused,
    TopUpRefused,
    WalletTooLow,
)
from duaarah.vending.operations.tids import next_tid
from duaarah.vending.ports import TokenRequest, TokenSource

LOG = logging.getLogger(__name__)
_QUOTE_LINES = (
    "nominal_idr",
    "admin_idr",
    "rate_idr_per_kwh",
    "stamp_sen",
    "instalment_sen",
    "ppj_sen",
    "ppn_sen",
    "stroom_sen",
    "rounding_sen",
    "energy_wh",
    "discount_sen",
)


class _KeyWasChanged(Exception):
    """The meter's key configuration is another than the one that was read: nothing was written, try again with it."""


Within = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class OneWay:
    """Who buys for a meter without two-way service: what a pairing would say. `phone` is empty where none is known."""

    meter: Meter
    phone: str = ""


def top_up(
    *,
    pairing: Pairing | OneWay,
    amount_idr: int,
    channel: Channel,
    reference: str,
    token_source: TokenSource,
    now: dt.datetime,
) -> TopUpOutcome:
    """
    Buy credit for a meter, from its holder's wallet or, where the channel has one, from the channel's deposit.

    A repeated reference returns the same vend and the same digits.

    Raises:
        TopUpRefused: NominalRefused, WalletTooLow, DepositTooLow, ChannelLimitPassed, NoPrice, ReferenceReused;
            nothing moved, an audit line says so.
    """
    vend, repeated = take_payment(pairing=pairing, amount_idr=amount_idr, channel=channel, reference=reference, now=now)
    outcome = obtain_token(vend=vend, token_source=token_source, now=now)
    return TopUpOutcome(vend=outcome.vend, digits=outcome.digits, repeated=repeated)


def take_payment(
    *,
    pairing: Pairing | OneWay,
    amount_idr: int,
    channel: Channel,
    reference: str,
    now: dt.datetime,
    within: Within | None = None,
) -> tuple[Vend, bool]:
    """
    Entry (T1): the payment, its quote, and the vend with its TID, random number and whole key configuration.

    Returns the vend, and whether the reference had bought it before. `within` is called in the transaction, with the
    channel's number and the energy in Wh, before money moves: what it locks stays locked, and what it raises ends it.
    """
    try:
        with transaction.atomic(durable=True):
            earlier = _earlier(channel, reference, pairing.meter, amount_idr)
            if earlier is not None:
                return earlier, True
            fees = terms_of_channel(channel, amount_idr, now)
            if channel.kind == Channel.Kind.COMPENSATION:
                found, lines, dues = *_given(pairing.meter, amount_idr, now), []
            else:
                dues = arrears.due(meter=pairing.meter, nominal_idr=amount_idr, date=_wib_date(now), lock=True)
                found, lines = _priced(pairing.meter, amount_idr, now, fees.admin_idr, _sum(dues))
            if within is not None:
                within(channel.pk, lines.energy_wh)
            vend = _take(pairing, found, lines, channel, fees, reference, now)
            arrears.reserve(vend_id=vend.pk, dues=dues)
        LOG.info("vend %d paid: Rp%d by %s", vend.pk, amount_idr, channel.code, extra={"correlation": vend.correlation})
        return vend, False
    except IntegrityError as error:
        # Two deliveries of one request raced; the unique reference let one of them through.
        if "vending_payment_once" not in str(error):
            raise
    except _KeyWasChanged:
        pairing.meter.refresh_from_db(fields=[name for name in COLUMNS if name not in ("drn", "pan")])
    except TopUpRefused as error:
        record_refusal(pairing.meter, channel, reference, error, now)
        raise
    return take_payment(
        pairing=pairing, amount_idr=amount_idr, channel=channel, reference=reference, now=now, within=within
    )


def _earlier(channel: Channel, reference: str, meter: Meter, amount_idr: int) -> Vend | None:
    with connection.cursor() as cursor:
        cursor.execute(sql.EARLIER, [channel.pk, reference])
        found = cursor.fetchone()
    if found is None:
        return None
    vend = Vend.objects.select_related("payment", "token").get(pk=found[0])
    if vend.meter_id != meter.pk or vend.payment is None or vend.payment.amount_idr != amount_idr:
        raise ReferenceReused("This reference was used for another purchase.")
    return vend


def price(meter: Meter, amount_idr: int, now: dt.datetime) -> QuoteLines:
    """What a nominal would buy for a meter now, its instalments taken off; nothing is written. NominalRefused, NoPrice."""
    dues = arrears.due(meter=meter, nominal_idr=amount_idr, date=_wib_date(now), lock=False)
    return _priced(meter, amount_idr, now, 0, _sum(dues))[1]


def _wib_date(now: dt.datetime) -> dt.date:
    return now.astimezone(WIB).date()


def _sum(dues: list[arrears.Due]) -> int:
    return sum(one.amount_idr for one in dues)


@dataclass(frozen=True)
class Fees:
    """Of one day, in whole rupiah; None is no limit."""

    admin_idr: int = 0
    commission_idr: int = 0
    purchase_max_idr: int | None = None
    day_max_idr: int | None = None


def fees_today(channel: Channel, now: dt.datetime) -> Fees:
    """What a channel charges and may sell today; a wallet's channel has no terms, charges nothing and has no limit."""
    if channel.kind != Channel.Kind.DEPOSIT:
        return Fees()
    with connection.cursor() as cursor:
        cursor.execute(sql.CHANNEL_TERMS, {"channel": channel.pk, "day": _wib_date(now)})
        return Fees(*cursor.fetchone())


def terms_of_channel(channel: Channel, amount_idr: int, now: dt.datetime) -> Fees:
    """The same for a sale of this nominal. Raises ChannelLimitPassed."""
    fees = fees_today(channel, now)
    if fees.purchase_max_idr is not None and amount_idr > fees.purchase_max_idr:
        raise ChannelLimitPassed("More than this channel sells at once.")
    return fees


def _priced(
    meter: Meter, amount_idr: int, now: dt.datetime, admin_idr: int, instalment_idr: int
) -> tuple[Terms, QuoteLines]:
    if amount_idr not in NOMINALS_IDR:
        raise NominalRefused(f"Rp{amount_idr} is not a nominal that is sold.")
    try:
        found = _terms(meter, amount_idr, now, admin_idr)
        return found, quote(amount_idr, found, instalment_idr=instalment_idr)
    except TariffError as error:
        raise NoPrice(str(error)) from error


def _given(meter: Meter, amount_idr: int, now: dt.datetime) -> tuple[Terms, QuoteLines]:
    """A compensation as energy: no sale, hence no tax, stamp, admin fee or instalment on it, and any amount."""
    try:
        found = replace(_terms(meter, amount_idr, now, 0), ppj_rate=Decimal(0), ppn_rate=Decimal(0), stamp_idr=0)
        return found, quote(amount_idr, found)
    except TariffError as error:
        raise NoPrice(str(error)) from error


def _terms(meter: Meter, amount_idr: int, now: dt.datetime, admin_idr: int) -> Terms:
    return terms(
        group=meter.tariff_group,
        va=meter.contracted_va,
        region=meter.region,
        nominal_idr=amount_idr,
        date=_wib_date(now),
        admin_idr=admin_idr,
    )


def _take(
    pairing: Pairing | OneWay,
    found: Terms,
    lines: QuoteLines,
    channel: Channel,
    fees: Fees,
    reference: str,
    now: dt.datetime,
) -> Vend:
    meter, total_sen, kind = pairing.meter, lines.total_paid_idr * 100, LedgerEntry.Kind.PAYMENT_TAKEN
    if channel.kind == Channel.Kind.DEPOSIT:
        holder_id, payer = None, deposit_account(channel.pk)
    elif channel.kind == Channel.Kind.COMPENSATION:
        holder_id, payer, kind = None, COMPENSATION, LedgerEntry.Kind.COMPENSATION
    else:
        if meter.customer is None:
            raise NoPrice("The meter has no customer.")
        holder_id = meter.customer.holder_id
        payer = wallet_account(holder_id)
        _debit_wallet(holder_id, total_sen)
    vend = _pay(pairing, holder_id, channel, fees, reference, found, lines, now)
    book(
        kind=kind,
        reference=f"paid:{vend.pk}",
        at=now,
        vend_id=vend.pk,
        lines_sen={payer: total_sen, PENDING: -total_sen},
    )
    audit.record(
        at=now,
        actor=f"channel:{channel.code}",
        verb="vending.take_payment",
        subject=f"meter:{meter.pk}",
        correlation=vend.correlation,
        detail={"vend": vend.pk, "amount_idr": lines.nominal_idr, "energy_wh": lines.energy_wh, "tid": vend.tid},
    )
    if channel.kind == Channel.Kind.DEPOSIT:
        # Last: one row for all purchases of a channel; the next one waits for this commit only.
        debit_channel(channel, total_idr=lines.total_paid_idr, nominal_idr=lines.nominal_idr, fees=fees, now=now)
    return vend


def _debit_wallet(holder_id: int, total_sen: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.DEBIT, {"total": total_sen, "holder": holder_id})
        if cursor.fetchone() is None:
            wallet = Wallet.objects.filter(holder_id=holder_id).first()
            raise WalletTooLow(wallet.balance_sen // 100 if wallet else 0)


def debit_channel(channel: Channel, *, total_idr: int, nominal_idr: int, fees: Fees, now: dt.datetime) -> None:
    """Joining: a sale from the channel's deposit. Raises DepositTooLow, ChannelLimitPassed."""
    values = {"total": total_idr * 100, "nominal": nominal_idr * 100}
    with connection.cursor() as cursor:
        cursor.execute(sql.DEBIT_DEPOSIT, {**values, "channel": channel.pk, "day": _wib_date(now)})
        found = cursor.fetchone()
    if found is None:
        raise DepositTooLow("The channel's deposit does not hold enough.")
    if fees.day_max_idr is not None and found[0] > fees.day_max_idr * 100:
        raise ChannelLimitPassed("More than this channel sells in a day.")


def _pay(
    pairing: Pairing | OneWay,
    holder_id: int | None,
    channel: Channel,
    fees: Fees,
    reference: str,
    found: Terms,
    lines: QuoteLines,
    now: dt.datetime,
) -> Vend:
    """Payment, quote and vend, in one statement; all that decides the 20 digits is in the row before it is used."""
    meter = pairing.meter
    vend = Vend(
        request_id=uuid.uuid4(),
        origin=Vend.Origin.OURS,
        meter=meter,
        phone=pairing.phone,
        state=Vend.State.PAID,
        correlation=uuid.uuid4(),
        **configuration_of(meter),
        tid=next_tid(meter_id=meter.pk, base_date=meter.base_date, ken=meter.ken, now=now),
        rnd=secrets.randbelow(16),
        requested_wh=lines.energy_wh,
        paid_at=now,
    )
    values = {
        **{name: getattr(vend, name) for name in (*COLUMNS, "tid", "rnd", "phone", "correlation")},
        **{name: getattr(lines, name) for name in _QUOTE_LINES},
        "channel": channel.pk,
        "commission": fees.commission_idr,
        "reference": reference,
        "holder": holder_id,
        "meter": meter.pk,
        "now": now,
        "tariff_group": meter.tariff_group,
        "region": meter.region,
        "contracted_va": meter.contracted_va,
        "ppj_rate": found.ppj_rate,
        "ppn_rate": found.ppn_rate,
        "request": vend.request_id,
        "retry_s": OBTAIN_RETRY_S,
    }
    with connection.cursor() as cursor:
        cursor.execute(sql.PAY, values)
        paid = cursor.fetchone()
    if paid is None:
        raise _KeyWasChanged
    vend.pk, vend.payment_id, vend.obtain_not_before_at, vend.waits_for_id = paid
    vend._state.adding, vend._state.db = False, connection.alias
    return vend


def record_refusal(meter: Meter, channel: Channel, reference: str, error: TopUpRefused, now: dt.datetime) -> None:
    """Entry: one audit line."""
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


def obtain_token(*, vend: Vend, token_source: TokenSource, now: dt.datetime) -> TopUpOutcome:
    """Obtain the token of a paid vend (no transaction is open here) and record what came of it (T2)."""
    if vend.state != Vend.State.PAID:
        token = Token.objects.filter(vend=vend).first()
        return TopUpOutcome(vend=vend, digits=token.digits if token else None, repeated=True)
    if vend.waits_for_id is not None:
        # Nobody can say which key the meter has: the end of its key change decides, and the sweeper goes on from there.
        return TopUpOutcome(vend=vend, digits=None, repeated=False)
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
