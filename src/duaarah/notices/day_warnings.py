# SPDX-License-Identifier: Apache-2.0
"""Forecasts computed, and the warning that follows from them: a day before the credit is gone, whatever the threshold is."""

from __future__ import annotations

import datetime as dt
import logging

from django.db import transaction

from duaarah.core.smsplan import Bucket
from duaarah.notices.auto.watch import wake_rules
from duaarah.notices.covered import is_covered
from duaarah.notices.forecasts import BATCH_MAX, DAYS_MIN, FRESH, compute_claimed, note_warning, notice_due
from duaarah.notices.models import Forecast
from duaarah.notices.operations import queue_low_credit
from duaarah.notices.preferences import wants_no_warning
from duaarah.registry.access import pairing_of_meter
from duaarah.sms.operations.enqueue import package_month
from duaarah.sms.package.queries import meter_month

LOG = logging.getLogger(__name__)
# What a top-up takes of the package: the meter's push, a warning, the frame, its answer, the receipt.
TOP_UP_SMS = 5


def compute_due(*, now: dt.datetime, limit: int = BATCH_MAX) -> int:
    """
    Entry: compute the days left of up to `limit` meters that have spoken, and warn whose credit ends soon; how many.

    Whoever reports while this runs waits for its end and marks the meter again: no reading is left out.
    """
    with transaction.atomic(durable=True):
        rows = compute_claimed(now=now, limit=limit)
        wake_rules(meter_ids=[row.meter_id for row in rows], now=now)
        warned = sum(warn_by_days(row, now) for row in rows)
    if warned:
        LOG.info("%d meters warned by days left", warned)
    return len(rows)


def warn_by_days(row: Forecast, now: dt.datetime) -> bool:
    """Joining: one warning when the credit may end before tomorrow's look; False where none is due or wanted."""
    fresh = row.as_of_at is not None and now - row.as_of_at <= FRESH
    if row.warned_at is not None or not fresh or row.days_known < DAYS_MIN or not row.balance_wh or not notice_due(row):
        return False
    pairing = pairing_of_meter(meter_id=row.meter_id, at=now)
    if pairing is None or wants_no_warning(phone=pairing.phone, meter_id=row.meter_id):
        return False
    if is_covered(meter_id=row.meter_id):
        return False
    if not _in_the_package(row.meter_id, now):
        return False
    left = row.left_at(now)
    queue_low_credit(pairing=pairing, remaining_wh=row.balance_wh, days=left.days if left else None, now=now)
    note_warning(meter_id=row.meter_id, by_days=True, now=now)
    return True


def _in_the_package(meter_id: int, now: dt.datetime) -> bool:
    """Whether the month's SMS for tokens still hold a whole top-up; who has no package is told as before."""
    month = meter_month(meter_id, package_month(now))
    return month is None or month.budget.counts[Bucket.TOKEN] - month.spent[Bucket.TOKEN].used >= TOP_UP_SMS
