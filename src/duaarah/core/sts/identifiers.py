# SPDX-License-Identifier: Apache-2.0
"""Meter identifiers: PAN, IIN, DRN/IAIN and their Luhn check digits (IEC 62055-41, 6.1.2; ISO/IEC 7812-1)."""

from __future__ import annotations

from duaarah.core.sts.errors import BadRequest, DRNLuhn, PANLength, PANLuhn

IIN_CLASSIC = "600727"
IIN_13_DIGIT = "0000"


def luhn_digit(payload: str) -> str:
    """The check digit of a string of digits: mod 10, the rightmost payload digit doubled."""
    total = 0
    for place, char in enumerate(reversed(payload)):
        value = int(char) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def check_drn(drn: str) -> str:
    """
    An 11- or 13-digit decoder reference number whose check digit is right; returned as given.

    Raises:
        BadRequest: not 11 or 13 digits.
        DRNLuhn: the check digit is wrong.
    """
    if len(drn) not in (11, 13) or not (drn.isascii() and drn.isdigit()):
        raise BadRequest("A meter number (DRN) is 11 or 13 digits.")
    if luhn_digit(drn[:-1]) != drn[-1]:
        raise DRNLuhn(f"The last digit of this meter number should be {luhn_digit(drn[:-1])}; please check it.")
    return drn


def check_pan(pan: str) -> str:
    """
    An 18-digit MeterPAN with both check digits right; returned as given.

    Raises:
        PANLength: not 18 digits.
        PANLuhn: its last digit is wrong.
        DRNLuhn: the check digit of the DRN within it is wrong.
    """
    if len(pan) != 18 or not (pan.isascii() and pan.isdigit()):
        raise PANLength("A MeterPAN is 18 digits.")
    if luhn_digit(pan[:-1]) != pan[-1]:
        raise PANLuhn(f"The last digit of this MeterPAN should be {luhn_digit(pan[:-1])}.")
    check_drn(drn_of(pan))
    return pan


def drn_of(pan: str) -> str:
    """The DRN inside a PAN: 13 digits behind IIN 0000, 11 digits behind a six-digit IIN."""
    return pan[4:17] if pan.startswith(IIN_13_DIGIT) else pan[6:17]


def pan_of(drn: str, *, iin: str = IIN_CLASSIC) -> str:
    """
    The MeterPAN of a DRN: IIN 600727 (or another six digits) for 11 digits, 0000 for 13.

    Raises:
        BadRequest, DRNLuhn: see `check_drn`.
    """
    check_drn(drn)
    payload = (IIN_13_DIGIT if len(drn) == 13 else iin) + drn
    return payload + luhn_digit(payload)
