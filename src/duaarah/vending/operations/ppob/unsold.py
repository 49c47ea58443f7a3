# SPDX-License-Identifier: Apache-2.0
"""
Unsold tokens: a channel was issued one and did not hand it out. Its money goes back; the token waits for the next
purchase of this meter and nominal (buying option 1), with the same digits.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.db import transaction

from duaarah.audit import operations as audit
from duaarah.vending.models import Channel, LedgerEntry, Payment, Vend
from duaarah.vending.operations.books import PENDING, book, deposit_account, issued_lines_sen
from duaarah.vending.operations.configuration import COLUMNS
from duaarah.vending.operations.corrections import reverse_entry
from duaarah.vending.operations.issue import send_to_meter
from duaarah.vending.operations.ppob import codes
from duaarah.vending.operations.ppob.codes import PPOBRefused
from duaarah.vending.operations.top_up import TopUpRefused, Within, debit_channel, record_refusal, terms_of_channel
from duaarah.vending.ppob_models import UnsoldToken

if TYPE_CHECKING:
    from duaarah.vending.operations.ppob.gate import Gate
    from duaarah.vending.operations.ppob.sale import Sale

UNSOLD = "unsold"


class NotUnsold(Exception):
    """This token cannot be taken back. `code` says why; nothing moved, an audit line says so."""

    retryable = False

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def keep_unsold(*, channel: Channel, reference: str, reason: str, actor: str, now: dt.datetime) -> UnsoldToken:
    """
    Entry: the channel says that it did not hand out the token of its payment; its money returns to its deposit.

    Raises:
        NotUnsold: `no_payment`; `no_token`; `handed_out`: the meter was sent it, or the customer by SMS;
            `kept_already`; `instalments`: it paid off arrears, which only a person can take back.
    """
    try:
        with transaction.atomic(durable=True):
            vend, entries = _issued(channel, reference)
            for entry in entries:
                reverse_entry(entry_id=entry.pk, now=now)
            vend.state, vend.result, vend.closed_at = Vend.State.REFUNDED, UNSOLD, now
            vend.save(update_fields=["state", "result", "closed_at"])
            assert vend.payment is not None
            kept = UnsoldToken.objects.create(
                vend=vend, meter_id=vend.meter_id, nominal_idr=vend.payment.amount_idr, kept_at=now, reason=reason[:400]
            )
            audit.record(
                at=now,
                actor=actor,
                verb="vending.keep_unsold",
                subject=f"meter:{vend.meter_id}",
                reason=reason,
                correlation=vend.correlation,
                detail={"vend": vend.pk, "channel": channel.code, "reference": reference},
            )
        return kept
    except NotUnsold as error:
        with transaction.atomic(durable=True):
            audit.record_refusal(
                at=now,
                actor=actor,
                verb="vending.keep_unsold",
                subject=f"channel:{channel.code}",
                code=error.code,
                reason=str(error),
                detail={"reference": reference},
            )
        raise


def _issued(channel: Channel, reference: str) -> tuple[Vend, list[LedgerEntry]]:
    """The vend of a payment, locked, and the entries that sold it. Raises NotUnsold."""
    payment = Payment.objects.filter(channel=channel, reference=reference).first()
    if payment is None:
        raise NotUnsold("no_payment", "The channel has no payment of this reference.")
    resold = UnsoldToken.objects.filter(payment=payment).first()
    wanted = {"pk": resold.vend_id} if resold else {"payment": payment}
    vend = Vend.objects.select_for_update(of=("self",)).select_related("payment", "token").get(**wanted)
    later = UnsoldToken.objects.filter(vend=vend, **({"pk__gt": resold.pk} if resold else {}))
    if later.exists():
        raise NotUnsold("kept_already", "This token was taken back before.")
    if vend.state != Vend.State.ISSUED:
        code = "handed_out" if vend.state in (Vend.State.LOADED, Vend.State.REJECTED) else "no_token"
        raise NotUnsold(code, "There is no token of this payment that could be taken back.")
    if vend.command_id is not None or vend.phone:
        raise NotUnsold("handed_out", "The token was sent to its meter or its customer.")
    if vend.instalments.exists():
        raise NotUnsold("instalments", "The purchase paid off arrears.")
    names = (
        [f"paid:resold:{payment.pk}", f"issued:resold:{payment.pk}"]
        if resold
        else [f"paid:{vend.pk}", f"issued:{vend.pk}"]
    )
    return vend, list(LedgerEntry.objects.filter(reference__in=names).order_by("pk"))


def sell_unsold(*, sale: Sale, gate: Gate, amount_idr: int, within: Within, now: dt.datetime) -> None:
    """
    Entry: the oldest unsold token of this meter and nominal, to this channel. One transaction: there is nothing to obtain.

    Raises:
        PPOBRefused: 0013 there is none.
        TopUpRefused: as take_payment; an audit line says so.
    """
    try:
        with transaction.atomic(durable=True):
            _sell(sale, gate, amount_idr, within, now)
    except TopUpRefused as error:
        record_refusal(sale.meter, gate.channel, sale.reference, error, now)
        raise


def _sell(sale: Sale, gate: Gate, amount_idr: int, within: Within, now: dt.datetime) -> None:
    meter, channel = sale.meter, gate.channel
    fees = terms_of_channel(channel, amount_idr, now)
    configuration = {f"vend__{name}": getattr(meter, name) for name in COLUMNS}
    unsold = (
        UnsoldToken.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("vend__payment__quote", "vend__token")
        .filter(meter_id=meter.pk, nominal_idr=amount_idr, payment=None, **configuration)
        .order_by("pk")
        .first()
    )
    if unsold is None:
        raise PPOBRefused(codes.NOT_REGISTERED, "No unsold token of this nominal waits for this meter.")
    vend = unsold.vend
    assert vend.payment is not None
    within(channel.pk, vend.payment.quote.energy_wh)
    payment = Payment.objects.create(
        channel=channel,
        reference=sale.reference,
        meter_id=meter.pk,
        amount_idr=amount_idr,
        admin_idr=fees.admin_idr,
        commission_idr=fees.commission_idr,
        taken_at=now,
    )
    unsold.payment, unsold.sold_at = payment, now
    unsold.save(update_fields=["payment", "sold_at"])
    _book(vend, payment, now)
    vend.state, vend.result, vend.closed_at, vend.issued_at, vend.phone = Vend.State.ISSUED, "", None, now, sale.phone
    send_to_meter(vend, vend.token.digits, amount_idr, now)
    vend.save(update_fields=["state", "result", "closed_at", "issued_at", "phone", "command", "digits_sent_at"])
    audit.record(
        at=now,
        actor=f"channel:{channel.code}",
        verb="vending.sell_unsold",
        subject=f"meter:{meter.pk}",
        correlation=vend.correlation,
        detail={"vend": vend.pk, "payment": payment.pk, "amount_idr": amount_idr},
    )
    # Last, as in a purchase: the channel's one row.
    debit_channel(channel, total_idr=amount_idr + fees.admin_idr, nominal_idr=amount_idr, fees=fees, now=now)


def _book(vend: Vend, payment: Payment, now: dt.datetime) -> None:
    assert vend.payment is not None
    total_sen = (payment.amount_idr + payment.admin_idr) * 100
    book(
        kind=LedgerEntry.Kind.PAYMENT_TAKEN,
        reference=f"paid:resold:{payment.pk}",
        lines_sen={deposit_account(payment.channel_id): total_sen, PENDING: -total_sen},
        at=now,
        vend_id=vend.pk,
    )
    book(
        kind=LedgerEntry.Kind.TOKEN_ISSUED,
        reference=f"issued:resold:{payment.pk}",
        lines_sen=issued_lines_sen(
            vend.payment.quote,
            total_sen=total_sen,
            admin_idr=payment.admin_idr,
            commission_idr=payment.commission_idr,
            channel_id=payment.channel_id,
        ),
        at=now,
        vend_id=vend.pk,
    )
