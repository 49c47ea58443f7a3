# SPDX-License-Identifier: Apache-2.0
"""Meters, modems, SIMs, their pairings in time, sites, and the network tree."""
