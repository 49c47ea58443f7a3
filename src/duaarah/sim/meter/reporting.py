# SPDX-License-Identifier: Apache-2.0
"""How a meter keeps to its SMS budget by itself: blocks and summaries on their days, so many words on its supply."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any

from duaarah.core.intent import DailySummary
from duaarah.core.smsplan import Overflow, PlanError, ReportingPlan, block_due, may_send_data, may_tell_fault
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure

# The package's months are those of the utility's time, wherever the meter hangs.
_WIB = timezone(timedelta(hours=7))
DAYS_KEPT = 7
_MWH_PER_WH = 1000
_POLICIES = (Overflow.BLOCK, Overflow.BORROW, Overflow.BILL)
_PLAN_OCTETS = 7


@dataclass(slots=True)
class Day:
    """What the meter gathers of one day. `voltage_sum_mv` over `samples`; the energy is counted from `from_mwh`."""

    date: str
    from_mwh: int
    voltage_min_mv: int = 0
    voltage_max_mv: int = 0
    voltage_sum_mv: int = 0
    samples: int = 0
    outages: int = 0
    out_s: int = 0
    demand_w: int = 0

    def sample(self, demand_w: int, voltage_mv: int) -> None:
        """One look at the supply."""
        self.voltage_min_mv = min(self.voltage_min_mv, voltage_mv) if self.samples else voltage_mv
        self.voltage_max_mv = max(self.voltage_max_mv, voltage_mv)
        self.voltage_sum_mv += voltage_mv
        self.samples += 1
        self.demand_w = max(self.demand_w, demand_w)

    def summary(self, used_mwh: int) -> DailySummary:
        """The day as it is told, when it is over."""
        measured = self.samples > 0
        return DailySummary(
            day_date=date.fromisoformat(self.date),
            energy_wh=(used_mwh - self.from_mwh) // _MWH_PER_WH,
            balance_wh=0,  # read when it is told
            voltage_min_mv=self.voltage_min_mv if measured else None,
            voltage_avg_mv=self.voltage_sum_mv // self.samples if measured else None,
            voltage_max_mv=self.voltage_max_mv if measured else None,
            outages=self.outages,
            out_s=self.out_s,
            demand_w=self.demand_w,
        )


@dataclass(slots=True)
class Reporting:
    """
    Non-volatile: what went this month, which block was the last, what waits in the log, and the days of the daily plan:
    the one that runs, those that are over but not told (DAYS_KEPT at most, older ones are lost), and as many that were.
    """

    plan: ReportingPlan
    month: date | None = None
    fault_sms: int = 0
    data_sms: int = 0
    events_kept: int = 0
    outages_kept: int = 0
    out_kept_s: int = 0
    block_sent_date: date | None = None
    outage_told: bool = False
    cut_at: datetime | None = None
    day: Day | None = None
    over: list[dict[str, Any]] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)

    def _turn_month(self, now: datetime) -> None:
        month = now.astimezone(_WIB).date().replace(day=1)
        if month != self.month:
            self.month, self.fault_sms, self.data_sms = month, 0, 0

    def _may_send(self, now: datetime) -> bool:
        """Whether the budget holds one more block or summary then; changes nothing."""
        gone = (self.data_sms, self.fault_sms)
        if now.astimezone(_WIB).date().replace(day=1) != self.month:
            gone = (0, 0)
        return may_send_data(self.plan, gone[0], fault_sent=gone[1])

    # -- faults ----------------------------------------------------------------------------------------------------

    def cut(self, now: datetime) -> bool:
        """The supply fails: whether an SMS goes. What does not go is kept."""
        self._turn_month(now)
        told = may_tell_fault(self.plan, self.fault_sms, ends=False, data_sent=self.data_sms)
        self.outage_told, self.cut_at = told, now
        self._count(told)
        self.outages_kept += not told
        if self.day is not None:
            self.day.outages += 1
        return told

    def restored(self, now: datetime) -> bool:
        """The supply is back: whether an SMS goes. The end of an outage that nobody heard of is no news."""
        self._turn_month(now)
        told = self.outage_told and may_tell_fault(self.plan, self.fault_sms, ends=True, data_sent=self.data_sms)
        away_s = 0 if self.cut_at is None else max(int((now - self.cut_at).total_seconds()), 0)
        self._count(told)
        if not self.outage_told:
            self.out_kept_s += away_s
        if self.day is not None and self.cut_at is not None:
            self.day.out_s += int((now - max(self.cut_at, self._midnight())).total_seconds())
        self.outage_told, self.cut_at = False, None
        return told

    def _count(self, told: bool) -> None:
        self.fault_sms += told
        self.events_kept += not told

    def _midnight(self) -> datetime:
        assert self.day is not None
        return datetime.combine(date.fromisoformat(self.day.date), datetime.min.time(), _WIB)

    # -- data ------------------------------------------------------------------------------------------------------

    def block_day(self, now: datetime) -> date | None:
        """The block that is due now and may go; None when there is none."""
        due = block_due(self.plan, now.astimezone(_WIB).date(), self.block_sent_date)
        return due if due is not None and self._may_send(now) else None

    def block_gone(self, day: date, now: datetime) -> None:
        """The block of this day was handed to the modem, the log's counts with it."""
        self._turn_month(now)
        self.block_sent_date = day
        self.events_kept = self.outages_kept = self.out_kept_s = 0
        self.data_sms += 1

    def close_day(self, now: datetime, used_mwh: int) -> None:
        """
        Midnight, or the first look after it: the day that ran is over and another runs. Without the daily plan no day
        is kept.
        """
        today = now.astimezone(_WIB).date().isoformat()
        if self.day is not None and self.day.date < today:
            if self.cut_at is not None:
                end_at = self._midnight() + timedelta(days=1)
                self.day.out_s += int((end_at - max(self.cut_at, self._midnight())).total_seconds())
            told = asdict(self.day.summary(used_mwh))
            self.over = [*self.over, {**told, "day_date": self.day.date, "at": None}][-DAYS_KEPT:]
        if not self.plan.daily:
            self.day = None
        elif self.day is None or self.day.date != today:  # a clock that was put back begins its day anew
            self.day = Day(today, used_mwh)

    def next_summary(self, now: datetime, balance_wh: int) -> DailySummary | None:
        """The oldest day that is over and may be told, with the credit of now; it is then gone."""
        if not self.over or not self.plan.daily or not self._may_send(now):
            return None
        self._turn_month(now)
        told, *self.over = self.over
        self.told = [*self.told, told][-DAYS_KEPT:]
        self.data_sms += 1
        return _summary(told, balance_wh)

    def told_again(self, day: int, balance_wh: int) -> DailySummary | None:
        """The summary of a day (year month day as a number) that is over, because somebody asked: the plan does not count it."""
        for kept in (*self.told, *self.over):
            if int(kept["day_date"].replace("-", "")) == day:
                return _summary(kept, balance_wh)
        return None

    # -- what survives ---------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """As JSON values, with the plan: it may have come over the air."""
        return {
            "plan": self.plan.values(),
            "month": self.month.isoformat() if self.month else None,
            "fault_sms": self.fault_sms,
            "data_sms": self.data_sms,
            "events_kept": self.events_kept,
            "outages_kept": self.outages_kept,
            "out_kept_s": self.out_kept_s,
            "block_sent_date": self.block_sent_date.isoformat() if self.block_sent_date else None,
            "outage_told": self.outage_told,
            "cut_at": self.cut_at.isoformat() if self.cut_at else None,
            "day": asdict(self.day) if self.day else None,
            "over": list(self.over),
            "told": list(self.told),
        }

    @classmethod
    def restored_from(cls, state: dict[str, Any]) -> Reporting:
        """From a former `state()`."""
        return cls(
            ReportingPlan.of_values(state["plan"]),
            date.fromisoformat(state["month"]) if state["month"] else None,
            state["fault_sms"],
            state["data_sms"],
            state["events_kept"],
            state["outages_kept"],
            state["out_kept_s"],
            date.fromisoformat(state["block_sent_date"]) if state["block_sent_date"] else None,
            state["outage_told"],
            datetime.fromisoformat(state["cut_at"]) if state["cut_at"] else None,
            Day(**state["day"]) if state["day"] else None,
            list(state["over"]),
            list(state.get("told", [])),
        )


