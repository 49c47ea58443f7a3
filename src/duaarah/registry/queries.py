# SPDX-License-Identifier: Apache-2.0
"""Counting meters, SIMs in stock and in meters, prices in force."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery

from duaarah.registry.models import CataloguePrice, Meter, Pairing, Sim


@dataclass(frozen=True, kw_only=True)
class KeyUse:
    """So many meters have a key of this register with this expiry number and base date."""

    register: str
    ken: int
    base_date: int
    meters: int


def key_uses() -> list[KeyUse]:
    """How many meters use which key register, by its name; those that take no tokens (total meters) use none."""
    rows = (
        Meter.objects.exclude(sts_register="")
        .values_list("sts_register", "ken", "base_date")
        .annotate(meters=Count("pk"))
        .order_by("sts_register", "base_date", "ken")
    )
    return [KeyUse(register=name, ken=ken, base_date=base, meters=count) for name, ken, base, count in rows]


def sims_of(*, operator_ids: Sequence[int] | None, at: dt.datetime) -> QuerySet[Sim]:
    """SIMs, all or of some mobile operators; `paired` says whether one serves a meter at `at`. By ICCID."""
    pairing = Pairing.objects.filter(sim=OuterRef("pk"), valid__contains=at)
    sims = Sim.objects.select_related("operator").annotate(
        paired=Exists(pairing), drn=Subquery(pairing.values("meter__drn")[:1])
    )
    if operator_ids is not None:
        sims = sims.filter(operator_id__in=operator_ids)
    return sims.order_by("iccid")


def sim_alarms(sims: QuerySet[Sim]) -> QuerySet[Sim]:
    """Of `sims_of`: active without a meter (it costs, and can be misused), or ended or in stock and yet in a meter."""
    absent = [Sim.State.IN_STOCK, Sim.State.ENDED]
    return sims.filter(Q(state=Sim.State.ACTIVE, paired=False) | Q(state__in=absent, paired=True))


def price_on(*, item_id: int, date: dt.date) -> CataloguePrice | None:
    """The price in force on a WIB day; None before the first one."""
    prices = CataloguePrice.objects.filter(item_id=item_id, valid_from_date__lte=date)
    return prices.order_by("-valid_from_date", "-id").first()
