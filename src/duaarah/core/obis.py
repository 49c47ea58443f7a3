# SPDX-License-Identifier: Apache-2.0
"""OBIS codes (IEC 62056-6-1): the six value groups A-F that name a quantity or an object in a meter."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FULL = re.compile(r"(\d{1,3})-(\d{1,3}):(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\*(\d{1,3}))?", re.ASCII)
_DOTTED = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})", re.ASCII)


class ObisError(ValueError):
    """The text or octets are not an OBIS code."""

    code = "bad_obis"
    retryable = False


@dataclass(frozen=True, slots=True, order=True)
class Obis:
    """Value groups A-F, each 0-255. F = 255 means "not used" and is left out of the text form."""

    a: int
    b: int
    c: int
    d: int
    e: int
    f: int = 255

    def __post_init__(self) -> None:
        for group in (self.a, self.b, self.c, self.d, self.e, self.f):
            if not 0 <= group <= 255:
                raise ObisError(f"An OBIS value group is 0 to 255, not {group}.")

    @classmethod
    def parse(cls, text: str) -> Obis:
        """Read `A-B:C.D.E`, `A-B:C.D.E*F` or `A.B.C.D.E.F`; raise ObisError on anything else."""
        match = _FULL.fullmatch(text) or _DOTTED.fullmatch(text)
        if match is None:
            raise ObisError("An OBIS code is written A-B:C.D.E, A-B:C.D.E*F or A.B.C.D.E.F.")
        return cls(*(int(group) for group in match.groups() if group is not None))

    @classmethod
    def from_octets(cls, octets: bytes) -> Obis:
        """Read the six octets of a COSEM logical name."""
        if len(octets) != 6:
            raise ObisError(f"A logical name has 6 octets, not {len(octets)}.")
        return cls(*octets)

    def to_octets(self) -> bytes:
        """The six octets of a COSEM logical name."""
        return bytes((self.a, self.b, self.c, self.d, self.e, self.f))

    def __str__(self) -> str:
        text = f"{self.a}-{self.b}:{self.c}.{self.d}.{self.e}"
        return text if self.f == 255 else f"{text}*{self.f}"


LOGICAL_DEVICE_NAME = Obis(0, 0, 42, 0, 0)
TOKEN_GATEWAY = Obis(0, 0, 19, 40, 0)
TOKEN_CREDIT = Obis(0, 0, 19, 10, 0)
