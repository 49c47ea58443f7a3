# SPDX-License-Identifier: Apache-2.0
"""
Purchase and advice. A PLN reference names one purchase: said twice it is the same one, with the same 20 digits.

An advice that is told "no such payment" voids its reference under a lock that the purchase takes too: whoever gave the
money back because of that answer cannot be charged by a purchase that arrives late.
"""

from __future__ import annotations

import datetime as dt

from django.db import IntegrityError, connection, transaction

from duaarah.audit import operations as audit
from duaarah.core.tariff import NOMINALS_IDR
from duaarah.vending.models import Vend
from duaarah.vending.operations.ppob import codes
from duaarah.vending.operations.ppob.codes import PPOBRefused
from duaarah.vending.operations.ppob.gate import Gate, check_cut_off
from duaarah.vending.operations.ppob.inquiry import cap_wh, month_begin
from duaarah.vending.operations.ppob.sale import Named, Receipt, Sale, load
from duaarah.vending.operations.ppob.unsold import sell_unsold
from duaarah.vending.operations.statement import run
from duaarah.vending.operations.top_up import (
    ChannelLimitPassed,
    DepositTooLow,
    NominalRefused,
    OneWay,
    ReferenceReused,
    TopUpRefused,
    obtain_token,
    take_payment,
)
from duaarah.vending.ports import TokenSource

NEW_TOKEN, UNSOLD_TOKEN = "0", "1"
RACES_MAX = 3


class MonthCapPassed(TopUpRefused):
    """More energy than the connection may buy in a month."""

    code = "month_cap"


class InquiryVoid(TopUpRefused):
    """Nothing may be bought under this reference any more."""

    code = "inquiry_void"


class _PaidMeanwhile(Exception):
    """Another delivery of the same purchase took the money: look again."""


_RESPONSES: dict[type[TopUpRefused], str] = {
    NominalRefused: codes.NOT_REGISTERED,
    DepositTooLow: codes.DEPOSIT_EMPTY,
    ChannelLimitPassed: codes.ABOVE_MAXIMUM,
    ReferenceReused: codes.DIFFERENT,
    MonthCapPassed: codes.MONTH_CAP,
    InquiryVoid: codes.PLN_REF_INVALID,
}


def purchase(
    *,
    gate: Gate,
    named: Named,
    amount_idr: int,
    admin_idr: int,
    option: str,
    token_source: TokenSource,
    now: dt.datetime,
) -> Receipt:
    """
    Buy a token for what was inquired: take_payment and obtain_token of a top-up, under `ppob:<PLN reference>`.

    Raises:
        PPOBRefused: 0068 the money is held and nobody can say yet (the advice will); anything else: nothing moved, or
            (0063) it went back.
    """
    for _ in range(RACES_MAX):
        sale = load(gate=gate, named=named, now=now)
        if sale.payment_id is not None:
            _check_same(sale, amount_idr, option)
            return _outcome(sale, token_source, now)
        _check_new(sale, gate, amount_idr, admin_idr, now)
        try:
            if option == UNSOLD_TOKEN:
                sell_unsold(sale=sale, gate=gate, amount_idr=amount_idr, within=_Within(sale, now), now=now)
                return load(gate=gate, named=named, now=now).receipt()
            vend, _ = take_payment(
                pairing=OneWay(meter=sale.meter, phone=sale.phone),
                amount_idr=amount_idr,
                channel=gate.channel,
                reference=sale.reference,
                within=_Within(sale, now),
                now=now,
            )
        except _PaidMeanwhile:
            continue
        except IntegrityError as error:
            if "vending_payment_once" not in str(error):
                raise
            continue
        except TopUpRefused as error:
            raise PPOBRefused(_RESPONSES.get(type(error), codes.OTHER), str(error), recorded=True) from error
        return _obtained(sale, vend, token_source, now)
    raise PPOBRefused(codes.TIMEOUT, "The same purchase is being made at this moment.")


def advise(
    *,
    gate: Gate,
    named: Named,
    amount_idr: int,
    token_source: TokenSource,
    now: dt.datetime,
) -> Receipt:
    """
    Did my purchase happen? Then the same token; a purchase without its token is asked for again.

    Raises:
        PPOBRefused: 0063 no such payment, or it went back: refund; 0098 no such reference: refund; 0068 and every
            other code: still pending.
    """
    sale = load(gate=gate, named=named, now=now)
    if sale.payment_id is None and _void(sale, gate, now):
        raise PPOBRefused(codes.NO_SUCH_PAYMENT, "Nothing was paid under this reference, and nothing will be.")
    if sale.payment_id is None:
        raise PPOBRefused(codes.TIMEOUT, "The purchase is being made at this moment.")
    if sale.amount_idr != amount_idr:
        raise PPOBRefused(codes.DIFFERENT, "The amount is another than the purchase's.")
    return _outcome(sale, token_source, now)


def _check_same(sale: Sale, amount_idr: int, option: str) -> None:
    if sale.amount_idr != amount_idr or sale.resold != (option == UNSOLD_TOKEN):
        raise PPOBRefused(codes.DIFFERENT, "This reference bought something else.")


