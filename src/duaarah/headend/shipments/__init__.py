# SPDX-License-Identifier: Apache-2.0
"""A maker's shipment of meters: read and checked row by row, its keys wrapped anew, then taken up as a whole."""
