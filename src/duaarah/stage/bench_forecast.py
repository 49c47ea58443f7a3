# SPDX-License-Identifier: Apache-2.0
"""
`bench forecast`: days left against the mean of 7 and of 28 days, day by day through a year of each household. No database.

Every forecast sees only the days before it. Errors of the next day are shares of the household's mean day, errors of days
left are days: a credit is set that really ends after k days, and each method says when. `missed_warnings`: the household
buys ten days' worth whenever it has run out, is looked at once a day, and is missed when no look a day or more before the
end said so. Methods without a band warn at as many days, as ours does at the lower end of its band.
"""

from __future__ import annotations

import csv
import datetime as dt
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from duaarah.core.forecast import (
    HISTORY_DAYS,
    KWH_MAX,
    NOTICE_DAYS,
    WEEK,
    Pace,
    days_left,
    lasts,
    needs_notice,
)

METHODS = ("ours", "mean_7", "mean_28")
WARM_UP_DAYS = 28
HORIZONS_DAYS = (3, 7, 14, 30)
SPEED_DAYS, SPEED_S = 10, 1.0
CREDIT_DAYS = (5.3, 10.0, 14.7)
INSTALL = (
    "bench forecast needs the extra oracle (simbench): .venv/bin/pip install --require-hashes -r requirements-oracle.lock;"
    " or bring a file of your own with --csv FILE."
)
# The rules were tuned on the first; on the others they are only measured.
SIMBENCH_SETS = {
    "simbench_households_tuned_on": ("H0-A", "H0-C", "H0-H"),
    "simbench_households": ("H0-B", "H0-G", "H0-L"),
    "simbench_businesses": (
        *("G0-A", "G0-M", "G1-A", "G1-B", "G1-C", "G2-A", "G3-A", "G3-H", "G3-M", "G4-A", "G4-B", "G4-H", "G4-M"),
        *("G5-A", "G6-A"),
    ),
    "simbench_farms": ("L0-A", "L1-A", "L2-A", "L2-M"),
}
SIMBENCH_FIRST = dt.date(2016, 1, 1)
QUARTERS = 96
Record = dict[str, Any]


class ExtraMissing(Exception):
    """simbench is not installed; the message says how to."""

    code = "extra_missing"


class BadFile(ValueError):
    """The file is no list of households' days; the message names the line."""

    code = "bad_file"


@dataclass(frozen=True, kw_only=True)
class Household:
    """A series of daily use, oldest first; None is an excluded day. `weekday` is that of the first day, 0 = Monday."""

    name: str
    weekday: int
    daily_kwh: list[float | None]


@dataclass
class Tally:
    """What one set has shown so far, by method (and horizon)."""

    next_day: dict[str, list[float]] = field(default_factory=lambda: {m: [] for m in METHODS})
    left: dict[tuple[str, int], list[float]] = field(
        default_factory=lambda: {(m, k): [] for m in METHODS for k in HORIZONS_DAYS}
    )
    inside: dict[int, list[bool]] = field(default_factory=lambda: {k: [] for k in HORIZONS_DAYS})
    # Days between the first warning and the end; None: missed.
    notice: dict[str, list[float | None]] = field(default_factory=lambda: {m: [] for m in METHODS})


def run(csv_path: Path | None = None) -> Iterator[Record]:
    """
    The figures of each set of households, simbench's or a file's.

    Raises:
        ExtraMissing: no file is given and simbench is not installed.
        BadFile, OSError: the file cannot be read.
    """
    sets = {csv_path.stem: from_csv(csv_path)} if csv_path is not None else from_simbench()
    for name, households in sets.items():
        tally = Tally()
        for household in households:
            _walk(household, tally)
            _warnings(household, tally)
        days = sum(len(household.daily_kwh) for household in households)
        for figure in _figures(tally):
            yield {
                "bench": "forecast",
                **figure,
                "cores": 1,
                "set": name,
                "households": len(households),
                "days": days,
            }
    yield _speed(households)


