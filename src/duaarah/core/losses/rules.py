# SPDX-License-Identifier: Apache-2.0
"""
What a meter itself says that makes an inspection worth while. Each rule gives an indication with its reason, never proof.

`weight` orders a list: how much such a signal means by itself. All of it is counted over the days that were looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

COVER_DAYS_MIN_ZERO, TOKENLESS_DAYS_MIN, NEIGHBOURS_WH_DAY_MIN = 14, 90, 500.0
OPEN_WH_MIN, UNBALANCE_SHARE, UNBALANCE_A_MIN = 50.0, 0.2, 0.5


@dataclass(frozen=True, slots=True)
class Signals:
    """
    Of one meter. `cover_open`, `magnet`, `reverse`: how many such events. `relay_closed`, `balance_wh`: last known, None:
    not known. `open_wh`: drawn while the relay was open. `zero_days`: whole days with no use up to now while the meter
    was alive and supply was on. `neighbours_wh_day`: the median of its transformer. `tokenless_days`: since the last token
    was accepted, None: not known. `phase_a`, `neutral_a`: mean currents. `vacant`: known to be empty, or found so.
    """

    meter_id: int
    cover_open: int = 0
    magnet: int = 0
    reverse: int = 0
    relay_closed: bool | None = None
    balance_wh: float | None = None
    open_wh: float = 0.0
    zero_days: int = 0
    neighbours_wh_day: float = 0.0
    tokenless_days: int | None = None
    alive: bool = True
    phase_a: float | None = None
    neutral_a: float | None = None
    vacant: bool = False


@dataclass(frozen=True, slots=True)
class Indication:
    """`code` names the rule, `figure` what it counted (events, Wh, days, A): words are the page's."""

    code: str
    weight: float
    figure: float
    reason: str


def indications(signals: Signals) -> list[Indication]:
    """All that apply, the weightiest first."""
    s, out = signals, []

    def add(code: str, weight: float, figure: float, reason: str) -> None:
        out.append(Indication(code, weight, float(figure), reason))

    if s.open_wh >= OPEN_WH_MIN:
        add("use_relay_open", 8.0, s.open_wh, f"{s.open_wh / 1000:.2f} kWh were drawn while the relay was open.")
    if s.magnet:
        add("magnet", 6.0, s.magnet, f"A strong magnetic field was seen {s.magnet} times.")
    if s.reverse:
        add("reverse_current", 5.0, s.reverse, f"Current ran backwards {s.reverse} times.")
    if s.cover_open:
        add("cover_open", 4.0, s.cover_open, f"The cover was opened {s.cover_open} times.")
    if s.relay_closed and s.balance_wh is not None and s.balance_wh <= 0:
        add("closed_no_credit", 6.0, s.balance_wh, "The relay is closed though the credit is used up.")
    if s.alive and s.tokenless_days is not None and s.tokenless_days >= TOKENLESS_DAYS_MIN and not s.vacant:
        add("no_token", 3.0, s.tokenless_days, f"No token for {s.tokenless_days} days, and the meter is alive.")
    normal = s.neighbours_wh_day >= NEIGHBOURS_WH_DAY_MIN
    if s.alive and s.zero_days >= COVER_DAYS_MIN_ZERO and normal and not s.vacant:
        add("zero_use", 3.0, s.zero_days, f"No use for {s.zero_days} days while the neighbours use as ever.")
    if s.phase_a is not None and s.neutral_a is not None:
        gap, most = abs(s.phase_a - s.neutral_a), max(s.phase_a, s.neutral_a)
        if gap >= UNBALANCE_A_MIN and gap > UNBALANCE_SHARE * most:
            add("unbalance", 5.0, gap, f"Phase and neutral carry {gap:.1f} A unlike currents.")
    return sorted(out, key=lambda i: (-i.weight, i.code))
