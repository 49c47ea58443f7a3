# SPDX-License-Identifier: Apache-2.0
"""
Reliability indices after IEEE 1366: formulas over plain numbers. Durations are minutes or seconds as the names say.

An index whose denominator is 0 is undefined: None, never 0. Terms of the guide: N_T customers served, CI customers
interrupted (sustained), CMI customer minutes of interruption, CN distinct customers interrupted, L_T connected load.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

SUSTAINED_AFTER_S = 300  # longer than this is sustained; exactly five minutes are momentary
MED_BETAS = 2.5
_US_PER_MIN = 60_000_000


class TooFewDays(ValueError):
    """T_MED needs two days with SAIDI at least: a sample standard deviation of one value does not exist."""

    code = "too_few_days"


def is_sustained(duration_s: float) -> bool:
    """Longer than five minutes; exactly 5:00 is momentary."""
    return duration_s > SUSTAINED_AFTER_S


def ratio(part: float, whole: float) -> float | None:
    """part / whole, undefined (None) for a whole of 0."""
    return part / whole if whole else None


def average_served(served: Sequence[float]) -> float | None:
    """N_T of a period from the counts of its parts (months): their mean, the guide's reading. None of nothing."""
    return math.fsum(served) / len(served) if served else None


@dataclass(frozen=True, kw_only=True)
class SystemIndices:
    """
    The indices of one area and period; minutes where the name says so.

    Attributes:
        saifi: CI / N_T, interruptions a customer served.
        saidi_min: CMI / N_T.
        caidi_min: CMI / CI, undefined without interruptions; it is never averaged over areas or months.
        caifi: CI / CN.
        ctaidi_min: CMI / CN.
        asai: 1 - CMI / (N_T x minutes of the period).
        maifi: momentary interruptions of customers / N_T.
        maifi_e: momentary interruption events of customers / N_T.
    """

    ci: int
    cmi: float
    saifi: float | None
    saidi_min: float | None
    caidi_min: float | None
    caifi: float | None
    ctaidi_min: float | None
    asai: float | None
    maifi: float | None
    maifi_e: float | None


def system_indices(
    *,
    ci: int,
    cmi: float,
    customers_served: float,
    period_min: float,
    momentary: int = 0,
    momentary_events: int | None = None,
    distinct: int | None = None,
) -> SystemIndices:
    """
    All system indices from the period's sums.

    Args:
        ci: customers of sustained interruptions, each customer once an interruption.
        cmi: customer minutes of sustained interruptions.
        customers_served: N_T, the average number served in the period.
        period_min: minutes of the period.
        momentary: customers of momentary interruptions.
        momentary_events: customers of momentary interruption events; None: not known.
        distinct: CN, customers with at least one sustained interruption, each counted once; None: not known.
    """
    return SystemIndices(
        ci=ci,
        cmi=cmi,
        saifi=ratio(ci, customers_served),
        saidi_min=ratio(cmi, customers_served),
        caidi_min=ratio(cmi, ci),
        caifi=None if distinct is None else ratio(ci, distinct),
        ctaidi_min=None if distinct is None else ratio(cmi, distinct),
        asai=None if not customers_served or not period_min else 1 - cmi / (customers_served * period_min),
        maifi=ratio(momentary, customers_served),
        maifi_e=None if momentary_events is None else ratio(momentary_events, customers_served),
    )


def load_indices(interrupted: Iterable[tuple[float, float]], connected_kva: float) -> tuple[float | None, float | None]:
    """
    ASIFI and ASIDI (minutes), by connected load in place of customers.

    Args:
        interrupted: (kVA, seconds) of each interruption; momentary ones are left out.
        connected_kva: L_T.
    """
    sustained = [(kva, seconds) for kva, seconds in interrupted if is_sustained(seconds)]
    asifi = ratio(math.fsum(kva for kva, _ in sustained), connected_kva)
    asidi_min = ratio(math.fsum(kva * seconds / 60 for kva, seconds in sustained), connected_kva)
    return asifi, asidi_min


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A group of customers restored together in one event. Instants are aware; several steps share an event_id."""

    event_id: str
    start_at: dt.datetime
    end_at: dt.datetime
    customers: int

    @property
    def duration(self) -> dt.timedelta:
        # In UTC: Python subtracts wall clocks when both carry one zone object, wrong over a change of the clocks.
        return self.end_at.astimezone(dt.UTC) - self.start_at.astimezone(dt.UTC)


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Sums of a range of days. `daily_cmi` holds days with customer minutes only."""

    ci: int
    cmi: float
    momentary: int
    daily_cmi: dict[dt.date, float]