def _speed(households: Sequence[Household]) -> Record:
    """Days left of the longest history that counts, as it is computed when a reading arrives."""
    longest = max(households, key=lambda household: len(household.daily_kwh))
    daily = longest.daily_kwh[-HISTORY_DAYS:]
    credit_kwh = SPEED_DAYS * sum(used or 0 for used in daily) / len(daily)
    begin_s, count = time.perf_counter(), 0
    while time.perf_counter() - begin_s < SPEED_S:
        days_left(daily_kwh=daily, weekday_of_first=longest.weekday, credit_kwh=credit_kwh)
        count += 1
    per_s = count / (time.perf_counter() - begin_s)
    return {
        "bench": "forecast",
        "figure": "forecasts_per_s",
        "value": per_s,
        "unit": "1/s",
        "cores": 1,
        "days": len(daily),
    }


def from_simbench() -> dict[str, list[Household]]:
    """The year 2016 of simbench's measured households, businesses and farms, in kWh of a connection of 1 kW."""
    try:
        import simbench
    except ImportError as error:
        raise ExtraMissing(INSTALL) from error
    load = simbench.get_all_simbench_profiles(0)["load"]

    def series(code: str) -> Household:
        quarters = load[f"{code}_pload"].tolist()
        daily = [sum(quarters[at : at + QUARTERS]) / 4 for at in range(0, len(quarters), QUARTERS)]
        return Household(name=code, weekday=SIMBENCH_FIRST.weekday(), daily_kwh=daily)

    return {name: [series(code) for code in codes] for name, codes in SIMBENCH_SETS.items()}


