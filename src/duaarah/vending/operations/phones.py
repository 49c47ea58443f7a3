# SPDX-License-Identifier: Apache-2.0
"""Where the digits of a meter without two-way service go: who buys for it says it, an operator wrote it down, or its holder's."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.db.models import QuerySet

from duaarah.audit import operations as audit
from duaarah.core.msisdn import canonical
from duaarah.registry.models import Meter, Pairing
from duaarah.vending.batch_models import TokenPhone
from duaarah.vending.models import Vend
from duaarah.vending.operations.words import amount_of, tell_digits_one_way


def phone_of_meter(*, meter_id: int, now: dt.datetime) -> str:
    """
    The phone of a meter that is not paired now; empty where none is known.

    The number that was written down for it, else the one number that all paired meters of its holder share. The phone of
    a pairing that has ended is nobody's: the meter may have another customer by now.
    """
    written = TokenPhone.objects.filter(meter_id=meter_id).values_list("phone", flat=True).first()
    if written:
        return written
    holder_id = Meter.objects.filter(pk=meter_id).values_list("customer__holder_id", flat=True).first()
    if holder_id is None:
        return ""
    paired = Pairing.objects.filter(meter__customer__holder_id=holder_id, valid__contains=now)
    phones = list(paired.order_by("phone").values_list("phone", flat=True).distinct()[:2])
    return phones[0] if len(phones) == 1 else ""


def set_token_phone(*, meter: Meter, phone: str, actor: str, now: dt.datetime) -> int:
    """
    Entry: write down where a one-way meter's digits go; those that could be told to nobody go there, oldest first.

    Returns how many were told. Raises core.msisdn.MSISDNError.
    """
    number, told = canonical(phone), 0
    with transaction.atomic(durable=True):
        TokenPhone.objects.update_or_create(
            pk=meter.pk, defaults={"phone": number, "set_at": now, "set_by": actor[:60]}
        )
        for vend in untold_vends().select_for_update(of=("self",)).filter(meter=meter).order_by("base_date", "tid"):
            vend.phone, vend.digits_sent_at = number, now
            vend.save(update_fields=["phone", "digits_sent_at"])
            tell_digits_one_way(vend, vend.token.digits, amount_of(vend), now)
            told += 1
        audit.record(
            at=now,
            actor=actor,
            verb="vending.set_token_phone",
            subject=f"meter:{meter.pk}",
            detail={"phone": f"...{number[-3:]}", "told": told},
        )
    return told


def untold_vends() -> QuerySet[Vend]:
    """Tokens of meters that do not talk, whose digits we could tell to nobody."""
    found = Vend.objects.filter(state=Vend.State.ISSUED, command=None, phone="")
    return found.select_related("token", "payment", "notification", "meter__customer__holder")