def tally(steps: Iterable[Step], zone: dt.tzinfo, first_date: dt.date, last_date: dt.date) -> Tally:
    """
    CI, CMI and momentary interruptions of the events that began on the local days of a range, both ends included.

    A step belongs to the local day of its event's earliest start, with its whole duration; events begun on other days are
    left out. Sustained is judged by each step's own duration.
    """
    steps = list(steps)
    began: dict[str, dt.datetime] = {}
    for step in steps:
        start_at = step.start_at.astimezone(dt.UTC)
        began[step.event_id] = min(start_at, began.get(step.event_id, start_at))
    ci = momentary = 0
    daily_us: defaultdict[dt.date, int] = defaultdict(int)  # whole microseconds: sums are exact in any order
    for step in steps:
        day = began[step.event_id].astimezone(zone).date()
        if not first_date <= day <= last_date:
            continue
        duration = step.duration
        if is_sustained(duration.total_seconds()):
            ci += step.customers
            daily_us[day] += step.customers * (duration // dt.timedelta(microseconds=1))
        else:
            momentary += step.customers
    return Tally(
        ci=ci,
        cmi=sum(daily_us.values()) / _US_PER_MIN,
        momentary=momentary,
        daily_cmi={day: us / _US_PER_MIN for day, us in sorted(daily_us.items()) if us},
    )


@dataclass(frozen=True, kw_only=True)
class MedThreshold:
    """Days with SAIDI used, mean and sample standard deviation of ln(SAIDI), and the threshold in minutes."""

    days_used: int
    alpha: float
    beta: float
    t_med: float


def t_med(daily_saidi_min: Iterable[float]) -> MedThreshold:
    """
    The threshold of major event days by the 2.5 beta method: exp(alpha + 2.5 beta) of the natural logarithms.

    Days without SAIDI are dropped, the standard deviation is the sample's (n - 1). A day is a major event day when its
    SAIDI is greater than the threshold. The guide takes five years of days; with fewer it is provisional.

    Raises:
        TooFewDays: fewer than two days have SAIDI.
    """
    used = [saidi for saidi in daily_saidi_min if saidi > 0]
    if len(used) < 2:
        raise TooFewDays(f"T_MED needs two days with SAIDI at least, here are {len(used)}.")
    if min(used) == max(used):  # exact: rounding must not make every one of equal days a major event day
        return MedThreshold(days_used=len(used), alpha=math.log(used[0]), beta=0.0, t_med=used[0])
    logs = [math.log(saidi) for saidi in used]
    alpha = math.fsum(logs) / len(logs)
    beta = math.sqrt(math.fsum((x - alpha) ** 2 for x in logs) / (len(logs) - 1))
    return MedThreshold(days_used=len(used), alpha=alpha, beta=beta, t_med=med_threshold(alpha, beta))


def med_threshold(alpha: float, beta: float) -> float:
    """T_MED = exp(alpha + 2.5 beta), minutes; infinite where a double does not hold it."""
    try:
        return math.exp(alpha + MED_BETAS * beta)
    except OverflowError:
        return math.inf


def med_days(daily_saidi_min: Mapping[dt.date, float], threshold_min: float) -> list[dt.date]:
    """The days whose SAIDI is greater than the threshold, in order."""
    return sorted(day for day, saidi in daily_saidi_min.items() if saidi > threshold_min)


def cemi(sustained_counts: Iterable[int], n: int, customers_served: float) -> float | None:
    """CEMI-n: share of the customers served with more than n sustained interruptions; one count a customer."""
    return ratio(sum(count > n for count in sustained_counts), customers_served)


def cemsmi(all_counts: Iterable[int], n: int, customers_served: float) -> float | None:
    """CEMSMI-n: share with more than n sustained interruptions and momentary events together; one count a customer."""
    return ratio(sum(count > n for count in all_counts), customers_served)


def celid_s(durations_min: Iterable[Sequence[float]], hours: float, customers_served: float) -> float | None:
    """CELID-s: share of the customers served with a single interruption of `hours` or more; one list a customer."""
    return ratio(sum(any(m >= hours * 60 for m in own) for own in durations_min), customers_served)


def celid_t(durations_min: Iterable[Sequence[float]], hours: float, customers_served: float) -> float | None:
    """CELID-t: share of the customers served whose interruptions sum to `hours` or more; one list a customer."""
    return ratio(sum(bool(own) and math.fsum(own) >= hours * 60 for own in durations_min), customers_served)


def momentary_events(interruptions: Iterable[tuple[dt.datetime, dt.datetime]]) -> int:
    """
    Momentary interruption events of one customer: all operations that begin within five minutes of the first are one.

    A sequence that ends in a lockout, so in a sustained interruption, is part of that interruption and none of its own.

    Args:
        interruptions: start and end of each of the customer's interruptions, aware, in any order.
    """
    ordered = sorted((a.astimezone(dt.UTC), b.astimezone(dt.UTC)) for a, b in interruptions)
    events, at = 0, 0
    while at < len(ordered):
        first_at = ordered[at][0]
        locked_out = False
        while at < len(ordered) and (ordered[at][0] - first_at).total_seconds() <= SUSTAINED_AFTER_S:
            locked_out = locked_out or is_sustained((ordered[at][1] - ordered[at][0]).total_seconds())
            at += 1
        events += not locked_out
    return events