def _summary(kept: dict[str, Any], balance_wh: int) -> DailySummary:
    return DailySummary(**{**kept, "day_date": date.fromisoformat(kept["day_date"]), "balance_wh": balance_wh})


def plan_written(value: Data, *, as_octets: bool) -> ReportingPlan:
    """
    The plan that a SET writes: {days, faults, data, policies}, or the same as seven octets.

    Raises:
        TypeError: not of this shape.
        PlanError: a plan that cannot be kept; the meter stays with its own.
    """
    if as_octets:
        if value.tag is not Tag.OCTET_STRING or len(value.value) != _PLAN_OCTETS:
            raise TypeError("Not seven octets.")
        numbers = [int.from_bytes(value.value[:4], "big"), *value.value[4:]]
    else:
        tags = [Tag.DOUBLE_LONG_UNSIGNED, Tag.UNSIGNED, Tag.UNSIGNED, Tag.UNSIGNED]
        if value.tag is not Tag.STRUCTURE or [element.tag for element in value.value] != tags:
            raise TypeError("Not a structure of four numbers.")
        numbers = [element.value for element in value.value]
    days, fault_sms, data_sms, policies = numbers
    faults, data = policies & 3, policies >> 2 & 3
    if max(faults, data) >= len(_POLICIES) or policies >> 5:
        raise PlanError("No such policy.")
    block_days = tuple(day for day in range(1, 33) if days >> (day - 1) & 1)
    return ReportingPlan(block_days, fault_sms, data_sms, _POLICIES[faults], _POLICIES[data], bool(policies & 0x10))


def plan_told(plan: ReportingPlan, *, as_octets: bool) -> Data:
    """A plan as a GET reads it: what `plan_written` takes."""
    days = sum(1 << (day - 1) for day in plan.block_days)
    policies = _POLICIES.index(plan.fault_overflow) | _POLICIES.index(plan.data_overflow) << 2 | plan.daily << 4
    small = (plan.fault_sms, plan.data_sms, policies)
    if as_octets:
        return octets(days.to_bytes(4, "big") + bytes(small))
    return structure(Data(Tag.DOUBLE_LONG_UNSIGNED, days), *(Data(Tag.UNSIGNED, number) for number in small))
