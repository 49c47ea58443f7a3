# SPDX-License-Identifier: Apache-2.0
"""Reading purchases and wallets."""

from __future__ import annotations

from duaarah.vending.models import Vend, Wallet


def latest_vend(*, meter_id: int) -> Vend | None:
    """The latest vend of a meter that has a token, with the token."""
    return Vend.objects.select_related("token").filter(meter_id=meter_id, token__isnull=False).order_by("-pk").first()


def wallet_balance_idr(*, holder_id: int) -> int:
    """Whole rupiah in a holder's wallet; 0 without one."""
    wallet = Wallet.objects.filter(holder_id=holder_id).first()
    return wallet.balance_sen // 100 if wallet else 0
