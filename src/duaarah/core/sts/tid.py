# SPDX-License-Identifier: Apache-2.0
"""Token identifiers: whole minutes since a base date, 24 bits, with one reserved minute a day (IEC 62055-41, 6.3.5)."""

from __future__ import annotations

import datetime as dt

from duaarah.core.sts.errors import BadRequest, DateRange, FieldRange, KENExpired

BASE_DATES = (1993, 2014, 2035)
TID_MAX = (1 << 24) - 1
_DAY_MIN = 24 * 60
_RESERVED_MINUTE = 1


def check_base_date(year: int) -> int:
    """1993, 2014 or 2035. Raises BadRequest."""
    if year not in BASE_DATES:
        raise BadRequest("The base date is 1993, 2014 or 2035.")
    return year


def tid_at(at: dt.datetime, base_date: int) -> int:
    """
    The TID of a naive utility-local instant; seconds are cut and 00:01 takes the TID of 00:02.

    Raises:
        BadRequest: an instant with an offset.
        DateRange: before the base date or after its 24 bits end.
    """
    if at.tzinfo is not None:
        raise BadRequest("A token's time is naive utility-local time, without an offset.")
    elapsed = at - dt.datetime(check_base_date(base_date), 1, 1)  # noqa: DTZ001 - naive utility-local by definition
    tid = elapsed // dt.timedelta(minutes=1)
    if not 0 <= tid <= TID_MAX:
        raise DateRange(f"{at.isoformat()} lies outside the range of base date {base_date}.")
    return tid_not_reserved(tid)


def tid_not_reserved(tid: int) -> int:
    """The TID itself, or the next one where it falls on the reserved 00:01."""
    return tid + 1 if tid % _DAY_MIN == _RESERVED_MINUTE else tid


def instant_of(tid: int, base_date: int) -> dt.datetime:
    """The naive utility-local minute of a TID. Raises FieldRange beyond 24 bits."""
    if not 0 <= tid <= TID_MAX:
        raise FieldRange("A TID has 24 bits.")
    return dt.datetime(check_base_date(base_date), 1, 1) + dt.timedelta(minutes=tid)  # noqa: DTZ001


def ken_allows(tid: int, ken: int) -> bool:
    """Whether a key with this expiry number may make a token of this TID: the TID's top 8 bits are not above it."""
    return tid >> 16 <= ken


def check_ken(tid: int, ken: int) -> None:
    """Raises KENExpired when the key may no longer make a token of this TID."""
    if not ken_allows(tid, ken):
        raise KENExpired(f"The key expired: its KEN is {ken}, the token would need {tid >> 16}.")
