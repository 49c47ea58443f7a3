# SPDX-License-Identifier: Apache-2.0
"""Voltage and load of a local day, as facts in PostgreSQL with versions."""
