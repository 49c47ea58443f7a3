# SPDX-License-Identifier: Apache-2.0
"""Simulators and platform together: the demo's day, its invariants and its planted defects."""
