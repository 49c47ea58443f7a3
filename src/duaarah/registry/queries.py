# SPDX-License-Identifier: Apache-2.0
"""Counting meters."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count

from duaarah.registry.models import Meter


@dataclass(frozen=True, kw_only=True)
class KeyUse:
    """So many meters have a key of this register with this expiry number and base date."""

    register: str
    ken: int
    base_date: int
    meters: int


def key_uses() -> list[KeyUse]:
    """How many meters use which key register, by its name."""
    rows = (
        Meter.objects.values_list("sts_register", "ken", "base_date")
        .annotate(meters=Count("pk"))
        .order_by("sts_register", "base_date", "ken")
    )
    return [KeyUse(register=name, ken=ken, base_date=base, meters=count) for name, ken, base, count in rows]
