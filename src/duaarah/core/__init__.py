# SPDX-License-Identifier: Apache-2.0
"""Pure numbers and rules: no framework, no socket, no clock, no randomness."""
