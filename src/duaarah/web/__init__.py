# SPDX-License-Identifier: Apache-2.0
"""Interfaces for people and other systems: each translates and makes one call."""
