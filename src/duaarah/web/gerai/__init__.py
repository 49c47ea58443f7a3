# SPDX-License-Identifier: Apache-2.0
"""The till of a gerai or loket: sell from the float, print, close the day. Made for a phone."""
