# SPDX-License-Identifier: Apache-2.0
"""The right of another phone to ask about a meter, or to buy for it with the holder's PIN, for a span of time."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from duaarah.audit import operations as audit
from duaarah.registry.models import Delegation, Meter

DAYS_DEFAULT, DAYS_MAX = 90, 365
LIVING_MAX = 5


class DelegationRefused(Exception):
    """Not given: too long, too many, or to the holder's own number. Nothing was changed."""

    code = "delegation_refused"


def delegate(*, meter: Meter, phone: str, right: str, days: int, own_phone: str, actor: str, now: dt.datetime) -> None:
    """
    Entry: give a canonical phone a right on a meter for `days` (1 to 365); what it had before ends.

    Raises:
        DelegationRefused: an audit line says so.
    """
    with transaction.atomic(durable=True):
        # One who gives twice at once waits for himself.
        held = Meter.objects.select_for_update(of=("self",)).select_related("customer").get(pk=meter.pk)
        living = Delegation.objects.filter(meter=held, valid__contains=now).exclude(phone=phone).count()
        fine = held.customer is not None and phone != own_phone and 1 <= days <= DAYS_MAX and living < LIVING_MAX
        if fine and held.customer is not None:
            _end(held.pk, phone, now)
            Delegation.objects.create(
                meter=held,
                holder_id=held.customer.holder_id,
                phone=phone,
                right=right,
                valid=(now, now + dt.timedelta(days=days)),
            )
            detail = {"phone": f"...{phone[-3:]}", "right": right, "days": days}
            audit.record(at=now, actor=actor, verb="registry.delegate", subject=f"meter:{meter.pk}", detail=detail)
        else:
            code, subject = DelegationRefused.code, f"meter:{meter.pk}"
            audit.record_refusal(at=now, actor=actor, verb="registry.delegate", subject=subject, code=code)
    if not fine:
        raise DelegationRefused("1 to 365 days, five other numbers at most.")


def end_delegation(*, meter: Meter, phone: str, actor: str, now: dt.datetime) -> bool:
    """Entry: take the right back now; False when there was none."""
    with transaction.atomic(durable=True):
        Meter.objects.select_for_update().get(pk=meter.pk)
        ended = _end(meter.pk, phone, now)
        if ended:
            detail = {"phone": f"...{phone[-3:]}"}
            audit.record(
                at=now, actor=actor, verb="registry.end_delegation", subject=f"meter:{meter.pk}", detail=detail
            )
    return ended


def _end(meter_id: int, phone: str, now: dt.datetime) -> bool:
    row = Delegation.objects.select_for_update().filter(meter_id=meter_id, phone=phone, valid__contains=now).first()
    if row is None:
        return False
    row.valid = (row.valid.lower, now)
    row.save(update_fields=["valid"])
    return True
