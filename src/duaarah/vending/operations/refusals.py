# SPDX-License-Identifier: Apache-2.0
"""Why a purchase is refused. None is retryable as it stands."""

from __future__ import annotations


class TopUpRefused(Exception):
    """Nothing was bought and no money moved."""

    code = "top_up_refused"


class NominalRefused(TopUpRefused):
    """The nominal is not one that is sold."""

    code = "wrong_nominal"


class WalletTooLow(TopUpRefused):
    """The wallet does not hold the nominal and its admin fee."""

    code = "wallet_too_low"

    def __init__(self, balance_idr: int) -> None:
        super().__init__("The wallet does not hold enough.")
        self.balance_idr = balance_idr


class DepositTooLow(TopUpRefused):
    """The channel's deposit does not hold the nominal and its admin fee."""

    code = "deposit_too_low"


class ChannelLimitPassed(TopUpRefused):
    """More than the channel may sell at once, or in a day."""

    code = "channel_limit"


class NoPrice(TopUpRefused):
    """No price can be made for this meter today."""

    code = "no_price"


class ReferenceReused(TopUpRefused):
    """The channel used this reference before for another meter or amount."""

    code = "reference_reused"
