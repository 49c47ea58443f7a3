# SPDX-License-Identifier: Apache-2.0
"""The month's SMS budget of one meter: what its plan holds, what may go now, and where what went too far is booked.

Pure: counts of segments in, decisions out. Tokens never wait, whatever the policy of the other buckets is.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

BLOCK_FIRST_DAYS = (1, 11, 21)
# A bought daily-data package: one summary for each day of the longest month.
DAILY_SMS = 31
COUNT_MAX = 255


class PlanError(ValueError):
    """A plan that cannot be kept."""

    code = "bad_sms_plan"
    retryable = False


class Bucket(StrEnum):
    """What a counted segment is spent on."""

    TOKEN = "TOKEN"
    FAULT = "FAULT"
    DATA = "DATA"


class Overflow(StrEnum):
    """What happens when a bucket is empty: take from another one, wait for the next month, or pay for each."""

    BORROW = "BORROW"
    BLOCK = "BLOCK"
    BILL = "BILL"


class Verdict(StrEnum):
    """What the planner says of the next segment."""

    SEND = "SEND"
    SEND_BORROWED = "SEND_BORROWED"
    SEND_BILLED = "SEND_BILLED"
    WAIT = "WAIT"


# Who lends to whom, first lender first. Nobody borrows from the tokens: a token must find its own SMS.
LENDERS: Mapping[Bucket, tuple[Bucket, ...]] = {
    Bucket.TOKEN: (Bucket.DATA, Bucket.FAULT),
    Bucket.FAULT: (Bucket.DATA,),
    Bucket.DATA: (Bucket.FAULT,),
}


@dataclass(frozen=True, slots=True)
class Budget:
    """A month's segments by bucket, and the policy of each."""

    counts: Mapping[Bucket, int]
    overflow: Mapping[Bucket, Overflow]

    def __post_init__(self) -> None:
        if set(self.counts) != set(Bucket) or set(self.overflow) != set(Bucket):
            raise PlanError("A budget names each bucket once.")
        if min(self.counts.values()) < 0:
            raise PlanError("A budget is not negative.")
        if self.overflow[Bucket.TOKEN] is Overflow.BLOCK:
            raise PlanError("A token never waits: its bucket borrows or is billed.")


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, and the bucket that pays; None when nothing is sent or the segment is billed."""

    verdict: Verdict
    pays: Bucket | None


@dataclass(frozen=True, slots=True)
class Settlement:
    """One bucket at the month's end: segments of its own, borrowed, billed as extra, and left over after lending."""

    own: int
    borrowed: int
    billed: int
    left: int


def settle(budget: Budget, used: Mapping[Bucket, int]) -> dict[Bucket, Settlement]:
    """
    Where the segments that were used are booked. Own budget first; then borrowers in the order token, fault, data.

    A segment past a blocked bucket (a person's own report, which nobody can hold back) is billed.
    """
    over = {bucket: max(used.get(bucket, 0) - budget.counts[bucket], 0) for bucket in Bucket}
    left = {bucket: max(budget.counts[bucket] - used.get(bucket, 0), 0) for bucket in Bucket}
    borrowed = dict.fromkeys(Bucket, 0)
    for bucket in Bucket:
        if budget.overflow[bucket] is not Overflow.BORROW:
            continue
        for lender in LENDERS[bucket]:
            taken = min(over[bucket] - borrowed[bucket], left[lender])
            left[lender] -= taken
            borrowed[bucket] += taken
    return {
        bucket: Settlement(
            own=min(used.get(bucket, 0), budget.counts[bucket]),
            borrowed=borrowed[bucket],
            billed=over[bucket] - borrowed[bucket],
            left=left[bucket],
        )
        for bucket in Bucket
    }


def decide(budget: Budget, used: Mapping[Bucket, int], bucket: Bucket) -> Decision:
    """Whether the next segment of a bucket may go, and who pays. TOKEN never gets WAIT."""
    state = settle(budget, used)
    if state[bucket].left > 0:
        return Decision(Verdict.SEND, bucket)
    policy = budget.overflow[bucket]
    if policy is Overflow.BORROW:
        for lender in LENDERS[bucket]:
            if state[lender].left > 0:
                return Decision(Verdict.SEND_BORROWED, lender)
        # Nobody lends: a token is billed, anything else waits.
        return Decision(Verdict.SEND_BILLED, None) if bucket is Bucket.TOKEN else Decision(Verdict.WAIT, None)
    if policy is Overflow.BILL:
        return Decision(Verdict.SEND_BILLED, None)
    return Decision(Verdict.WAIT, None)


