# SPDX-License-Identifier: Apache-2.0
"""Balances that are sums, read under a lock where a deed depends on them."""

from __future__ import annotations

from django.db import connection, transaction


class AmountTooHigh(Exception):
    """More than the account holds; nothing was booked."""

    code = "amount_too_high"
    retryable = False


def locked_balance_sen(code: str) -> int:
    """
    Joining: an account's balance (debit positive) while nobody else who asks so can change it; 0 without the account.

    The lock is on the account's row and is asked for by those only whose deed depends on the balance: bookings that do
    not are never held up. Locks of several accounts are taken by code.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A balance is locked in the transaction of its deed.")
    with connection.cursor() as cursor:
        # FOR NO KEY UPDATE: a line's foreign key takes FOR KEY SHARE, which it does not hold up.
        cursor.execute("SELECT id FROM vending_account WHERE code = %s FOR NO KEY UPDATE", [code])
        found = cursor.fetchone()
        if found is None:
            return 0
        cursor.execute("SELECT coalesce(sum(amount_sen), 0) FROM vending_ledgerline WHERE account_id = %s", [found[0]])
        (balance_sen,) = cursor.fetchone()
    return int(balance_sen)
