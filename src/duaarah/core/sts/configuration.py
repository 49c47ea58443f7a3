# SPDX-License-Identifier: Apache-2.0
"""The key configuration of a token: everything but the vending key that decides a decoder key (IEC 62055-41, 6.1)."""

from __future__ import annotations

from dataclasses import dataclass

from duaarah.core.sts.errors import BadRequest
from duaarah.core.sts.tid import check_base_date


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyConfiguration:
    """DKGA 02 or 04, EA 07 or 11, SGC 6 digits, TI 2 digits, KRN 1-9, KT 0-3, KEN 0-255, base date 1993/2014/2035."""

    dkga: str
    ea: str
    sgc: str
    ti: str
    krn: int
    kt: int
    ken: int
    base_date: int

    def __post_init__(self) -> None:
        checks = (
            (self.dkga in ("02", "04"), "The DKGA is 02 or 04."),
            (self.ea in ("07", "11"), "The EA is 07 or 11."),
            (not (self.dkga == "02" and self.ea == "11"), "DKGA02 makes keys for EA07 only."),
            (_digits(self.sgc, 6), "A supply group code is 6 digits."),
            (_digits(self.ti, 2), "A tariff index is 2 digits."),
            (1 <= self.krn <= 9, "A key revision number is 1 to 9."),
            (0 <= self.kt <= 3, "A key type is 0 to 3."),
            (0 <= self.ken <= 255, "A key expiry number is 0 to 255."),
        )
        for fine, sentence in checks:
            if not fine:
                raise BadRequest(sentence)
        check_base_date(self.base_date)


def _digits(text: str, length: int) -> bool:
    return len(text) == length and text.isascii() and text.isdigit()
