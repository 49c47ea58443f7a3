# SPDX-License-Identifier: Apache-2.0
"""The built-in SMSC: routes by the address range of each bind, stores and forwards, counts every segment."""

from duaarah.sim.smsc.server import SMSC

__all__ = ["SMSC"]
