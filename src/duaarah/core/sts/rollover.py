# SPDX-License-Identifier: Apache-2.0
"""Which meters need a key change, why, by when and with what: before a KEN or a base date ends, or towards a target key."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from duaarah.core.sts.configuration import KeyConfiguration
from duaarah.core.sts.decode import KT_DDTK
from duaarah.core.sts.errors import BadRequest
from duaarah.core.sts.identifiers import drn_of
from duaarah.core.sts.tid import BASE_DATES, TID_MAX, check_base_date, instant_of

TOKENS = {"07": 2, "11": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The key that meters should have; None = as it is. Raises BadRequest for values that no key has."""

    sgc: str | None = None
    krn: int | None = None
    base_date: int | None = None

    def __post_init__(self) -> None:
        if self.sgc is not None and not (len(self.sgc) == 6 and self.sgc.isascii() and self.sgc.isdigit()):
            raise BadRequest("A supply group code is 6 digits.")
        if self.krn is not None and not 1 <= self.krn <= 9:
            raise BadRequest("A key revision number is 1 to 9.")
        if self.base_date is not None:
            check_base_date(self.base_date)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChangeDue:
    """
    One meter of the plan. `reason`: expired, base_date_ends, ken_ends, default_key or target. `ends_at` is the last minute
    (naive, utility-local) of the present key. `ro` 1 makes the meter forget its TIDs: the base date changes.
    """

    order: int
    pan: str
    drn: str
    reason: str
    ends_at: dt.datetime
    ea: str
    tokens: int
    ro: int
    sgc: str
    ti: str
    krn: int
    base_date: int
    new_sgc: str
    new_krn: int | None
    new_base_date: int


def key_ends_at(configuration: KeyConfiguration) -> dt.datetime:
    """The last minute in which this key may make a token: its KEN's end, at most its base date's."""
    return instant_of(min(configuration.ken << 16 | 0xFFFF, TID_MAX), configuration.base_date)


def plan(
    meters: Iterable[tuple[str, KeyConfiguration]], *, now: dt.datetime, within: dt.timedelta, target: Target
) -> tuple[KeyChangeDue, ...]:
    """
    The meters (PAN, present configuration) that need a key change, the most urgent first.

    `now` is naive utility-local. Where no new KRN is given, a key that ends needs one that is not known here: None.

    Raises:
        BadRequest: the target's base date has not begun.
    """
    if target.base_date is not None and now.year < target.base_date:
        raise BadRequest(f"The base date {target.base_date} has not begun; no token could be made with such a key.")
    due = []
    for pan, configuration in meters:
        reason = _reason(configuration, now, within, target)
        if reason is not None:
            due.append((key_ends_at(configuration), pan, configuration, reason))
    due.sort(key=lambda item: item[:2])
    return tuple(_due(order, item, now, target) for order, item in enumerate(due, start=1))


def _reason(c: KeyConfiguration, now: dt.datetime, within: dt.timedelta, target: Target) -> str | None:
    ends_at = key_ends_at(c)
    if ends_at < now:
        return "expired"
    if ends_at <= now + within:
        return "base_date_ends" if c.ken == TID_MAX >> 16 else "ken_ends"
    if c.kt == KT_DDTK:
        return "default_key"
    wanted = ((target.sgc, c.sgc), (target.krn, c.krn), (target.base_date, c.base_date))
    return "target" if any(new is not None and new != old for new, old in wanted) else None


def _due(
    order: int, item: tuple[dt.datetime, str, KeyConfiguration, str], now: dt.datetime, target: Target
) -> KeyChangeDue:
    ends_at, pan, c, reason = item
    new_base_date = target.base_date or c.base_date
    base_ends = instant_of(TID_MAX, c.base_date)
    if (
        target.base_date is None
        and reason in ("expired", "base_date_ends")
        and (base_ends < now or base_ends == ends_at)
    ):
        # The newest base date that has begun: an old one may have been over for long.
        new_base_date = max(year for year in BASE_DATES if year <= max(now.year, c.base_date))
    same_key = target.krn is None and reason != "target" and reason != "default_key"
    return KeyChangeDue(
        order=order,
        pan=pan,
        drn=drn_of(pan),
        reason=reason,
        ends_at=ends_at,
        ea=c.ea,
        tokens=TOKENS[c.ea],
        ro=int(new_base_date != c.base_date),
        sgc=c.sgc,
        ti=c.ti,
        krn=c.krn,
        base_date=c.base_date,
        new_sgc=target.sgc or c.sgc,
        new_krn=None if same_key else target.krn or c.krn,
        new_base_date=new_base_date,
    )
