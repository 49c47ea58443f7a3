# SPDX-License-Identifier: Apache-2.0
"""Verbs of the money protocol: top-up (T1, token, T2), notification, delivery (joins T4), wallet, key
change, sweeping."""

from duaarah.vending.operations.delivery import Delivery, record_delivery
from duaarah.vending.operations.deposit import fill_deposit, set_channel_terms
from duaarah.vending.operations.issue import TopUpOutcome, record_outcome
from duaarah.vending.operations.key_change import (
    order_key_change,
    plan_key_change,
    request_key_change,
    resume_key_changes,
    withdraw_key_change,
)
from duaarah.vending.operations.key_progress import record_key_part
from duaarah.vending.operations.notification import Sale, take_notification
from duaarah.vending.operations.sweep import resume_paid, send_digits_instead
from duaarah.vending.operations.top_up import obtain_token, take_payment, top_up
from duaarah.vending.operations.wallet import fill_wallet

__all__ = [
    "Delivery",
    "Sale",
    "TopUpOutcome",
    "fill_deposit",
    "fill_wallet",
    "obtain_token",
    "order_key_change",
    "plan_key_change",
    "record_delivery",
    "record_key_part",
    "record_outcome",
    "request_key_change",
    "resume_key_changes",
    "resume_paid",
    "send_digits_instead",
    "set_channel_terms",
    "take_notification",
    "take_payment",
    "top_up",
    "withdraw_key_change",
]
