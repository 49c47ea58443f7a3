# SPDX-License-Identifier: Apache-2.0
"""How many SMS crossed the links: per WIB day and class, each settled segment once, both ways."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.db.models import Count, Q
from django.db.models.functions import TruncDate

from duaarah.sms.models import PackageEntry

_WIB = ZoneInfo("Asia/Jakarta")


@dataclass(frozen=True, kw_only=True)
class TrafficLine:
    """`segments` of one class on one WIB day, `retries` of them sent again."""

    date: dt.date
    message_class: str
    segments: int
    retries: int


def traffic(*, month_date: dt.date, operator_ids: Sequence[int] | None = None) -> list[TrafficLine]:
    """
    A package month (its first day, WIB), by day and class; all links, or those of some mobile operators.

    Counted are the ledger's SETTLE lines: accepted by the SMSC, or received.
    """
    entries = PackageEntry.objects.filter(kind=PackageEntry.Kind.SETTLE, month_date=month_date)
    if operator_ids is not None:
        of = Q(segment__bind__operator_id__in=operator_ids) | Q(inbound__bind__operator_id__in=operator_ids)
        entries = entries.filter(of)
    rows = (
        entries.annotate(date=TruncDate("at", tzinfo=_WIB))
        .values_list("date", "message_class")
        .annotate(segments=Count("pk"), retries=Count("pk", filter=Q(retry=True)))
        .order_by("date", "message_class")
    )
    return [TrafficLine(date=day, message_class=kind, segments=n, retries=again) for day, kind, n, again in rows]
