# SPDX-License-Identifier: Apache-2.0
"""Append-only, hash-chained record of who did what and why."""
