# SPDX-License-Identifier: Apache-2.0
"""Losses of a local day and node as facts in PostgreSQL with versions; indications, and what people decide about them."""
