# SPDX-License-Identifier: Apache-2.0
"""Response codes (field 39) that the host gives, and the one refusal that carries them."""

from __future__ import annotations

OK = "0000"
OTHER = "0005"
PARTNER_BLOCKED = "0006"
OUTSIDE_ACCESS = "0008"
INACTIVE = "0009"
SIGN_ON_FIRST = "0011"
SETTLED_ALREADY = "0012"
NOT_REGISTERED = "0013"
UNKNOWN_NUMBER = "0014"
NO_BILL = "0015"
NUMBER_BLOCKED = "0016"
BAD_MESSAGE = "0030"
UNKNOWN_BANK = "0031"
UNKNOWN_SWITCHER = "0032"
UNKNOWN_PRODUCT = "0033"
BELOW_MINIMUM = "0041"
ABOVE_MAXIMUM = "0042"
WRONG_ADMIN = "0045"
DEPOSIT_EMPTY = "0046"
MONTH_CAP = "0047"
EXPIRED = "0048"
NO_SUCH_PAYMENT = "0063"
TIMEOUT = "0068"
COUNTER_ONLY = "0083"
PAID_ALREADY = "0088"
CUT_OFF = "0090"
WRONG_REFERENCE = "0092"
REVERSED = "0094"
DIFFERENT = "0097"
PLN_REF_INVALID = "0098"


class PPOBRefused(Exception):
    """Nothing moved by this message; `response` is what field 39 says. `recorded`: its audit line is written."""

    retryable = False

    def __init__(self, response: str, reason: str, *, recorded: bool = False) -> None:
        super().__init__(reason)
        self.response = response
        self.code = f"ppob_{response}"
        self.recorded = recorded