def from_csv(path: Path) -> list[Household]:
    """
    Households of a file with a header and the columns `household,date,energy_kwh`.

    An empty `energy_kwh`, or a date that is not there, is an excluded day. Raises BadFile.
    """
    found: dict[str, dict[dt.date, float | None]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if not {"household", "date", "energy_kwh"} <= set(rows.fieldnames or ()):
            raise BadFile("The file begins with a line that names its columns: household,date,energy_kwh.")
        for row in rows:
            days = found.setdefault(row["household"] or "", {})
            try:
                date = dt.date.fromisoformat((row["date"] or "").strip())
                words = (row["energy_kwh"] or "").strip()
                used = float(words) if words else None
                if date in days or (used is not None and not 0 <= used <= KWH_MAX):
                    raise ValueError
            except ValueError as error:
                sentence = "a day of a household once, its date as 2026-11-25, its kWh not negative or empty"
                raise BadFile(f"Line {rows.line_num}: {sentence}.") from error
            days[date] = used
    if not found:
        raise BadFile("The file holds no day.")
    return [_household(name, days) for name, days in found.items()]


def _household(name: str, days: dict[dt.date, float | None]) -> Household:
    first, last = min(days), max(days)
    dates = (first + dt.timedelta(days=n) for n in range((last - first).days + 1))
    return Household(name=name, weekday=first.weekday(), daily_kwh=[days.get(date) for date in dates])


def _walk(household: Household, tally: Tally) -> None:
    """Errors of each day that is forecast, and of credits that really ended k days later."""
    daily = household.daily_kwh
    known = [used for used in daily if used is not None]
    mean = sum(known) / len(known) if known else 0.0
    for at in range(WARM_UP_DAYS, len(daily)):
        weeks = expected_weeks(daily, household.weekday, at)
        if weeks is None or mean <= 0:
            continue
        used = daily[at]
        if used is not None:
            for method in METHODS:
                tally.next_day[method].append((weeks[method][0] - used) / mean)
        for k in HORIZONS_DAYS:
            span = [one for one in daily[at : at + k] if one is not None]
            if len(span) < k or sum(span) <= 0:
                continue
            for method in METHODS:
                tally.left[method, k].append(lasts(sum(span), weeks[method]) - k)
            if at % WEEK == k % WEEK:
                found = _ours(household, at, sum(span))
                tally.inside[k].append(found.low is not None and found.low <= k <= (found.high or 0))


def expected_weeks(daily: Sequence[float | None], weekday: int, at: int) -> dict[str, list[float]] | None:
    """The seven days from `at` on as each method expects them; None as long as one of them knows nothing."""
    pace, begin = Pace(), max(0, at - HISTORY_DAYS)
    for day in range(begin, at):
        pace.learn(daily[day], (weekday + day) % WEEK)
    ours = pace.week_kwh((weekday + at) % WEEK)
    weeks = {"ours": ours} if ours else {}
    for method, back in (("mean_7", 7), ("mean_28", 28)):
        known = [used for used in daily[at - back : at] if used is not None]
        if known and sum(known) > 0:
            weeks[method] = [sum(known) / len(known)] * WEEK
    return weeks if len(weeks) == len(METHODS) else None


def _ours(household: Household, at: int, credit_kwh: float) -> Any:
    begin = max(0, at - HISTORY_DAYS)
    return days_left(
        daily_kwh=household.daily_kwh[begin:at],
        weekday_of_first=(household.weekday + begin) % WEEK,
        credit_kwh=credit_kwh,
    )


def _warnings(household: Household, tally: Tally) -> None:
    """Lives through the year with tokens of several sizes, and notes the notice that each exhaustion had."""
    known = [used for used in household.daily_kwh if used is not None]
    if not known or sum(known) <= 0:
        return
    for days in CREDIT_DAYS:
        _live(household, tally, days * sum(known) / len(known))


def _live(household: Household, tally: Tally, token_kwh: float) -> None:
    credit_kwh, warned = token_kwh, dict.fromkeys(METHODS, math.inf)
    for at in range(WARM_UP_DAYS, len(household.daily_kwh)):
        for method in METHODS:
            if warned[method] == math.inf and _would_warn(household, at, credit_kwh, method):
                warned[method] = at
        used = household.daily_kwh[at]
        if used is None:
            continue
        if credit_kwh > used:
            credit_kwh -= used
            continue
        ended = at + (credit_kwh / used if used else 0.0)
        for method in METHODS:
            notice = ended - warned[method]
            tally.notice[method].append(notice if notice >= 1 else None)
        # The rest of the day is used from the new token, as many of them as it takes.
        credit_kwh = token_kwh * math.ceil((used - credit_kwh) / token_kwh + 1e-9) - (used - credit_kwh)
        warned = dict.fromkeys(METHODS, math.inf)


def _would_warn(household: Household, at: int, credit_kwh: float, method: str) -> bool:
    if method == "ours":
        return needs_notice(_ours(household, at, credit_kwh))
    back = int(method.removeprefix("mean_"))
    known = [used for used in household.daily_kwh[at - back : at] if used is not None]
    return bool(known) and credit_kwh < NOTICE_DAYS * sum(known) / len(known)


def _figures(tally: Tally) -> Iterator[Record]:
    for method in METHODS:
        for name, measure in (("rmse", rmse), ("mae", mae)):
            yield from _figure(f"next_day_{name}", measure(tally.next_day[method]), "1", method)
            for k in HORIZONS_DAYS:
                yield from _figure(f"days_left_{name}_at_{k}", measure(tally.left[method, k]), "d", method)
    for k in HORIZONS_DAYS:
        yield from _figure(f"band_holds_at_{k}", mean(tally.inside[k]), "1", "ours")
    for method in METHODS:
        notices = tally.notice[method]
        given = [days for days in notices if days is not None]
        missed = mean([days is None for days in notices])
        for record in _figure("missed_warnings", missed, "1", method):
            yield {**record, "count": len(notices)}
        yield from _figure("notice_mean", mean(given), "d", method)


def _figure(name: str, value: float | None, unit: str, method: str) -> Iterator[Record]:
    """A figure of nothing is left out: a file of ten days has no errors at thirty."""
    if value is not None:
        yield {"figure": name, "value": value, "unit": unit, "method": method}


def mean(values: Iterable[float]) -> float | None:
    """None of nothing."""
    all_of = list(values)
    return sum(all_of) / len(all_of) if all_of else None


def rmse(errors: Sequence[float]) -> float | None:
    """Root of the mean square."""
    square = mean(error * error for error in errors)
    return None if square is None else math.sqrt(square)


def mae(errors: Sequence[float]) -> float | None:
    """Mean of the absolute errors."""
    return mean(abs(error) for error in errors)
