# SPDX-License-Identifier: Apache-2.0
"""The outcome of validation and estimation: each interval's values, how good they are, and why, in stable words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from .block import Block, Floats, Ints
from .checks import Checked, check
from .faults import DEFAULT, DOUBTFUL, Fault, Rules, words
from .gaps import How, fill


class Quality(IntEnum):
    """Of a value. Its lower-case name is what a reading stores; EDITED is an operator's alone. ABSENT: nothing is said."""

    ABSENT = 0
    RAW = 1
    VALIDATED = 2
    ESTIMATED = 3
    EDITED = 4


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    Matrices (meters, intervals). A RAW value did not pass and nothing better is known; an implausible voltage or current
    is NaN (the raw reading keeps it); `changed`: energy or register is not as the meter told it.
    """

    energy_wh: Floats
    register_wh: Floats
    voltage_v: Floats
    current_a: Floats
    quality: NDArray[np.int8]
    faults: Ints
    how: NDArray[np.int8]
    changed: NDArray[np.bool_]


def judge(block: Block, rules: Rules = DEFAULT, checked: Checked | None = None) -> Verdict:
    """Checks a block and estimates what is missing or not believed."""
    checked = check(block, rules) if checked is None else checked
    filled = fill(block, checked, rules)
    faults = checked.faults
    energy_wh = filled.energy_wh
    # Not believed and nothing better to say: what the meter told stands, as raw.
    stands = np.isnan(energy_wh) & np.isfinite(block.energy_wh)
    energy_wh = np.where(stands, block.energy_wh, energy_wh)
    # The register as the meter shows it: over a rollover ours has more digits than its display.
    register = np.where(
        np.isfinite(checked.register_wh), block.register_wh, np.mod(filled.register_wh, rules.register_modulus_wh)
    )
    estimated = np.isfinite(energy_wh) & (filled.how > How.TOLD) & (filled.how < How.NOTHING) & ~stands
    quality = np.full(energy_wh.shape, Quality.VALIDATED, np.int8)
    quality[(faults & DOUBTFUL) != 0] = Quality.RAW
    quality[stands] = Quality.RAW
    # The energy agrees with what came later and only the register was mistold: the value is sound.
    quality[np.isfinite(checked.energy_wh) & np.isnan(checked.register_wh) & np.isfinite(block.register_wh)] = (
        Quality.VALIDATED
    )
    quality[estimated] = Quality.ESTIMATED
    nothing = np.isnan(energy_wh) & np.isnan(register)
    quality[nothing & ~block.present] = Quality.ABSENT
    quality[np.isnan(energy_wh) & block.present] = Quality.RAW
    bad_volts, bad_amperes = (faults & Fault.VOLTAGE) != 0, (faults & Fault.CURRENT) != 0
    return Verdict(
        energy_wh,
        register,
        np.where(bad_volts, np.nan, block.voltage_v),
        np.where(bad_amperes, np.nan, block.current_a),
        quality,
        faults,
        filled.how,
        estimated | (np.isfinite(block.register_wh) & np.isnan(checked.register_wh)),
    )


def reasons(faults: NDArray[np.int32], how: NDArray[np.int8]) -> NDArray[np.object_]:
    """The words of each pair of faults and way of estimation, e.g. `gap like-days`; empty: as the meter told it."""
    key = faults.astype(np.int64) * 16 + how
    kinds, place = np.unique(key, return_inverse=True)
    texts = np.array([_words(int(kind) >> 4, How(int(kind) & 15)) for kind in kinds], dtype=object)
    return texts[place.reshape(key.shape)] if len(kinds) else np.zeros(key.shape, object)


def _words(faults: int, how: How) -> str:
    return " ".join(word for word in (words(faults), "" if how is How.TOLD else how.word) if word)
