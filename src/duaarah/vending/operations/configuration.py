# SPDX-License-Identifier: Apache-2.0
"""The identity and key configuration of a meter as a vend keeps them: fixed then, whatever becomes of the meter."""

from __future__ import annotations

from typing import Any

from duaarah.registry.models import Meter

COLUMNS = ("drn", "pan", "base_date", "sts_register", "dkga", "ea", "sgc", "ti", "krn", "kt", "ken")


def configuration_of(meter: Meter) -> dict[str, Any]:
    """The vend's columns that are copied from its meter."""
    return {name: getattr(meter, name) for name in COLUMNS}
