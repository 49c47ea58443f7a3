# SPDX-License-Identifier: Apache-2.0
"""Selling for third parties: keys, sales with a host's semantics, tokens without money, tokens in the place of others."""

from duaarah.vending.operations.vendors.free_issue import begin_free_issue, request_free_issue, resume_free_issues
from duaarah.vending.operations.vendors.keys import make_vendor_key, revoke_vendor_key, vendor_of_key
from duaarah.vending.operations.vendors.replacement import replace_token
from duaarah.vending.operations.vendors.sale import close_unknown, sell

__all__ = [
    "begin_free_issue",
    "close_unknown",
    "make_vendor_key",
    "replace_token",
    "request_free_issue",
    "resume_free_issues",
    "revoke_vendor_key",
    "sell",
    "vendor_of_key",
]
