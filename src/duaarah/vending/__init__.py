# SPDX-License-Identifier: Apache-2.0
"""Quotes, payments, vends, tokens, ledger, wallets: the money protocol of a top-up."""
