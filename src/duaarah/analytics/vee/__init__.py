# SPDX-License-Identifier: Apache-2.0
"""Validation, estimation and editing over the interval store: `core.quality` run over a UTC day of all meters."""
