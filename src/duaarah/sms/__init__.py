# SPDX-License-Identifier: Apache-2.0
"""SMPP binds, outbound segments, inbound SMS, receipts, and the append-only SMS package ledger."""
