# SPDX-License-Identifier: Apache-2.0
"""TMP: each customer's month from the ledger of his own interruptions, and the compensation that follows from it."""
