# SPDX-License-Identifier: Apache-2.0
"""A token sold elsewhere (ATM, PPOB) enters at T2: checked with the meter's own key, then loaded like any other."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.db import IntegrityError, connection, transaction

from duaarah.audit import operations as audit
from duaarah.core.sts import tid_at
from duaarah.registry.access import MeterUnknown, meter_for_channel, pairing_of_meter
from duaarah.registry.models import Meter
from duaarah.vending.batch_models import TokenBatchRow
from duaarah.vending.models import Channel, Notification, Token, Vend
from duaarah.vending.operations.configuration import configuration_of, key_terms
from duaarah.vending.operations.issue import send_to_meter
from duaarah.vending.operations.tids import keep_foreign_tid
from duaarah.vending.ports import TokenFacts, TokenNotForMeter, TokenReader

LOG = logging.getLogger(__name__)
AHEAD_MINUTES_MAX = 24 * 60
_WIB = ZoneInfo("Asia/Jakarta")


class NotificationRefused(Exception):
    """The notification was not taken. `code` says why; nothing was loaded."""

    code = "notification_refused"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Sale:
    """
    What a channel says it sold; `digest` is SHA-256 of the signed body, to tell a repeat from a contradiction.

    `in_file`: a row of a file, which has no body of its own; a repeat is told by meter, digits and nominal.
    """

    notification_id: str
    digest: bytes
    drn: str
    idpel: str | None
    digits: str
    amount_idr: int
    in_file: bool = False

    def __repr__(self) -> str:
        return f"Sale(notification_id={self.notification_id!r}, amount_idr={self.amount_idr})"


# Joining: what became of a sale, in the transaction that makes it so; its vend, "taken" or "repeated", or None and a code.
Note = Callable[[Vend | None, str], None]


def take_notification(
    *, channel: Channel, sale: Sale, reader: TokenReader, now: dt.datetime, note: Note | None = None
) -> tuple[Vend, bool]:
    """
    Entry: the vend of a token sold elsewhere, and whether this notification had brought it before.

    Raises:
        NotificationRefused: meter_unknown, token_not_for_meter, token_known (another notification brought these
            digits or this TID), notification_conflict (the same id with another body). An audit line says so.
    """
    try:
        vend, repeated = _repeat(channel, sale), True
        if vend is None:
            meter, facts = _read(sale, reader, now)
            vend, repeated = _take(channel, sale, meter, facts, now, note)
        if repeated and note is not None:
            with transaction.atomic(durable=True):
                note(vend, "repeated")
        LOG.info("vend %d notified by %s", vend.pk, channel.code, extra={"correlation": vend.correlation})
        return vend, repeated
    except NotificationRefused as error:
        with transaction.atomic(durable=True):
            if note is not None:
                note(None, error.code)
            audit.record_refusal(
                at=now,
                actor=f"channel:{channel.code}",
                verb="vending.take_notification",
                subject=f"notification:{sale.notification_id}",
                code=error.code,
                reason=str(error),
            )
        raise


def judge_notification(*, channel: Channel, sale: Sale, reader: TokenReader, now: dt.datetime) -> Vend | TokenFacts:
    """What `take_notification` would find: the vend of a repeat, or what the token says; nothing is written. Raises as it."""
    known = _repeat(channel, sale)
    if known is not None:
        return known
    meter, facts = _read(sale, reader, now)
    same_tid = Vend.objects.filter(drn=meter.drn, base_date=meter.base_date, tid=facts.tid).exists()
    if same_tid or Token.objects.filter(digits=sale.digits).exists():
        raise NotificationRefused("token_known", "This token was brought to us before.")
    return facts


def _repeat(channel: Channel, sale: Sale) -> Vend | None:
    earlier = (
        Notification.objects.select_related("vend__token")
        .filter(channel=channel, notification_id=sale.notification_id)
        .first()
    )
    if earlier is None:
        return None
    if bytes(earlier.digest) != sale.digest and not _same_sale(earlier, sale):
        raise NotificationRefused("notification_conflict", "This notification id was used for another sale.")
    return earlier.vend


def _same_sale(earlier: Notification, sale: Sale) -> bool:
    """Whether one of both came in a file, and both say the same of the same sale."""
    vend = earlier.vend
    if not (sale.in_file or TokenBatchRow.objects.filter(vend=vend, state=TokenBatchRow.State.TAKEN).exists()):
        return False
    return (vend.drn, vend.token.digits, earlier.amount_idr) == (sale.drn, sale.digits, sale.amount_idr)


def _read(sale: Sale, reader: TokenReader, now: dt.datetime) -> tuple[Meter, TokenFacts]:
    try:
        meter_for_channel(drn=sale.drn, idpel=sale.idpel, at=now)
        meter = Meter.objects.get(drn=sale.drn)
        facts = reader.read(digits=sale.digits, pan=meter.pan, keys=key_terms(meter))
    except MeterUnknown as error:
        raise NotificationRefused(error.code, str(error)) from error
    except TokenNotForMeter as error:
        raise NotificationRefused(error.code, str(error)) from error
    # A channel whose clock runs far ahead would use up the meter's TIDs, and nothing could be sold to it any more.
    if facts.tid > tid_at(now.astimezone(_WIB).replace(tzinfo=None), meter.base_date) + AHEAD_MINUTES_MAX:
        raise NotificationRefused("token_not_for_meter", "The token's time lies in the future.")
    return meter, facts


def _take(
    channel: Channel, sale: Sale, meter: Meter, facts: TokenFacts, now: dt.datetime, note: Note | None
) -> tuple[Vend, bool]:
    try:
        with transaction.atomic(durable=True):
            # First: who ends a meter's old key waits for this, and then sees the token.
            keep_foreign_tid(meter_id=meter.pk, base_date=meter.base_date, tid=facts.tid)
            vend = _vend(sale, meter, facts, now)
            Token.objects.create(vend=vend, digits=sale.digits, energy_wh=facts.energy_wh, created_at=now)
            Notification.objects.create(
                channel=channel,
                notification_id=sale.notification_id,
                digest=sale.digest,
                received_at=now,
                amount_idr=sale.amount_idr,
                vend=vend,
            )
            send_to_meter(vend, sale.digits, sale.amount_idr, now)
            vend.save(update_fields=["command", "digits_sent_at", "phone"])
            audit.record(
                at=now,
                actor=f"channel:{channel.code}",
                verb="vending.take_notification",
                subject=f"meter:{meter.pk}",
                correlation=vend.correlation,
                detail={"vend": vend.pk, "tid": facts.tid, "encoded_wh": facts.energy_wh},
            )
            if note is not None:
                note(vend, "taken")
            return vend, False
    except IntegrityError as error:
        if "vending_notification_once" in str(error):
            repeat = _repeat(channel, sale)
            if repeat is not None:
                return repeat, True
        if "vending_tid_once" in str(error) or "vending_token_digits" in str(error):
            # The digits or their TID are known under another purchase: never load one sale twice.
            repeat = _repeat(channel, sale)
            if repeat is not None:
                return repeat, True
            raise NotificationRefused("token_known", "This token was brought to us before.") from error
        raise


def _vend(sale: Sale, meter: Meter, facts: TokenFacts, now: dt.datetime) -> Vend:
    pairing = pairing_of_meter(meter_id=meter.pk, at=now)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        machine_now = cursor.fetchone()[0]
    return Vend.objects.create(
        request_id=uuid.uuid4(),
        origin=Vend.Origin.ELSEWHERE,
        payment=None,
        meter=meter,
        phone=pairing.phone if pairing else "",
        state=Vend.State.ISSUED,
        correlation=uuid.uuid4(),
        **configuration_of(meter),
        tid=facts.tid,
        rnd=0,
        requested_wh=facts.energy_wh,
        encoded_wh=facts.energy_wh,
        paid_at=now,
        issued_at=now,
        obtain_not_before_at=machine_now,
    )
