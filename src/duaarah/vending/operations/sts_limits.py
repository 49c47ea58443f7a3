# SPDX-License-Identifier: Apache-2.0
"""Limits of the STS interface: a budget in tokens, energy and value for each key register and operator."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Context, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from duaarah.audit import operations as audit
from duaarah.people.models import OperatorKey, Organisation, Unit
from duaarah.vending.operations.sts_errors import LimitMissing, LimitReached
from duaarah.vending.sts_models import STSLimit, STSUsage

_WIB = ZoneInfo("Asia/Jakarta")
_EVER_DATE = dt.date(1970, 1, 1)
# A currency token carries 36 digits; the default context would round a sum at 28.
_EXACT = Context(prec=60)
WORDS = {STSLimit.Period.DAY: "a day", STSLimit.Period.MONTH: "a month", STSLimit.Period.TOTAL: "for ever"}
UNITS = {"tokens": "tokens", "energy_wh": "Wh", "value": "of currency"}


class LimitRefused(Exception):
    """No limit can be set that way. Nothing was changed."""

    code = "limit_refused"


def set_limit(
    *,
    register: str,
    organisation: Organisation | None,
    unit: Unit | None,
    key: OperatorKey | None,
    period: str,
    tokens_max: int | None,
    energy_wh_max: int | None,
    value_max: Decimal | None,
    active: bool,
    actor: str,
    now: dt.datetime,
) -> STSLimit:
    """
    Entry: set or change the limit of this register, operator and period; what was used in the period stays used.

    Raises:
        LimitRefused: it names nothing that it applies to, limits nothing, or a number is below zero.
    """
    numbers = {"tokens_max": tokens_max, "energy_wh_max": energy_wh_max, "value_max": value_max}
    checks = (
        (bool(register or organisation or unit or key), "A limit names a key register, an operator, or both."),
        (period in STSLimit.Period.values, "A period is a day, a month or ever."),
        (any(number is not None for number in numbers.values()), "A limit has at least one number."),
        (all(number is None or 0 <= number < 2**63 for number in numbers.values()), "A limit is not below zero."),
        (organisation is None or unit is None or unit.organisation_id == organisation.pk, "The unit is another's."),
    )
    for fine, sentence in checks:
        if not fine:
            raise LimitRefused(sentence)
    with transaction.atomic(durable=True):
        limit, _ = STSLimit.objects.update_or_create(
            register=register,
            organisation=organisation,
            unit=unit,
            key=key,
            period=period,
            defaults={**numbers, "active": active},
        )
        detail = {name: None if number is None else str(number) for name, number in numbers.items()}
        audit.record(
            at=now,
            actor=actor,
            verb="vending.set_sts_limit",
            subject=f"stslimit:{limit.pk}",
            detail={**named(limit), **detail, "active": active},
        )
    return limit


def applying(*, key: OperatorKey, registers: Iterable[str]) -> QuerySet[STSLimit]:
    """The living limits of orders by this key with any of these registers (none for class 1), in their order of locking."""
    return STSLimit.objects.filter(
        Q(organisation=None) | Q(organisation=key.organisation_id),
        Q(unit=None) | Q(unit=key.unit_id),
        Q(key=None) | Q(key=key.pk),
        register__in=["", *registers],
        active=True,
    ).order_by("pk")


def lock(*, key: OperatorKey, register: str) -> list[STSLimit]:
    """
    Joining: the limits that apply, their rows locked to the end of the transaction.

    Raises:
        TransactionManagementError: outside a transaction.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A limit is spent in the transaction that takes the TID.")
    # In one order for everybody, so that two orders under several limits never wait for each other.
    return list(applying(key=key, registers=[register]).select_for_update(no_key=True))


def spend(limits: Iterable[STSLimit], *, energy_wh: int, value: Decimal, now: dt.datetime) -> None:
    """
    Joining: one token more under every one of these limits, which `lock` gave.

    Raises:
        LimitMissing: no limit names an operator, so that nobody has said how much he may issue.
        LimitReached: the first limit that would be passed; the caller's transaction is to be given up.
    """
    limits = list(limits)
    if not any(limit.organisation_id or limit.unit_id or limit.key_id for limit in limits):
        raise LimitMissing("No limit is set for this operator; until there is one it issues nothing.")
    for limit in limits:
        usage = used(limit, now)
        usage.tokens += 1
        usage.energy_wh += energy_wh
        usage.value = _EXACT.add(usage.value, value)
        for name in UNITS:
            most, would_be = getattr(limit, f"{name}_max"), getattr(usage, name)
            if most is not None and would_be > most:
                period = WORDS[STSLimit.Period(limit.period)]
                raise LimitReached(
                    f"Limit {limit.pk} is reached: {most} {UNITS[name]} {period}.",
                    {"id": limit.pk, **named(limit), "of": name, "max": str(most)},
                )
        usage.save()


def used(limit: STSLimit, now: dt.datetime) -> STSUsage:
    """What was issued under a limit in the present period; a new row, not saved, where that is nothing."""
    local_date = now.astimezone(_WIB).date()
    starts = {
        STSLimit.Period.DAY: local_date,
        STSLimit.Period.MONTH: local_date.replace(day=1),
        STSLimit.Period.TOTAL: _EVER_DATE,
    }
    start_date = starts[STSLimit.Period(limit.period)]
    found = STSUsage.objects.filter(limit=limit, period_date=start_date).first()
    return found or STSUsage(limit=limit, period_date=start_date, tokens=0, energy_wh=0, value=Decimal(0))


def named(limit: STSLimit) -> dict[str, Any]:
    """What a limit applies to."""
    return {
        "register": limit.register or None,
        "organisation": limit.organisation.code if limit.organisation else None,
        "unit": limit.unit.code if limit.unit else None,
        "key": limit.key_id,
        "period": limit.period,
    }
