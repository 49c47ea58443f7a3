# SPDX-License-Identifier: Apache-2.0
"""Indonesian mobile numbers in one form (E.164 digits without the plus): 62 8... ; short codes stay as they are."""

from __future__ import annotations

import re

_CLEAN = re.compile(r"[\s().-]")
_MOBILE = re.compile(r"628\d{7,12}")
_SHORT_CODE = re.compile(r"[0-9]{3,6}")
_PREFIXES = ("0062", "62", "0", "")
_PREFIXES_AFTER_PLUS = ("62",)  # +81... is another country, not a bare 8


class MSISDNError(ValueError):
    """This is no mobile number that we know how to write to."""

    code = "msisdn"
    retryable = False


def canonical(number: str) -> str:
    """
    `62...` from +62, 0062, 62, 0 or a bare 8; digits only, 10 to 15 of them.

    Raises:
        MSISDNError: anything else.
    """
    cleaned = _CLEAN.sub("", number)
    digits = cleaned.removeprefix("+")
    if digits.isascii() and digits.isdigit():
        for prefix in _PREFIXES if digits == cleaned else _PREFIXES_AFTER_PLUS:
            if digits.startswith(prefix + "8"):
                candidate = "62" + digits[len(prefix) :]
                if _MOBILE.fullmatch(candidate):
                    return candidate
                break
    raise MSISDNError("This is not an Indonesian mobile number.")


def is_short_code(number: str) -> bool:
    """3 to 6 digits: never written in another form."""
    return _SHORT_CODE.fullmatch(number) is not None
