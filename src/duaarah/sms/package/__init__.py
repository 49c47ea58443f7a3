# SPDX-License-Identifier: Apache-2.0
"""The monthly SMS package: dated plans, subscriptions, what is left, statements, reconciliation."""
