# SPDX-License-Identifier: Apache-2.0
"""
The energy balance of a node: what came in, less own use, sold and sent on, is lost (susut).

Energy is the difference of registers where a meter's register runs through, the sum of its intervals where it does not.
Tokens sold are never sold energy: prepaid kWh are bought and used at different times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from duaarah.core.losses.panel import DAY_S, Array, Panel, fill_gaps

COMPLETENESS_MIN = 0.95
# So much of the input may be on the wrong day by clocks that disagree before the balance says nothing.
CLOCK_SHARE_MAX = 0.0025
# A register and its intervals agree within so much; more: the register was reset or is another meter's.
REGISTER_TOLERANCE, REGISTER_TOLERANCE_WH = 0.02, 50.0


@dataclass(frozen=True, slots=True)
class Balance:
    """
    Wh of one node over one span. `completeness`: readings present of those due, the total meter among them. `refusal`:
    why no verdict is given (None: one is), with `code` one of no_total, incomplete, clocks, negative.
    """

    input_wh: float
    sold_wh: float
    own_use_wh: float
    sent_on_wh: float
    completeness: float
    code: str = ""
    refusal: str | None = None

    @property
    def loss_wh(self) -> float:
        return self.input_wh - self.own_use_wh - self.sold_wh - self.sent_on_wh

    @property
    def loss_share(self) -> float | None:
        """Susut: of the energy received. None: nothing was received."""
        return self.loss_wh / self.input_wh if self.input_wh > 0 else None


def energy_of(panel: Panel) -> Array:
    """Wh of each customer's meter (meters,) over the whole panel; NaN: it was never read."""
    local = panel.end_s - panel.period_s + panel.offset_s
    filled = fill_gaps(panel.energy_wh, panel.register_wh, (local % DAY_S) // panel.period_s)
    out = filled.sum(axis=0)
    for m in range(len(out)):
        register = panel.register_wh[:, m]
        known = np.flatnonzero(np.isfinite(register))
        if not len(known) or not np.isfinite(out[m]):
            continue
        first, last = known[0], known[-1]
        # Before the first known register and after the last one only the intervals speak.
        ran = register[last] - register[first]
        inside = filled[first + 1 : last + 1, m].sum()
        if abs(ran - inside) <= max(REGISTER_TOLERANCE * inside, REGISTER_TOLERANCE_WH):
            out[m] = ran + filled[: first + 1, m].sum() + filled[last + 1 :, m].sum()
    return np.asarray(out)


def completeness_of(panel: Panel) -> float:
    """Readings present of those due; a reading is present when its energy or its register is."""
    steps, meters = panel.energy_wh.shape
    if not steps:
        return 0.0
    there = np.isfinite(panel.energy_wh) | np.isfinite(panel.register_wh)
    return float((there.sum() + np.isfinite(panel.total_wh).sum()) / (steps * (meters + 1)))


def balance(
    panel: Panel, *, own_use_wh: float = 0.0, sent_on_wh: float = 0.0, clock_lag_s: dict[int, int] | None = None
) -> Balance:
    """
    The balance of a panel. `clock_lag_s`: meters whose clock is known to be off, by so much; 0 is the total meter's key.
    """
    steps, _meters = panel.energy_wh.shape
    present = np.isfinite(panel.total_wh)
    each = energy_of(panel)
    sold = float(np.nansum(each))
    input_wh = float(panel.total_wh[present].sum())
    complete = completeness_of(panel)
    code, refusal = _refusal(panel, each, present.mean() if steps else 0.0, complete, clock_lag_s or {})
    if not refusal and input_wh - own_use_wh - sent_on_wh < sold * (1 - 0.02):
        code = "negative"
        refusal = "More energy left the node than came in: a feed-in, a meter that hangs elsewhere or a wrong factor."
    if 0 < present.sum() < steps:
        input_wh *= steps / present.sum()
    return Balance(input_wh, sold, own_use_wh, sent_on_wh, complete, code, refusal)


def _refusal(
    panel: Panel, each: Array, total_present: float, complete: float, lags: dict[int, int]
) -> tuple[str, str | None]:
    if total_present == 0:
        return "no_total", "No total meter: what came in is not known."
    if complete < COMPLETENESS_MIN or total_present < COMPLETENESS_MIN:
        least = min(complete, total_present)
        return (
            "incomplete",
            f"Only {least:.1%} of the readings are there; below {COMPLETENESS_MIN:.0%} nothing is said.",
        )
    never = np.isnan(each).sum()
    if never > (1 - COMPLETENESS_MIN) * len(each):
        return "incomplete", f"{never} of {len(each)} meters were never read."
    if lags.get(0):
        return "clocks", f"The total meter's clock is off by {abs(lags[0]) // 60} minutes."
    all_wh = np.nansum(each)
    span_s = max(len(panel.end_s) * panel.period_s, 1)
    moved = sum(
        np.nan_to_num(each[i]) * min(abs(lags[m]), span_s) / span_s
        for i, m in enumerate(panel.meter_ids)
        if lags.get(m)
    )
    if all_wh > 0 and moved / all_wh > CLOCK_SHARE_MAX:
        return (
            "clocks",
            f"Clocks of {len(lags)} meters disagree: {moved / all_wh:.2%} of the energy may be another day's.",
        )
    return "", None


def node_balance(
    parts: list[Balance], *, input_wh: float, own_use_wh: float, completeness: float, has_total: bool
) -> Balance:
    """
    A feeder or substation from its own total meter and what it sent on to the nodes below it (`parts`: their inputs).
    """
    sent = sum(p.input_wh for p in parts)
    complete = min([completeness, *(p.completeness for p in parts)])
    code, refusal = "", None
    if not has_total:
        code, refusal = "no_total", "No total meter: what came in is not known."
    elif complete < COMPLETENESS_MIN:
        code = "incomplete"
        refusal = f"Only {complete:.1%} of the readings are there; below {COMPLETENESS_MIN:.0%} nothing is said."
    elif any(p.code == "no_total" for p in parts):
        code, refusal = "no_total", "A node below has no total meter: what was sent on is not known."
    return Balance(input_wh, 0.0, own_use_wh, sent, complete, code, refusal)
