# SPDX-License-Identifier: Apache-2.0
"""Daily facts, each kind in a module of its own."""
