# SPDX-License-Identifier: Apache-2.0
"""Firmware of meters: taken with its maker's signature, rolled out in stages, resumed by the meter's own bitmap."""
