# SPDX-License-Identifier: Apache-2.0
"""
Buying what rules have decided. A request is claimed under a lease, bought outside of any transaction under the reference
`auto:<id>`, and closed with its token's vend. Whatever dies in between, the next claim asks for the same purchase again.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from duaarah.audit import operations as audit
from duaarah.core.top_up_rule import closed_until
from duaarah.notices.auto.rules import CHANNEL, close_request, paid, pause, terms_of
from duaarah.notices.auto.words import tell_rule
from duaarah.notices.models import AutoRule, TopUpRequest
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Pairing
from duaarah.vending.models import Channel, Vend
from duaarah.vending.operations import top_up
from duaarah.vending.operations.top_up import NoPrice, TopUpRefused, WalletTooLow
from duaarah.vending.ports import TokenSource

LOG = logging.getLogger(__name__)
BATCH_MAX = 10
LEASE_S = 60
ATTEMPTS_MAX = 20

_LEASE = """
UPDATE notices_topuprequest SET attempts = attempts + 1, lease_until_at = clock_timestamp() + %s * interval '1 second'
WHERE id = %s
"""


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A request that this worker buys: `pairing` may be of no phone, for a meter without a modem."""

    request: TopUpRequest
    pairing: Pairing


def buy_due(*, token_source: TokenSource, now: dt.datetime, limit: int = BATCH_MAX) -> int:
    """
    Buy up to `limit` decided purchases; returns how many were tried.

    One that fails in a way that nobody foresaw keeps its lease and is tried again when that ends.
    """
    tried = 0
    while tried < limit and (claimed := claim_one(now=now)) is not None:
        tried += 1
        if not isinstance(claimed, Claimed):
            continue
        try:
            buy(claimed, token_source, now)
        except (DatabaseError, InterfaceError):
            raise
        except Exception:
            LOG.exception("top-up request %d failed; it is tried again when its lease ends", claimed.request.pk)
    return tried


def claim_one(*, now: dt.datetime) -> Claimed | TopUpRequest | None:
    """Entry: lease the next purchase; a request alone was closed, because it may not be bought any more; None: none is due."""
    with transaction.atomic(durable=True):
        free = Q(lease_until_at=None) | Q(lease_until_at__lt=Now())
        due = (
            TopUpRequest.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("rule", "meter__customer__holder", "meter__site")
            .filter(free, state=TopUpRequest.State.DUE)
            .order_by("pk")
        )
        for request in due[:BATCH_MAX]:
            # What is paid is brought to its end, whatever the hour and whatever became of the rule.
            if not paid(request):
                if (reason := _no_longer(request)) is not None:
                    close_request(request, reason, now)
                    return request
                if closed_until(terms_of(request.rule), now, request.meter.zone) is not None:
                    continue
            with connection.cursor() as cursor:
                cursor.execute(_LEASE, [LEASE_S, request.pk])
            pairing = pairing_of_meter(meter_id=request.meter_id, at=now) or Pairing(meter=request.meter, phone="")
            return Claimed(request=request, pairing=pairing)
    return None


def _no_longer(request: TopUpRequest) -> str | None:
    """Why a purchase that was decided is not made now."""
    rule = request.rule
    if rule.state == AutoRule.State.OFF:
        return "rule_off"
    if request.meter.customer is None or request.meter.customer.holder_id != rule.holder_id:
        return "not_his"
    if request.attempts >= ATTEMPTS_MAX:
        return "given_up"
    others = Vend.objects.filter(meter_id=request.meter_id, state__in=[Vend.State.PAID, Vend.State.ISSUED])
    # Bought by hand meanwhile: what is under way is enough until the meter has answered.
    return "bought_otherwise" if others.exists() else None


def buy(claimed: Claimed, token_source: TokenSource, now: dt.datetime) -> None:
    """The purchase itself and its outcome. No transaction is open here."""
    request = claimed.request
    try:
        outcome = top_up(
            pairing=claimed.pairing,
            amount_idr=request.nominal_idr,
            channel=channel(),
            reference=request.reference,
            token_source=token_source,
            now=now,
        )
    except TopUpRefused as error:
        record_refused(request_id=request.pk, error=error, now=now)
        return
    record_bought(request_id=request.pk, vend_id=outcome.vend.pk, now=now)


def channel() -> Channel:
    """The channel of automatic purchases; made when the first is."""
    found, _ = Channel.objects.get_or_create(
        code=CHANNEL, defaults={"name": "Auto", "kind": Channel.Kind.WALLET, "active": True}
    )
    return found


def record_bought(*, request_id: int, vend_id: int, now: dt.datetime) -> None:
    """Entry: the request has its vend. The same again changes nothing; money that moved is never called unbought."""
    with transaction.atomic(durable=True):
        request = TopUpRequest.objects.select_for_update().get(pk=request_id)
        if request.state == TopUpRequest.State.BOUGHT:
            return
        vend = Vend.objects.get(pk=vend_id)
        request.state, request.vend, request.result = TopUpRequest.State.BOUGHT, vend, ""
        request.closed_at, request.lease_until_at = now, None
        request.save()
        audit.record(
            at=now,
            actor="auto",
            verb="notices.top_up",
            subject=f"meter:{request.meter_id}",
            correlation=vend.correlation,
            detail={"request": request.pk, "rule": request.rule_id, "vend": vend.pk},
        )
    LOG.info("top-up request %d bought", request_id, extra={"correlation": vend.correlation})


def record_refused(*, request_id: int, error: TopUpRefused, now: dt.datetime) -> None:
    """Entry: nothing moved. A wallet that is too low, or a meter without a price, pauses the rule; it is told once."""
    with transaction.atomic(durable=True):
        # The rule before its requests, as whoever sets it does.
        rule_id = TopUpRequest.objects.values_list("rule_id", flat=True).get(pk=request_id)
        rule = AutoRule.objects.select_for_update().get(pk=rule_id)
        request = TopUpRequest.objects.select_for_update().select_related("meter").get(pk=request_id)
        if request.state != TopUpRequest.State.DUE:
            return
        close_request(request, error.code, now)
        word = "wallet" if isinstance(error, WalletTooLow) else "no_price" if isinstance(error, NoPrice) else None
        if word is not None and rule.state == AutoRule.State.ACTIVE:
            tell_rule(rule, request.meter, word, None, now)
            pause(rule, word, now)
