# SPDX-License-Identifier: Apache-2.0
"""The supply state of every meter as last reported."""
