# SPDX-License-Identifier: Apache-2.0
"""Deeds of campaigns that need keys: made known where the key store is."""

from __future__ import annotations

from typing import Any

from duaarah.headend.campaigns import key_roll
from duaarah.headend.campaigns.deeds import Deed, add_deed
from duaarah.headend.ports import Driver
from duaarah.wiring.keystores import MeterKeyring, key_store


def _key_roll(_values: dict[str, Any], driver: Driver) -> Deed:
    return key_roll.KeyRoll(driver, MeterKeyring(key_store()))


def make_known() -> None:
    """Once a process; again changes nothing."""
    add_deed(key_roll.KIND, _key_roll)