@dataclass(frozen=True, slots=True)
class ReportingPlan:
    """
    What a meter sends on its own: register blocks on these days of the month (a block covers the days before it),
    `daily` also a summary of each day, at most `data_sms` of both a month; and so many SMS on supply faults a month.
    Past a count its policy acts, in the meter itself. Credit and answers are not in it: they always go.
    """

    block_days: tuple[int, ...] = BLOCK_FIRST_DAYS
    fault_sms: int = 4
    data_sms: int = 3
    fault_overflow: Overflow = Overflow.BLOCK
    data_overflow: Overflow = Overflow.BLOCK
    daily: bool = False

    def __post_init__(self) -> None:
        if list(self.block_days) != sorted(set(self.block_days)) or not all(1 <= d <= 28 for d in self.block_days):
            raise PlanError("Block days are days of every month, 1 to 28, in order.")
        if not (0 <= self.fault_sms <= COUNT_MAX and 0 <= self.data_sms <= COUNT_MAX):
            raise PlanError(f"A number of SMS is 0 to {COUNT_MAX}.")

    @property
    def budget(self) -> Budget:
        """What the meter itself spends; its words on credit and tokens are not counted by it."""
        return Budget(
            {Bucket.TOKEN: 0, Bucket.FAULT: self.fault_sms, Bucket.DATA: self.data_sms},
            {Bucket.TOKEN: Overflow.BILL, Bucket.FAULT: self.fault_overflow, Bucket.DATA: self.data_overflow},
        )

    def values(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "block_days": list(self.block_days),
            "fault_sms": self.fault_sms,
            "data_sms": self.data_sms,
            "fault_overflow": self.fault_overflow.value,
            "data_overflow": self.data_overflow.value,
            "daily": self.daily,
        }

    @classmethod
    def of_values(cls, values: Mapping[str, Any]) -> ReportingPlan:
        """From `values()`. Raises PlanError."""
        try:
            return cls(
                tuple(values["block_days"]),
                values["fault_sms"],
                values["data_sms"],
                Overflow(values["fault_overflow"]),
                Overflow(values["data_overflow"]),
                values["daily"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise PlanError(f"This is no reporting plan: {error}.") from error


def daily_plan(fault_sms: int) -> ReportingPlan:
    """The 28-SMS package with the bought daily-data package: its blocks, and a summary of each day."""
    return ReportingPlan(BLOCK_FIRST_DAYS, fault_sms, len(BLOCK_FIRST_DAYS) + DAILY_SMS, daily=True)


def block_due(plan: ReportingPlan, today: date, sent_date: date | None) -> date | None:
    """
    The latest block day up to today that has not been sent; None when nothing is due. `sent_date` is the block day last sent.

    Days that passed while the meter was without supply are not sent one by one: one block carries the registers.
    """
    due = _latest(plan, today)
    return due if due is not None and (sent_date is None or due > sent_date) else None


def _latest(plan: ReportingPlan, today: date) -> date | None:
    days = [day for day in plan.block_days if day <= today.day]
    if days:
        return today.replace(day=days[-1])
    if not plan.block_days:
        return None
    return (today.replace(day=1) - timedelta(days=1)).replace(day=plan.block_days[-1])


def may_tell_fault(plan: ReportingPlan, sent: int, *, ends: bool, data_sent: int = 0) -> bool:
    """
    Whether the meter may send an SMS on its supply, `sent` (and `data_sent` of data) of this month gone. The begin of an
    outage goes only when its end can go too (`ends`), so that no outage stays open for want of an SMS.
    """
    budget = plan.budget
    last = sent + (0 if ends else 1)
    return decide(budget, {Bucket.FAULT: last, Bucket.DATA: data_sent}, Bucket.FAULT).verdict is not Verdict.WAIT


def may_send_data(plan: ReportingPlan, sent: int, *, fault_sent: int = 0) -> bool:
    """Whether the meter may send a block or a summary, `sent` of this month gone; what was lent to faults is gone too."""
    used = {Bucket.FAULT: fault_sent, Bucket.DATA: sent}
    return decide(plan.budget, used, Bucket.DATA).verdict is not Verdict.WAIT


def days_of_month(month: date) -> int:
    """How many days the month has."""
    return calendar.monthrange(month.year, month.month)[1]


def share_out(amount_idr: int, parts: Mapping[int, int]) -> dict[int, int]:
    """
    An amount in whole rupiah by parts, to the rupiah: the largest remainders get the odd ones, the smaller key first.

    Raises:
        PlanError: a negative amount, or parts that are not positive together.
    """
    whole = sum(parts.values())
    if amount_idr < 0 or whole <= 0 or min(parts.values()) < 0:
        raise PlanError("An amount is shared by positive parts.")
    shared = {key: amount_idr * part // whole for key, part in parts.items()}
    odd = amount_idr - sum(shared.values())
    by_remainder = sorted(parts, key=lambda key: (-(amount_idr * parts[key] % whole), key))
    for key in by_remainder[:odd]:
        shared[key] += 1
    return shared
