# SPDX-License-Identifier: Apache-2.0
"""
What the PPOB host does for a bank or switch, without its protocol: plain values in, dataclasses out, or PPOBRefused with
the response code of the phase.
"""

from duaarah.vending.operations.ppob.bill_inquiry import (
    PostpaidFound,
    RegistrationFound,
    inquire_postpaid,
    inquire_registration,
)
from duaarah.vending.operations.ppob.bills import Said, pay_postpaid, pay_registration, reverse
from duaarah.vending.operations.ppob.codes import PPOBRefused
from duaarah.vending.operations.ppob.gate import Caller, Gate, admit
from duaarah.vending.operations.ppob.inquiry import Customer, Found, inquire
from duaarah.vending.operations.ppob.journal import Line, keep_lines
from duaarah.vending.operations.ppob.new_bills import BillRefused, new_postpaid_bill, new_registration
from duaarah.vending.operations.ppob.partners import (
    PartnerRefused,
    ask_again,
    new_partner,
    set_partner_state,
)
from duaarah.vending.operations.ppob.purchase import advise, purchase
from duaarah.vending.operations.ppob.refusal import record_refused
from duaarah.vending.operations.ppob.sale import Receipt
from duaarah.vending.operations.ppob.unsold import NotUnsold, keep_unsold

__all__ = [
    "BillRefused",
    "Caller",
    "Customer",
    "Found",
    "Gate",
    "Line",
    "NotUnsold",
    "PPOBRefused",
    "PartnerRefused",
    "PostpaidFound",
    "Receipt",
    "RegistrationFound",
    "Said",
    "admit",
    "advise",
    "ask_again",
    "inquire",
    "inquire_postpaid",
    "inquire_registration",
    "keep_lines",
    "keep_unsold",
    "new_partner",
    "new_postpaid_bill",
    "new_registration",
    "pay_postpaid",
    "pay_registration",
    "purchase",
    "record_refused",
    "reverse",
    "set_partner_state",
]
