# SPDX-License-Identifier: Apache-2.0
"""The identity and key configuration of a meter as a vend keeps them: fixed then, whatever becomes of the meter."""

from __future__ import annotations

from typing import Any

from duaarah.registry.models import Meter
from duaarah.vending.models import Vend
from duaarah.vending.ports import KeyTerms

COLUMNS = ("drn", "pan", "base_date", "sts_register", "dkga", "ea", "sgc", "ti", "krn", "kt", "ken")


def configuration_of(meter: Meter) -> dict[str, Any]:
    """The vend's columns that are copied from its meter."""
    return {name: getattr(meter, name) for name in COLUMNS}


def key_terms(row: Meter | Vend) -> KeyTerms:
    """
    The key configuration that a meter has now, or that was stored with a vend in T1.

    A key roll in between does not change the digits of a vend.
    """
    return KeyTerms(
        register=row.sts_register,
        dkga=row.dkga,
        ea=row.ea,
        sgc=row.sgc,
        ti=row.ti,
        krn=row.krn,
        kt=row.kt,
        ken=row.ken,
        base_date=row.base_date,
    )
