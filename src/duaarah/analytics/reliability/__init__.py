# SPDX-License-Identifier: Apache-2.0
"""SAIDI, SAIFI and their kin: daily facts from customers' interruptions, indices from facts."""