def _check_new(sale: Sale, gate: Gate, amount_idr: int, admin_idr: int, now: dt.datetime) -> None:
    check_cut_off(gate.cut_off)
    if sale.voided or (now - sale.at).total_seconds() > gate.inquiry_valid_s:
        raise PPOBRefused(codes.PLN_REF_INVALID, "This reference can no longer be paid: inquire again.")
    if admin_idr != sale.admin_idr:
        raise PPOBRefused(codes.WRONG_ADMIN, "The admin charge is another than the inquiry's.")
    if amount_idr < NOMINALS_IDR[0]:
        raise PPOBRefused(codes.BELOW_MINIMUM, "Below the smallest nominal.")
    if amount_idr > NOMINALS_IDR[-1]:
        raise PPOBRefused(codes.ABOVE_MAXIMUM, "Above the largest nominal.")
    if amount_idr not in NOMINALS_IDR:
        raise PPOBRefused(codes.NOT_REGISTERED, "No such nominal is sold.")


def _outcome(sale: Sale, token_source: TokenSource, now: dt.datetime) -> Receipt:
    """What became of a purchase that was paid."""
    if sale.kept or sale.vend_state == Vend.State.REFUNDED:
        raise PPOBRefused(codes.NO_SUCH_PAYMENT, "The money of this purchase went back.")
    if sale.vend_state == Vend.State.PAID:
        assert sale.payment_id is not None
        vend = Vend.objects.select_related("payment").get(payment_id=sale.payment_id)
        return _obtained(sale, vend, token_source, now)
    return sale.receipt()


def _obtained(sale: Sale, vend: Vend, token_source: TokenSource, now: dt.datetime) -> Receipt:
    """The token of a paid vend, or why there is none (yet)."""
    outcome = obtain_token(vend=vend, token_source=token_source, now=now)
    if outcome.vend.state == Vend.State.REFUNDED:
        raise PPOBRefused(codes.NO_SUCH_PAYMENT, "No token was made; the money went back.", recorded=True)
    if outcome.digits is None:
        raise PPOBRefused(codes.TIMEOUT, "The money is held; nobody can say yet whether there is a token.")
    payment = outcome.vend.payment
    assert payment is not None
    lines = payment.quote
    sale.payment_id, sale.digits = payment.pk, outcome.digits
    sale.money = {
        "admin_idr": payment.admin_idr,
        "stamp_sen": lines.stamp_sen,
        "ppn_sen": lines.ppn_sen,
        "ppj_sen": lines.ppj_sen,
        "instalment_sen": lines.instalment_sen,
        "stroom_sen": lines.stroom_sen,
        "energy_wh": lines.energy_wh,
    }
    return sale.receipt()


# The meter's row first, then the inquiry's: every purchase takes both in this order, an advice the second only.
_LOCK = """
WITH reset AS (
    UPDATE vending_ppobnumber SET inquiries = 0, blocked_until_at = NULL WHERE meter_id = %(meter)s RETURNING 1)
SELECT i.voided_at IS NOT NULL FROM vending_ppobinquiry i, reset WHERE i.id = %(inquiry)s FOR UPDATE OF i
"""
_BOUGHT = """
SELECT (SELECT coalesce(sum(coalesce(v.encoded_wh, v.requested_wh)), 0) FROM vending_vend v
        WHERE v.meter_id = %(meter)s AND v.paid_at >= %(month)s AND v.state <> 'REFUNDED')::bigint,
    EXISTS (SELECT 1 FROM vending_payment WHERE channel_id = %(channel)s AND reference = %(reference)s)
"""


class _Within:
    """What a purchase checks inside T1: that its reference is not void, and this month's cap, both under a lock."""

    def __init__(self, sale: Sale, now: dt.datetime) -> None:
        self._sale, self._now = sale, now

    def __call__(self, channel_id: int, energy_wh: int) -> None:
        """Raises InquiryVoid, MonthCapPassed, _PaidMeanwhile."""
        sale = self._sale
        locked = run(_LOCK, {"meter": sale.meter.pk, "inquiry": sale.inquiry_id})
        if locked is None or locked[0]:
            raise InquiryVoid("This reference was given up: inquire again.")
        # A statement of its own: what it counts includes those who held the lock before.
        found = run(
            _BOUGHT,
            {
                "meter": sale.meter.pk,
                "month": month_begin(self._now),
                "channel": channel_id,
                "reference": sale.reference,
            },
        )
        assert found is not None
        bought_wh, paid = found
        if paid:
            raise _PaidMeanwhile
        if bought_wh + energy_wh > cap_wh(sale.meter.contracted_va):
            raise MonthCapPassed("More than 720 hours of the contracted power in a month.")


def _void(sale: Sale, gate: Gate, now: dt.datetime) -> bool:
    """Entry: nothing may be paid under this reference any more; False when it was paid before that could be said."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM vending_ppobinquiry WHERE id = %s FOR UPDATE", [sale.inquiry_id])
        cursor.execute(
            "SELECT 1 FROM vending_payment WHERE channel_id = %s AND reference = %s", [gate.channel.pk, sale.reference]
        )
        if cursor.fetchone() is not None:
            return False
        cursor.execute(
            "UPDATE vending_ppobinquiry SET voided_at = %s WHERE id = %s AND voided_at IS NULL RETURNING 1",
            [now, sale.inquiry_id],
        )
        if cursor.fetchone() is not None:
            audit.record(
                at=now,
                actor=f"channel:{gate.channel.code}",
                verb="vending.ppob_void",
                subject=f"inquiry:{sale.pln_ref}",
            )
    return True
