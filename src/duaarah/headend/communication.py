# SPDX-License-Identifier: Apache-2.0
"""How well a meter is heard: its frames with what they said, those that are missing, and how often it answers."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import connection

from duaarah.headend.models import Attempt, CounterGap, MeterEvent
from duaarah.registry.models import Pairing
from duaarah.sms.models import InboundSms

LOOKED_BACK = dt.timedelta(days=30)

_SUCCESS = """
SELECT
    (SELECT count(*) FROM headend_command WHERE meter_id = %(meter)s AND closed_at > %(since)s
        AND state IN ('ACKED', 'REJECTED')),
    (SELECT count(*) FROM headend_command WHERE meter_id = %(meter)s AND closed_at > %(since)s AND state = 'EXPIRED'),
    (SELECT count(*) FROM headend_meterevent WHERE meter_id = %(meter)s AND arrived_at > %(since)s),
    (SELECT coalesce(sum(last - first + 1), 0) FROM headend_countergap
        WHERE meter_id = %(meter)s AND noted_at > %(since)s AND closed_at IS NULL)
"""


@dataclass(frozen=True, kw_only=True)
class Success:
    """Of the last 30 days: orders answered and given up, frames that came and frames that are missing."""

    answered: int
    given_up: int
    came: int
    missing: int

    @property
    def answered_permille(self) -> int | None:
        """Of 1000 orders so many were answered; None without any."""
        return _permille(self.answered, self.given_up)

    @property
    def came_permille(self) -> int | None:
        """Of 1000 frames so many came; None without any."""
        return _permille(self.came, self.missing)


def _permille(good: int, bad: int) -> int | None:
    return good * 1000 // (good + bad) if good + bad else None


def success_of(*, meter_id: int, now: dt.datetime) -> Success:
    """See Success."""
    with connection.cursor() as cursor:
        cursor.execute(_SUCCESS, {"meter": meter_id, "since": now - LOOKED_BACK})
        answered, given_up, came, missing = cursor.fetchone()
    return Success(answered=answered, given_up=given_up, came=came, missing=int(missing))


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One SMS of the meter, and the event that it became; None when it was refused or waits."""

    sms: InboundSms
    event: MeterEvent | None


def frames_from(*, pairing: Pairing, kind: str, before: int | None, limit: int) -> list[Frame]:
    """
    The meter's SMS since it has this SIM, newest first, up to row `before`. `kind` is that of the event, `REFUSED` for
    those that were not taken, empty for all.
    """
    found = InboundSms.objects.filter(source=pairing.sim.msisdn, kind=InboundSms.Kind.BINARY)
    if pairing.valid.lower is not None:
        found = found.filter(arrived_at__gte=pairing.valid.lower)
    if before is not None:
        found = found.filter(pk__lt=before)
    if kind == "REFUSED":
        found = found.filter(state__in=[InboundSms.State.REFUSED, InboundSms.State.FAILED])
    elif kind:
        events = MeterEvent.objects.filter(meter_id=pairing.meter_id, kind=kind)
        found = found.filter(pk__in=events.values("inbound_id"))
    rows = list(found.order_by("-pk")[:limit])
    if not rows:
        return []
    # Events are partitioned by the machine's month: the oldest of these SMS says how far back to look.
    since = min(row.received_at for row in rows)
    events = MeterEvent.objects.filter(meter_id=pairing.meter_id, inbound__in=rows, recorded_at__gte=since)
    by_sms = {event.inbound_id: event for event in events}
    return [Frame(sms=row, event=by_sms.get(row.pk)) for row in rows]


def frames_to(*, meter_id: int, before: int | None, limit: int) -> list[Attempt]:
    """The frames that went to the meter, newest first, with their orders and segments."""
    found = Attempt.objects.filter(meter_id=meter_id).select_related("command", "segment")
    if before is not None:
        found = found.filter(pk__lt=before)
    return list(found.order_by("-pk")[:limit])


def open_gaps(*, meter_id: int, limit: int) -> list[CounterGap]:
    """Counters that are missing still, the latest first."""
    return list(CounterGap.objects.filter(meter_id=meter_id, closed_at=None).order_by("-last")[:limit])
