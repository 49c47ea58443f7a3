"""The month's SMS budget: exact cases of the seed's package, and what holds for every budget."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.core.smsplan import (
    Bucket,
    Budget,
    Decision,
    Overflow,
    PlanError,
    ReportingPlan,
    Settlement,
    Verdict,
    block_due,
    daily_plan,
    days_of_month,
    decide,
    may_send_data,
    may_tell_fault,
    settle,
    share_out,
)

TOKEN, FAULT, DATA = Bucket


def budget(
    token: str = "BORROW", fault: str = "BLOCK", data: str = "BLOCK", counts: tuple[int, ...] = (20, 5, 3)
) -> Budget:
    return Budget(
        dict(zip(Bucket, counts, strict=True)),
        {TOKEN: Overflow(token), FAULT: Overflow(fault), DATA: Overflow(data)},
    )


def used(token: int = 0, fault: int = 0, data: int = 0) -> dict[Bucket, int]:
    return {TOKEN: token, FAULT: fault, DATA: data}


def test_within_its_bucket_a_segment_goes() -> None:
    assert decide(budget(), used(19, 4, 2), DATA) == Decision(Verdict.SEND, DATA)


def test_blocked_data_waits_and_tokens_go_on() -> None:
    assert decide(budget(), used(data=3), DATA) == Decision(Verdict.WAIT, None)
    assert decide(budget(), used(20, 0, 3), TOKEN) == Decision(Verdict.SEND_BORROWED, FAULT)
    assert decide(budget(), used(20, 5, 3), TOKEN) == Decision(Verdict.SEND_BILLED, None)


def test_borrowed_data_takes_from_faults_never_from_tokens() -> None:
    assert decide(budget(data="BORROW"), used(data=3), DATA) == Decision(Verdict.SEND_BORROWED, FAULT)
    assert decide(budget(data="BORROW"), used(data=3, fault=5), DATA) == Decision(Verdict.WAIT, None)
    assert settle(budget(data="BORROW"), used(0, 4, 5))[DATA] == Settlement(own=3, borrowed=1, billed=1, left=0)


def test_billed_data_goes_at_the_price_of_one() -> None:
    assert decide(budget(data="BILL"), used(data=3), DATA) == Decision(Verdict.SEND_BILLED, None)
    assert settle(budget(data="BILL"), used(data=5))[DATA] == Settlement(own=3, borrowed=0, billed=2, left=0)


def test_a_plan_in_which_tokens_wait_does_not_exist() -> None:
    with pytest.raises(PlanError):
        budget(token="BLOCK")


budgets = st.builds(
    budget,
    st.sampled_from(["BORROW", "BILL"]),
    st.sampled_from(list(Overflow)),
    st.sampled_from(list(Overflow)),
    st.tuples(*[st.integers(0, 40)] * 3),
)
spends = st.builds(used, *[st.integers(0, 60)] * 3)


@given(budgets, spends)
def test_every_segment_is_booked_once_and_nothing_is_lent_twice(plan: Budget, spent: dict[Bucket, int]) -> None:
    booked = settle(plan, spent)
    for bucket, part in booked.items():
        assert part.own + part.borrowed + part.billed == spent[bucket]
        assert min(part.own, part.borrowed, part.billed, part.left) >= 0
    total = sum(plan.counts.values())
    assert sum(part.own + part.borrowed + part.left for part in booked.values()) == total


@given(budgets, spends)
def test_no_token_ever_waits(plan: Budget, spent: dict[Bucket, int]) -> None:
    assert decide(plan, spent, TOKEN).verdict is not Verdict.WAIT


@given(budgets, st.lists(st.sampled_from(list(Bucket)), max_size=120))
def test_what_the_planner_lets_go_under_borrow_and_block_never_passes_the_package(
    plan: Budget, wishes: list[Bucket]
) -> None:
    spent = used()
    billed = 0
    for wish in wishes:
        decision = decide(plan, spent, wish)
        if decision.verdict is Verdict.WAIT:
            continue
        spent[wish] += 1
        billed += decision.verdict is Verdict.SEND_BILLED
    assert sum(spent.values()) - billed <= sum(plan.counts.values())


@given(st.dates(dt.date(2020, 1, 1), dt.date(2030, 1, 1)), st.sets(st.integers(0, 30)))
def test_a_month_has_three_blocks_at_most_whatever_days_were_dark(first: dt.date, dark: set[int]) -> None:
    month, sent, count = first.replace(day=1), None, 0
    for number in range(days_of_month(month)):
        due = None if number in dark else block_due(ReportingPlan(), month + dt.timedelta(number), sent)
        if due is not None:
            assert sent is None or due > sent
            sent, count = due, count + 1
    assert count <= 3
    assert count == 3 or dark


def test_blocks_fall_due_on_their_days_and_wait_for_the_supply() -> None:
    plan = ReportingPlan()
    assert block_due(plan, dt.date(2026, 3, 10), dt.date(2026, 3, 1)) is None
    assert block_due(plan, dt.date(2026, 3, 11), dt.date(2026, 3, 1)) == dt.date(2026, 3, 11)
    assert block_due(plan, dt.date(2026, 3, 25), dt.date(2026, 3, 1)) == dt.date(2026, 3, 21)
    assert block_due(ReportingPlan((5,)), dt.date(2026, 3, 2), dt.date(2026, 2, 5)) is None
    daily = daily_plan(4)
    assert (daily.block_days, daily.data_sms, daily.daily) == ((1, 11, 21), 34, True)
    assert ReportingPlan.of_values(daily.values()) == daily


@pytest.mark.parametrize("missing", ["block_days", "fault_sms", "data_overflow", "daily"])
def test_values_that_are_no_plan_are_refused(missing: str) -> None:
    values = ReportingPlan().values()
    del values[missing]
    with pytest.raises(PlanError):
        ReportingPlan.of_values(values)
    with pytest.raises(PlanError):
        ReportingPlan.of_values({**ReportingPlan().values(), "fault_overflow": "BEG"})
    with pytest.raises(PlanError):
        ReportingPlan(data_sms=256)


def test_in_the_meter_faults_borrow_from_data_or_are_billed() -> None:
    borrows = ReportingPlan(fault_sms=4, data_sms=3, fault_overflow=Overflow.BORROW)
    assert may_tell_fault(borrows, 4, ends=False) and may_tell_fault(borrows, 6, ends=True)
    assert not may_tell_fault(borrows, 6, ends=False) and not may_tell_fault(borrows, 4, ends=False, data_sent=2)
    # What was lent is gone: two blocks of three do not fit any more.
    assert [may_send_data(borrows, sent, fault_sent=6) for sent in range(3)] == [True, False, False]
    billed = ReportingPlan(fault_sms=0, fault_overflow=Overflow.BILL, data_sms=0, data_overflow=Overflow.BORROW)
    assert may_tell_fault(billed, 99, ends=False) and not may_send_data(billed, 0)


def test_the_begin_of_an_outage_goes_only_when_its_end_can() -> None:
    plan = ReportingPlan(fault_sms=5)
    assert [may_tell_fault(plan, sent, ends=False) for sent in range(6)] == [True, True, True, True, False, False]
    assert [may_tell_fault(plan, sent, ends=True) for sent in range(6)] == [True] * 5 + [False]


def test_an_odd_rupiah_goes_to_the_largest_remainder_and_then_to_the_smaller_key() -> None:
    assert share_out(200, {1: 2_500, 2: 7_500}) == {1: 50, 2: 150}
    assert share_out(1_000, {1: 6_667, 2: 3_333}) == {1: 667, 2: 333}
    assert share_out(1, {2: 5_000, 1: 5_000}) == {2: 0, 1: 1}


@given(st.integers(0, 10**12), st.dictionaries(st.integers(1, 9), st.integers(0, 10_000), min_size=1))
def test_shares_are_the_amount_to_the_rupiah(amount_idr: int, parts: dict[int, int]) -> None:
    if not sum(parts.values()):
        with pytest.raises(PlanError):
            share_out(amount_idr, parts)
        return
    shared = share_out(amount_idr, parts)
    assert sum(shared.values()) == amount_idr
    assert all(abs(shared[k] * sum(parts.values()) - amount_idr * p) < sum(parts.values()) for k, p in parts.items())
