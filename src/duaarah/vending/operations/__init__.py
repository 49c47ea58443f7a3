# SPDX-License-Identifier: Apache-2.0
"""Verbs of the money protocol: top-up (T1, token, T2), notification, delivery (joins T4), wallet, deposit, key change,
sweeping; and of the books: settlement, packages, tills, arrears, fees, corrections."""

from duaarah.vending.operations.arrears import open_arrears
from duaarah.vending.operations.commission import pay_commission
from duaarah.vending.operations.corrections import request_write_off, reverse_entry, write_off
from duaarah.vending.operations.delivery import Delivery, record_delivery
from duaarah.vending.operations.deposit import fill_deposit, set_channel_limits, set_channel_terms, set_credit
from duaarah.vending.operations.fees import book_connection_fee, give_compensation
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
from duaarah.vending.operations.packages import book_invoices, pay_share, receive_invoice_payment
from duaarah.vending.operations.settlement import settle_due
from duaarah.vending.operations.sweep import resume_paid, send_digits_instead
from duaarah.vending.operations.till import close_till
from duaarah.vending.operations.top_up import obtain_token, take_payment, top_up
from duaarah.vending.operations.wallet import fill_wallet

__all__ = [
    "Delivery",
    "Sale",
    "TopUpOutcome",
    "book_connection_fee",
    "book_invoices",
    "close_till",
    "fill_deposit",
    "fill_wallet",
    "give_compensation",
    "obtain_token",
    "open_arrears",
    "order_key_change",
    "pay_commission",
    "pay_share",
    "plan_key_change",
    "receive_invoice_payment",
    "record_delivery",
    "record_key_part",
    "record_outcome",
    "request_key_change",
    "request_write_off",
    "resume_key_changes",
    "resume_paid",
    "reverse_entry",
    "send_digits_instead",
    "set_channel_limits",
    "set_channel_terms",
    "set_credit",
    "settle_due",
    "take_notification",
    "take_payment",
    "top_up",
    "withdraw_key_change",
    "write_off",
]
