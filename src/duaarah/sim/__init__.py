# SPDX-License-Identifier: Apache-2.0
"""The simulated world: meters, modems, an SMSC, a bank; it shares only the wire codecs with the platform."""
