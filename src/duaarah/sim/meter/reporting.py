# SPDX-License-Identifier: Apache-2.0
"""How a meter keeps to its SMS budget by itself: blocks on their days, so many words on its supply, the rest in its log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

from duaarah.core.smsplan import ReportingPlan, block_due, may_tell_fault

# The package's months are those of the utility's time, wherever the meter hangs.
_WIB = timezone(timedelta(hours=7))


@dataclass(slots=True)
class Reporting:
    """Non-volatile: what went this month, which block was the last, and how many events wait in the log."""

    plan: ReportingPlan
    month: date | None = None
    fault_sms: int = 0
    events_kept: int = 0
    block_sent_date: date | None = None
    outage_told: bool = False

    def tell(self, now: datetime, *, ends: bool) -> bool:
        """Whether an SMS goes for the begin (or end) of an outage; what does not go is kept. Counts it."""
        month = now.astimezone(_WIB).date().replace(day=1)
        if month != self.month:
            self.month, self.fault_sms = month, 0
        # The end of an outage that nobody heard of is no news.
        told = may_tell_fault(self.plan, self.fault_sms, ends=ends) and (self.outage_told or not ends)
        self.outage_told = told and not ends
        self.fault_sms += told
        self.events_kept += not told
        return told

    def block_day(self, now: datetime) -> date | None:
        """The block that is due now; None when there is none."""
        return block_due(self.plan, now.astimezone(_WIB).date(), self.block_sent_date)

    def block_gone(self, day: date) -> None:
        """The block of this day was handed to the modem, the log's count with it."""
        self.block_sent_date, self.events_kept = day, 0

    def state(self) -> dict[str, Any]:
        """As JSON values, without the plan: that is the meter's configuration."""
        return {
            "month": self.month.isoformat() if self.month else None,
            "fault_sms": self.fault_sms,
            "events_kept": self.events_kept,
            "block_sent_date": self.block_sent_date.isoformat() if self.block_sent_date else None,
            "outage_told": self.outage_told,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a former `state()`."""
        self.month = date.fromisoformat(state["month"]) if state["month"] else None
        self.block_sent_date = date.fromisoformat(state["block_sent_date"]) if state["block_sent_date"] else None
        self.fault_sms, self.events_kept = state["fault_sms"], state["events_kept"]
        self.outage_told = state["outage_told"]
