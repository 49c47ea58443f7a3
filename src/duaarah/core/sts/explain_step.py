# SPDX-License-Identifier: Apache-2.0
"""The record of one step of an explanation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Step:
    """
    `stage`: entry, class, cipher, fields, check or verdict. `name` is stable for scripts. `first` and `last` are the
    highest and lowest bit: of the 66-bit token in entry and class, of the 64-bit data block afterwards; None where no
    bits are meant. `bits` are those bits as 0 and 1 (x where a new key's are hidden), `value` what they are, `label` and
    `sentence` English msgids, `sentence % params` the meaning. Digits and bits stay out of a repr.
    """

    stage: str
    name: str
    first: int | None = field(repr=False)
    last: int | None = field(repr=False)
    bits: str = field(repr=False)
    value: str = field(repr=False)
    label: str = field(repr=False)
    sentence: str = field(repr=False)
    params: Mapping[str, str | int] = field(repr=False)

    @property
    def meaning(self) -> str:
        """The sentence in English, its places filled."""
        return self.sentence % self.params
