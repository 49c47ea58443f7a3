# SPDX-License-Identifier: Apache-2.0
"""Setting up whoever connects: a partner with its channel and deposit, blocked and let in again."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence

from django.db import IntegrityError, connection, transaction

from duaarah.audit import operations as audit
from duaarah.vending.models import Channel, Deposit
from duaarah.vending.ppob_models import PPOBInquiry, PPOBPartner

CODE_CHARS = 7


class PartnerRefused(Exception):
    """The partner was not set up, in a sentence. Nothing was written but an audit line."""

    code = "partner_refused"
    retryable = False


def new_partner(
    *,
    code: str,
    name: str,
    banks: Sequence[str],
    switchers: Sequence[str],
    products: Sequence[str],
    networks: Sequence[str],
    access: tuple[dt.time, dt.time] | None,
    actor: str,
    now: dt.datetime,
) -> PPOBPartner:
    """
    Entry: a partner, its channel and an empty deposit.

    Raises:
        PartnerRefused: a code that is not 7 characters or taken, an unknown product, no network in CIDR, no access time.
    """
    try:
        _check(code, products, networks, access)
        with transaction.atomic(durable=True):
            channel = Channel.objects.create(code=f"PPOB-{code}", name=name, kind=Channel.Kind.DEPOSIT)
            Deposit.objects.create(channel=channel, balance_sen=0)
            partner = PPOBPartner.objects.create(
                channel=channel,
                code=code,
                banks=list(banks),
                switchers=list(switchers),
                products=list(products),
                networks=list(networks),
                access_from=access[0] if access else None,
                access_until=access[1] if access else None,
                made_at=now,
            )
            detail = {"name": name, "products": list(products), "banks": list(banks)}
            audit.record(at=now, actor=actor, verb="vending.new_partner", subject=f"partner:{code}", detail=detail)
        return partner
    except IntegrityError:
        error = PartnerRefused(f"There is a partner or a channel of the code {code} already.")
    except PartnerRefused as refused:
        error = refused
    with transaction.atomic(durable=True):
        audit.record_refusal(
            at=now,
            actor=actor,
            verb="vending.new_partner",
            subject=f"partner:{code}",
            code=error.code,
            reason=str(error),
        )
    raise error


def _check(code: str, products: Sequence[str], networks: Sequence[str], access: tuple[dt.time, dt.time] | None) -> None:
    if len(code) != CODE_CHARS or not code.isascii() or not code.isalnum():
        raise PartnerRefused(
            f"A partner's code is {CODE_CHARS} letters and digits: it fills the switcher id of field 48."
        )
    if not products or not set(products) <= set(PPOBInquiry.Product.values):
        raise PartnerRefused(f"Products are some of {', '.join(PPOBInquiry.Product.values)}.")
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            raise PartnerRefused(f"{network} is no network; write for instance 192.0.2.0/24.") from None
    if access is not None and access[0] == access[1]:
        raise PartnerRefused("Access times begin and end at different times of day.")


def set_partner_state(*, code: str, blocked: bool, reason: str, actor: str, now: dt.datetime) -> PPOBPartner:
    """Entry: 0006 for whatever it asks from now on, or no longer. Raises PPOBPartner.DoesNotExist."""
    state = PPOBPartner.State.BLOCKED if blocked else PPOBPartner.State.ACTIVE
    with transaction.atomic(durable=True):
        partner = PPOBPartner.objects.select_for_update(of=("self",)).select_related("channel").get(code=code)
        partner.state = state
        partner.save(update_fields=["state"])
        audit.record(
            at=now,
            actor=actor,
            verb="vending.block_partner" if blocked else "vending.unblock_partner",
            subject=f"partner:{code}",
            reason=reason,
        )
    return partner


def ask_again(*, vend_id: int, actor: str, now: dt.datetime) -> bool:
    """Entry: the sweeper asks for the token of a held purchase at its next round; False when it is not held any more."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE vending_vend SET obtain_not_before_at = clock_timestamp() WHERE id = %s AND state = 'PAID'"
            " RETURNING correlation",
            [vend_id],
        )
        found = cursor.fetchone()
        if found is not None:
            audit.record(
                at=now,
                actor=actor,
                verb="vending.ask_again",
                subject=f"vend:{vend_id}",
                correlation=found[0],
            )
    return found is not None
