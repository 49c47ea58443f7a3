# SPDX-License-Identifier: Apache-2.0
"""What people may see of the key registers: names, configurations and dates, never a key."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from duaarah.core.sts import KeyRegister, instant_of
from duaarah.wiring.keystores import key_store

_WIB = ZoneInfo("Asia/Jakarta")


def ken_ends_at(ken: int, base_date: int) -> dt.datetime:
    """The last minute of which a key with this expiry number may make a token: 256 steps of 65,536 minutes (WIB)."""
    return instant_of((ken + 1 << 16) - 1, base_date).replace(tzinfo=_WIB)


@dataclass(frozen=True, kw_only=True)
class RegisterFacts:
    """
    A register and when it may make tokens (WIB; None is no limit). `status` is active, not_yet_active, pending or expired;
    `check_value` "" where the key store gives none.
    """

    register: KeyRegister
    ken_ends_at: dt.datetime
    active_from_at: dt.datetime | None
    issued_until_at: dt.datetime | None
    status: str
    check_value: str


def register_facts(now: dt.datetime) -> list[RegisterFacts]:
    """Every register of the platform's key store, by name. Raises as key_store."""
    store = key_store()
    return [_facts(store, register, now) for register in store.registers()]


def _facts(store: Any, register: KeyRegister, now: dt.datetime) -> RegisterFacts:
    ends_at = ken_ends_at(register.ken, register.base_date)
    # A key store that knows activation, issued-until and check values gives them.
    limits = [getattr(register, name, None) for name in ("active_from", "issued_until")]
    active_from_at, issued_until_at = (at and at.replace(tzinfo=_WIB) for at in limits)
    status_at = getattr(register, "status_at", None)
    status = str(status_at(now.astimezone(_WIB).replace(tzinfo=None))) if status_at else "active"
    value = getattr(store, "check_value", None)
    return RegisterFacts(
        register=register,
        ken_ends_at=ends_at,
        active_from_at=active_from_at,
        issued_until_at=issued_until_at,
        status="expired" if ends_at < now else status,
        check_value=value(register.register_id) if value else "",
    )
