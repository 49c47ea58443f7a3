# SPDX-License-Identifier: Apache-2.0
"""Loops, no rules: each worker claims rows, makes one call for each, and sleeps until it is woken."""
