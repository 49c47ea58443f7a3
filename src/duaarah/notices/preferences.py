# SPDX-License-Identifier: Apache-2.0
"""What a phone may choose not to hear: low-credit warnings. Receipts and cut-offs always come."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from duaarah.audit import operations as audit
from duaarah.notices.models import OptOut


def stop_warnings(*, phone: str, meter_ids: list[int], now: dt.datetime) -> int:
    """Entry: no more low-credit warnings of these meters to this phone; returns for how many this is new."""
    kind = OptOut.Kind.LOW_CREDIT
    with transaction.atomic(durable=True):
        changed = 0
        for meter_id in sorted(meter_ids):
            _, made = OptOut.objects.get_or_create(
                phone=phone, meter_id=meter_id, kind=kind, defaults={"since_at": now}
            )
            if made:
                changed += 1
                _audit("notices.stop_warnings", phone, meter_id, now)
    return changed


def start_warnings(*, phone: str, meter_ids: list[int], now: dt.datetime) -> int:
    """Entry: low-credit warnings of these meters come to this phone again; returns for how many this is new."""
    with transaction.atomic(durable=True):
        rows = list(OptOut.objects.select_for_update().filter(phone=phone, meter_id__in=meter_ids).order_by("meter_id"))
        for row in rows:
            row.delete()
            _audit("notices.start_warnings", phone, row.meter_id, now)
    return len(rows)


def wants_no_warning(*, phone: str, meter_id: int) -> bool:
    """Whether this phone opted out of this meter's low-credit warnings."""
    return OptOut.objects.filter(phone=phone, meter_id=meter_id, kind=OptOut.Kind.LOW_CREDIT).exists()


def _audit(verb: str, phone: str, meter_id: int, now: dt.datetime) -> None:
    audit.record(at=now, actor=f"phone:...{phone[-3:]}", verb=verb, subject=f"meter:{meter_id}")
