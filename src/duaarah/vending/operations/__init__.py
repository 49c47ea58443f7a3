# SPDX-License-Identifier: Apache-2.0
"""Verbs of the money protocol: top-up (T1, token, T2), notification, delivery (joins T4), wallet, sweeping."""

from duaarah.vending.operations.delivery import Delivery, record_delivery
from duaarah.vending.operations.issue import TopUpOutcome, record_outcome
from duaarah.vending.operations.notification import Sale, take_notification
from duaarah.vending.operations.sweep import resume_paid, send_digits_instead
from duaarah.vending.operations.top_up import obtain_token, take_payment, top_up
from duaarah.vending.operations.wallet import fill_wallet

__all__ = [
    "Delivery",
    "Sale",
    "TopUpOutcome",
    "fill_wallet",
    "obtain_token",
    "record_delivery",
    "record_outcome",
    "resume_paid",
    "send_digits_instead",
    "take_notification",
    "take_payment",
    "top_up",
]
