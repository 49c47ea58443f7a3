# SPDX-License-Identifier: Apache-2.0
"""What an operator does to an outage, each audited: an expected end, declared wide, closed by hand. Entries."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from duaarah.audit import operations as audit
from duaarah.outages.models import Interruption, MeterSupply, Outage

AHEAD_MAX = dt.timedelta(days=7)
OPEN = (Outage.State.SUSPECTED, Outage.State.DECLARED)


class OutageRefused(Exception):
    """The deed was not done; `code` says why. Nothing was changed."""

    retryable = False

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def set_estimated_end(*, outage_id: int, end_at: dt.datetime | None, actor: str, now: dt.datetime) -> None:
    """
    Entry: what customers are told of its end from now on; None takes it away.

    Raises:
        OutageRefused: "not_open"; "bad_end": not in the future, or further than a week.
    """
    if end_at is not None and not now < end_at <= now + AHEAD_MAX:
        _refused("bad_end", "The expected end lies in the next seven days.", outage_id, actor, now)
    _do(outage_id, "outages.set_estimated_end", {"estimated_end_at": end_at}, actor, "", now)


def declare_wide(*, outage_id: int, actor: str, now: dt.datetime) -> None:
    """Entry: its notices are paced from the first one on. Raises OutageRefused: "not_open"."""
    _do(outage_id, "outages.declare_wide", {"wide": True}, actor, "", now)


def close_outage(*, outage_id: int, reason: str, actor: str, now: dt.datetime) -> None:
    """
    Entry: the supply is back by an operator's word; its open interruptions end now. A meter's word or log corrects it later.

    Raises:
        OutageRefused: "not_open", "no_reason".
    """
    if not reason.strip():
        _refused("no_reason", "Closing by hand needs a reason.", outage_id, actor, now)
    with transaction.atomic(durable=True):
        row = Outage.objects.select_for_update().get(pk=outage_id)
        if row.state in OPEN:
            row.state, row.ended_at, row.closed_at = Outage.State.CLOSED, max(now, row.began_at), now
            row.evidence = {**row.evidence, "closed_by": actor}
            row.save()
            _end_interruptions(row, now)
            _audit("outages.close_outage", row, actor, reason.strip(), now)
            return
    _refused("not_open", "The outage is over already.", outage_id, actor, now)


def _end_interruptions(row: Outage, now: dt.datetime) -> None:
    rows = list(row.interruptions.select_for_update().filter(superseded_at=None, ended_at=None).order_by("pk"))
    Interruption.objects.filter(pk__in=[one.pk for one in rows]).update(superseded_at=now)
    meters = [one.meter_id for one in rows]
    for one in rows:
        one.pk, one.ended_at, one.recorded_at = None, max(now, one.began_at), now
        one.version += 1
    Interruption.objects.bulk_create(rows)
    padam = MeterSupply.objects.filter(meter_id__in=meters, state=MeterSupply.State.PADAM)
    padam.update(state=MeterSupply.State.NYALA, since_at=now)


def _do(outage_id: int, verb: str, values: dict[str, object], actor: str, reason: str, now: dt.datetime) -> None:
    with transaction.atomic(durable=True):
        row = Outage.objects.select_for_update().get(pk=outage_id)
        if row.state in OPEN:
            for name, value in values.items():
                setattr(row, name, value)
            row.save(update_fields=list(values))
            _audit(verb, row, actor, reason, now, {name: str(value) for name, value in values.items()})
            return
    _refused("not_open", "The outage is over already.", outage_id, actor, now)


def _audit(
    verb: str, row: Outage, actor: str, reason: str, now: dt.datetime, detail: dict[str, str] | None = None
) -> None:
    audit.record(at=now, actor=actor, verb=verb, subject=f"outage:{row.pk}", reason=reason, detail=detail)


def _refused(code: str, message: str, outage_id: int, actor: str, now: dt.datetime) -> None:
    with transaction.atomic():
        audit.record_refusal(
            at=now, actor=actor, verb="outages.deed", subject=f"outage:{outage_id}", code=code, reason=message
        )
    raise OutageRefused(code, message)
