# SPDX-License-Identifier: Apache-2.0
"""Simulated prepaid meters: three kinds, real codecs, real token decoding; time and faults come from outside."""

from duaarah.sim.meter.meter import SimMeter
from duaarah.sim.meter.models import MODELS, MeterModel, UnknownModel, model
from duaarah.sim.meter.parts import Faults, MeterConfig
from duaarah.sim.meter.past import MeterPast

__all__ = [
    "MODELS",
    "Faults",
    "MeterConfig",
    "MeterModel",
    "MeterPast",
    "SimMeter",
    "UnknownModel",
    "model",
]
