# SPDX-License-Identifier: Apache-2.0
"""Figures and numbers that several answers show."""

from __future__ import annotations

from duaarah.core.tariff import NOMINALS_IDR
from duaarah.registry.models import Pairing


def nominals() -> str:
    """The nominals that are sold, as short as an SMS needs them."""
    return ", ".join(thousands(amount_idr) for amount_idr in NOMINALS_IDR)


def thousands(amount_idr: int) -> str:
    """`50rb`, `1jt`."""
    return f"{amount_idr // 1_000_000}jt" if amount_idr >= 1_000_000 else f"{amount_idr // 1000}rb"


def virtual_account(pairing: Pairing) -> str:
    """Where the holder's wallet is filled: the idpel behind the biller's prefix."""
    return f"888{pairing.meter.customer.idpel}" if pairing.meter.customer else "-"
