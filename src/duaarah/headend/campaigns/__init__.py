# SPDX-License-Identifier: Apache-2.0
"""Campaigns: one order to thousands of meters, with a pace, a second look, and what became of each."""
