# SPDX-License-Identifier: Apache-2.0
"""Refusals of selling for third parties. Each leaves one audit line, and nothing has moved."""

from __future__ import annotations

from duaarah.vending.operations.top_up import TopUpRefused


class VendorRefused(TopUpRefused):
    """Nothing was sold, given or replaced. `code` is stable."""

    code = "vendor_refused"


class ScopeRefused(VendorRefused):
    """The key may not ask for this."""

    code = "scope_refused"


class MessageReused(VendorRefused):
    """The channel used this message id for something else."""

    code = "message_id_reused"


class MessageClosed(VendorRefused):
    """An advice found nothing under this message id and closed it: nothing is ever sold under it."""

    code = "message_closed"


class MessageUnknown(VendorRefused):
    """The channel never used this message id for that."""

    code = "message_unknown"


class CapReached(VendorRefused):
    """The meter's energy of this month would pass 720 hours of its contracted power (host: 0047)."""

    code = "cap_reached"


class AmountRefused(VendorRefused):
    """Energy to be given is a multiple of 0.1 kWh, more than none, and at most what may be bought in a month."""

    code = "amount_range"


class NoPerson(VendorRefused):
    """Nobody answers for this key: what a program asks for without money has a person behind it."""

    code = "no_person"


class EngineRefused(VendorRefused):
    """The STS engine refuses before any token is begun; its code and sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NotReplaceable(VendorRefused):
    """
    The token is not replaced. `code` says why:

    pending, token_still_valid, already_loaded, already_refunded, already_replaced, not_provable, same_key,
    not_same_customer, instalment_taken.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
