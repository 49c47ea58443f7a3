# SPDX-License-Identifier: Apache-2.0
"""Dua Arah: two-way prepaid electricity (Listrik Pintar Komunikasi Dua Arah)."""

__version__ = "0.1.0"
