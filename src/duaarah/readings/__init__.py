# SPDX-License-Identifier: Apache-2.0
"""Interval values of meters as they land: one row a meter, channel and interval, for each value that was ever told."""
