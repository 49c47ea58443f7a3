# SPDX-License-Identifier: Apache-2.0
"""Transformers and cables of an Indonesian low-voltage network: name plates and ohms."""

from __future__ import annotations

from dataclasses import dataclass

LOW_V, MEDIUM_V = 400.0, 20_000.0
TAP_STEP = 0.025


@dataclass(frozen=True, slots=True)
class Plate:
    """
    A three-phase transformer 20 kV / 400 V: rating (VA), loss without load and at rated load (W), short-circuit voltage and
    no-load current as shares of the rating.
    """

    rated_va: int
    no_load_w: float
    load_loss_w: float
    short_circuit: float = 0.04
    no_load_current: float = 0.023

    @property
    def base_ohm(self) -> float:
        return LOW_V**2 / self.rated_va

    @property
    def series_ohm(self) -> complex:
        """Of one phase, seen from the low-voltage side."""
        r = self.load_loss_w / self.rated_va
        return complex(r, (self.short_circuit**2 - r**2) ** 0.5) * self.base_ohm

    @property
    def shunt_s(self) -> complex:
        """Of one phase, seen from the low-voltage side: half of it sits on each side of the series impedance."""
        g = self.no_load_w / self.rated_va
        return complex(g, -((self.no_load_current**2 - g**2) ** 0.5)) / self.base_ohm


@dataclass(frozen=True, slots=True)
class Cable:
    """Ohms per kilometre of one phase conductor and of the neutral."""

    name: str
    phase_ohm_km: complex
    neutral_ohm_km: complex


# Twisted aluminium (NFA2X-T), warm; the neutral bears the bundle and has 55 mm2.
TRUNK = Cable("3x70+54.6", 0.53 + 0.10j, 0.75 + 0.10j)
BRANCH = Cable("3x35+54.6", 1.04 + 0.105j, 0.75 + 0.105j)
WEAK = Cable("2x16+16", 2.29 + 0.11j, 2.29 + 0.11j)
SERVICE = Cable("2x10", 3.66 + 0.11j, 3.66 + 0.11j)
SERVICE_3P = Cable("4x16", 2.29 + 0.11j, 2.29 + 0.11j)
# Bare aluminium alloy of 150 mm2 on 20 kV.
MEDIUM_OHM_KM = 0.2162 + 0.3305j
