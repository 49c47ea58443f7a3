# SPDX-License-Identifier: Apache-2.0
"""What an operator looks at: partners and their last contact, the journal, purchases that wait for their token."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery

from duaarah.vending.ppob_models import PPOBMessage, PPOBPartner

LINES_MAX, PENDING_MAX = 100, 200


def partners() -> QuerySet[PPOBPartner]:
    """All partners with channel and deposit, and `contact_at`: when the latest message of each came or went."""
    latest = PPOBMessage.objects.filter(partner=OuterRef("pk")).order_by("-id").values("at")[:1]
    return PPOBPartner.objects.select_related("channel__deposit").annotate(contact_at=Subquery(latest)).order_by("code")


def journal(
    *, partner_id: int | None = None, pln_ref: str = "", before_id: int | None = None, limit: int = LINES_MAX
) -> list[PPOBMessage]:
    """The latest lines first, at most LINES_MAX; of one partner, of one PLN reference, or before a line."""
    lines = PPOBMessage.objects.select_related("partner").order_by("-id")
    if partner_id is not None:
        lines = lines.filter(partner_id=partner_id)
    if pln_ref:
        lines = lines.filter(pln_ref=pln_ref)
    if before_id is not None:
        lines = lines.filter(pk__lt=before_id)
    return list(lines[: min(limit, LINES_MAX)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A purchase whose money is held. `advices`: how often its channel has asked; `next_at` is machine time."""

    vend_id: int
    channel: str
    pln_ref: str
    drn: str
    amount_idr: int
    paid_at: dt.datetime
    attempts: int
    next_at: dt.datetime
    advices: int


_PENDING = """
SELECT v.id, c.code, substr(p.reference, 6), v.drn, p.amount_idr, v.paid_at, v.obtain_attempts, v.obtain_not_before_at,
    (SELECT count(*) FROM vending_ppobmessage m WHERE m.pln_ref <> '' AND m.pln_ref = substr(p.reference, 6)
        AND m.direction = 'IN' AND m.kind IN ('prepaid_advice_request', 'prepaid_advice_repeat_request'))
FROM vending_vend v JOIN vending_payment p ON p.id = v.payment_id JOIN vending_channel c ON c.id = p.channel_id
WHERE v.state = 'PAID' AND p.reference LIKE 'ppob:%%' AND (%(channel)s::bigint IS NULL OR c.id = %(channel)s)
ORDER BY v.paid_at LIMIT %(limit)s
"""


def pending(*, channel_id: int | None = None) -> list[Pending]:
    """Purchases over the host that have no token yet, the oldest first, at most PENDING_MAX."""
    with connection.cursor() as cursor:
        cursor.execute(_PENDING, {"channel": channel_id, "limit": PENDING_MAX})
        rows = cursor.fetchall()
    names = ("vend_id", "channel", "pln_ref", "drn", "amount_idr", "paid_at", "attempts", "next_at", "advices")
    return [Pending(**dict(zip(names, row, strict=True))) for row in rows]
