# SPDX-License-Identifier: Apache-2.0
"""Keeping the supply state of a meter (joining)."""

from __future__ import annotations

import datetime as dt

from duaarah.outages.models import MeterSupply


def record_supply(*, meter_id: int, state: str, now: dt.datetime) -> bool:
    """Note a meter's supply state; False when it was in this state already (its start is kept then)."""
    current, made = MeterSupply.objects.get_or_create(meter_id=meter_id, defaults={"state": state, "since_at": now})
    if made:
        return True
    if current.state == state:
        return False
    MeterSupply.objects.filter(pk=meter_id).update(state=state, since_at=now)
    return True
