# SPDX-License-Identifier: Apache-2.0
"""The business clock: one row, anchor and rate. Only edges ask it; everything below takes `now` as a parameter."""
