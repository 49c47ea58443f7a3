# SPDX-License-Identifier: Apache-2.0
"""What a crash or a silent meter left behind is picked up here, on a schedule, until it has an outcome."""

from __future__ import annotations

import datetime as dt

from django.db import connection, transaction

from duaarah.vending.models import Vend
from duaarah.vending.operations.top_up import obtain_token
from duaarah.vending.operations.words import tell_digits_instead
from duaarah.vending.ports import TokenSource

UNCONFIRMED_S = 15 * 60
BATCH_MAX = 50


def resume_paid(*, token_source: TokenSource, now: dt.datetime) -> int:
    """
    Ask again for the token of vends that were paid but have none: same request, same configuration, same 20 digits.

    Returns how many were asked for.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM vending_vend WHERE state = 'PAID' AND waits_for_id IS NULL"
            " AND obtain_not_before_at <= clock_timestamp() ORDER BY obtain_not_before_at LIMIT %s",
            [BATCH_MAX],
        )
        ids = [row[0] for row in cursor.fetchall()]
    for vend in Vend.objects.filter(pk__in=ids).order_by("pk"):
        obtain_token(vend=vend, token_source=token_source, now=now)
    return len(ids)


def send_digits_instead(*, now: dt.datetime) -> int:
    """Entry: the meter has not answered for 15 business minutes, so the digits go to the customer; returns how many."""
    with transaction.atomic(durable=True):
        vends = list(
            Vend.objects.select_for_update(of=("self",), skip_locked=True)
            .select_related("token")
            .filter(
                state=Vend.State.ISSUED,
                digits_sent_at=None,
                issued_at__lte=now - dt.timedelta(seconds=UNCONFIRMED_S),
            )
            .exclude(phone="")
            .order_by("issued_at")[:BATCH_MAX]
        )
        for vend in vends:
            tell_digits_instead(vend, vend.token.digits, now)
            vend.digits_sent_at = now
            vend.save(update_fields=["digits_sent_at"])
    return len(vends)
