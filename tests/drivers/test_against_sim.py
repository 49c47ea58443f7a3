"""The drivers and the simulated meters, written apart from each other, joined by a null link."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta

import pytest
from tests.sim.meter.meters import (
    HEAD_END_TITLE,
    KEYS,
    KINDS,
    METER_TITLE,
    NOW,
    OTHER_KEY,
    TID,
    answer,
    build,
    command,
    read,
    setting,
    token,
)

from duaarah.core.intent import (
    CreditExhausted,
    DailySummary,
    DataBlock,
    LastGasp,
    LowCredit,
    MeterRegister,
    PowerRestored,
    SetLowCreditThreshold,
    SetReportingPlan,
    SettingResult,
    TokenResult,
)
from duaarah.core.smsplan import Overflow, ReportingPlan, daily_plan
from duaarah.drivers import Keys, frame, open_frame, profile, profiles, unframe
from duaarah.sim.meter import MODELS, SimMeter
from duaarah.wire.dlms.errors import AuthFailed, DlmsError, TooLong, WrongAddress

# The clock as the report carries it; the retrofit modem has none.
AT = {"single-phase-modem": NOW, "three-phase-modem": NOW, "three-phase-retrofit": None}


def test_both_sides_know_the_same_kinds() -> None:
    assert profiles() == KINDS == tuple(sorted(MODELS))


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_travels_loads_and_is_confirmed(kind: str) -> None:
    meter = build(kind)
    pushes = meter.receive_sms(command(kind, token(), 41), NOW)
    assert read(kind, pushes[0]) == (1, TokenResult(41, "accept", TID, 10_000, 30_000, AT[kind]))
    assert (meter.credit_wh, meter.token_energy_wh, meter.tokens_accepted) == (30_000, 10_000, 1)
    assert len(pushes) == 1 and not meter.dropped


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_of_another_meter_is_answered_crc_and_adds_nothing(kind: str) -> None:
    meter = build(kind)
    result = answer(kind, meter.receive_sms(command(kind, token(key=OTHER_KEY), 1), NOW))
    assert result == TokenResult(1, "crc", None, 0, 20_000, AT[kind])
    assert (meter.credit_wh, meter.token_energy_wh, meter.tokens_accepted) == (20_000, 0, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_token_under_a_new_counter_is_answered_used(kind: str) -> None:
    meter = build(kind)
    meter.receive_sms(command(kind, token(), 1), NOW)
    result = answer(kind, meter.receive_sms(command(kind, token(), 2), NOW))
    assert result == TokenResult(2, "used", TID, 0, 30_000, AT[kind])
    assert (meter.credit_wh, meter.tokens_accepted, meter.tokens_distinct) == (30_000, 1, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_threshold_is_set_answered_and_kept(kind: str) -> None:
    meter = build(kind, credit_wh=6_000)
    assert meter.consume(500_000, NOW) == []
    (answered,) = meter.receive_sms(setting(kind, SetLowCreditThreshold(5_500), 18), NOW)
    assert read(kind, answered) == (1, SettingResult(18 & 15, "success"))
    assert meter.threshold_wh == 5_500
    # What lies above the credit warns with the next use.
    (low,) = meter.consume(1_000_000, NOW)
    assert isinstance(read(kind, low)[1], LowCredit)
    other = build(kind)
    other.restore(meter.state())
    assert other.threshold_wh == 5_500


@pytest.mark.parametrize("kind", KINDS)
def test_a_setting_that_the_meter_refuses_changes_nothing(kind: str) -> None:
    meter = build(kind)
    before = meter.threshold_wh
    answered = meter.receive_sms(setting(kind, SetLowCreditThreshold(2_000_000), 3), NOW)
    assert read(kind, answered[0])[1] == SettingResult(3, "other_reason")
    assert meter.threshold_wh == before
    meter.faults.lose_next_answer = 1
    assert meter.receive_sms(setting(kind, SetLowCreditThreshold(3_000), 4), NOW) == []
    assert meter.threshold_wh == 3_000


@pytest.mark.parametrize("kind", KINDS)
def test_every_other_report_is_read_as_it_was_meant(kind: str) -> None:
    meter = build(kind, credit_wh=6_000)
    (low,) = meter.consume(1_000_400, NOW)
    remaining = {"three-phase-modem": 4_990}.get(kind, 4_999)  # a coarse register cuts, it never rounds up
    assert read(kind, low) == (1, LowCredit(remaining, True, AT[kind]))
    (gasp,) = meter.power_cut(NOW)
    assert read(kind, gasp) == (2, LastGasp(AT[kind]))
    (restored,) = meter.power_restored(NOW)
    assert read(kind, restored) == (3, PowerRestored(AT[kind]))
    (gone,) = meter.consume(9_000_000, NOW)
    assert read(kind, gone) == (4, CreditExhausted(False, AT[kind]))


# kind -> octets of the SMS: token, answer, refused answer, low credit, credit exhausted, last gasp
SIZES = {
    "single-phase-modem": (65, 98, 94, 83, 78, 76),
    "three-phase-modem": (55, 77, 77, 62, 57, 55),
    "three-phase-retrofit": (71, 128, 124, 83, 68, 56),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_message_fits_one_sms_with_these_octets(kind: str) -> None:
    meter = build(kind, credit_wh=6_000)
    frames = [command(kind, token(), 1)]
    frames += meter.receive_sms(frames[0], NOW)
    frames += meter.receive_sms(command(kind, token(key=OTHER_KEY), 2), NOW)
    frames += meter.consume(11_500_000, NOW)
    frames += meter.consume(11_500_000, NOW)
    frames += meter.power_cut(NOW)
    assert tuple(len(payload) for payload in frames) == SIZES[kind]
    assert max(SIZES[kind]) <= 140


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_of_one_kind_is_refused_as_another(kind: str) -> None:
    (low,) = build(kind, credit_wh=5_000).consume(1_000, NOW)
    for other in KINDS:
        if other != kind:
            with pytest.raises(DlmsError):
                unframe(profile(other), low)


@pytest.mark.parametrize("kind", KINDS)
def test_our_own_frame_reflected_is_refused(kind: str) -> None:
    with pytest.raises(WrongAddress):
        unframe(profile(kind), command(kind, token(), 1))


@pytest.mark.parametrize("kind", KINDS)
def test_a_push_with_a_wrong_tag_or_other_keys_is_refused_before_anything_is_read(kind: str) -> None:
    (low,) = build(kind, credit_wh=5_000).consume(1_000, NOW)
    altered = low[:-1] + bytes((low[-1] ^ 1,))
    with pytest.raises(AuthFailed):
        open_frame(unframe(profile(kind), altered), keys=KEYS)
    protected = unframe(profile(kind), low)
    assert (protected.system_title, protected.counter) == (METER_TITLE, 1)
    with pytest.raises(AuthFailed):
        open_frame(protected, keys=Keys(bytes(16), bytes(16)))


def test_a_frame_past_140_octets_is_not_made() -> None:
    known = profile("single-phase-modem")
    # 110 plain octets are the most: 28 of ciphering (short form of its length) and 2 of the short wrapper.
    made = frame(known, bytes(110), keys=KEYS, system_title=HEAD_END_TITLE, counter=1, to_meter=True)
    assert len(made) == 140
    with pytest.raises(TooLong):
        frame(known, bytes(111), keys=KEYS, system_title=HEAD_END_TITLE, counter=1, to_meter=True)
    with pytest.raises(TooLong):
        unframe(known, bytes(30 * 134 + 1))


def test_every_register_has_an_address_in_every_profile() -> None:
    for kind in KINDS:
        assert set(profile(kind).registers) == set(MeterRegister)


@pytest.mark.parametrize("kind", KINDS)
def test_a_planned_meter_sends_blocks_and_keeps_what_the_budget_does_not_hold(kind: str) -> None:
    planned = dataclasses.replace(build(kind).config, reporting=ReportingPlan(fault_sms=2))
    meter = SimMeter(planned)
    meter.consume(1_234_560, NOW)
    (block,) = meter.report(NOW)
    first = NOW if AT[kind] else None
    assert len(block) <= 140
    used, left = (1_230, 18_760) if kind == "three-phase-modem" else (1_234, 18_765)
    assert read(kind, block)[1] == DataBlock(used, left, 0, 0, 0, first)
    assert meter.report(NOW + timedelta(days=9)) == []
    told = []
    for _ in range(3):
        told += meter.power_cut(NOW) + meter.power_restored(NOW + timedelta(minutes=20))
    assert [type(read(kind, push)[1]) for push in told] == [LastGasp, PowerRestored]
    later = SimMeter(planned)
    later.restore(meter.state())
    later.power_cut(NOW)
    assert later.report(NOW + timedelta(days=10)) == []
    later.power_restored(NOW + timedelta(days=10))
    (block,) = later.report(NOW + timedelta(days=10))
    report = read(kind, block)[1]
    assert isinstance(report, DataBlock)
    # Two outages of twenty minutes and one of ten days.
    assert (report.events_kept, report.outages_kept, report.out_kept_s) == (6, 3, 2 * 1_200 + 864_000)
    assert later.plan == ReportingPlan(fault_sms=2)


PLAN = ReportingPlan((2, 28), 6, 34, Overflow.BORROW, Overflow.BILL, daily=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_is_set_answered_and_kept(kind: str) -> None:
    meter = build(kind)
    assert meter.plan is None
    sent = setting(kind, SetReportingPlan(PLAN), 18)
    assert len(sent) <= 140
    (answered,) = meter.receive_sms(sent, NOW)
    assert read(kind, answered) == (1, SettingResult(18 & 15, "success"))
    assert meter.plan == PLAN
    other = build(kind)
    other.restore(meter.state())
    assert other.plan == PLAN


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plan_judges_what_this_month_has_spent(kind: str) -> None:
    meter = SimMeter(dataclasses.replace(build(kind).config, reporting=ReportingPlan(fault_sms=2)))
    told = meter.power_cut(NOW) + meter.power_restored(NOW) + meter.power_cut(NOW)
    assert len(told) == 2
    meter.power_restored(NOW)
    more = ReportingPlan(fault_sms=2, fault_overflow=Overflow.BILL)
    meter.receive_sms(setting(kind, SetReportingPlan(more), 1), NOW)
    assert len(meter.power_cut(NOW) + meter.power_restored(NOW)) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_the_days_of_the_daily_plan_are_told_in_one_sms_each(kind: str) -> None:
    meter = SimMeter(dataclasses.replace(build(kind).config, reporting=daily_plan(4)))
    midnight = NOW.replace(hour=0, minute=0, second=0)
    assert len(meter.report(midnight)) == 1  # the block of the 11th
    meter.close_day(midnight)
    meter.consume(1_230_000, NOW)
    meter.sample(900, 231_400)
    meter.sample(1_400, 219_600)
    meter.power_cut(NOW)
    meter.sample(9_999, 1)
    meter.close_day(midnight + timedelta(days=1))
    meter.power_restored(midnight + timedelta(days=1, minutes=30))
    meter.sample(200, 225_000)
    sent = meter.report(midnight + timedelta(days=1, hours=1))
    assert len(sent) == 1 and len(sent[0]) <= 140
    at = midnight + timedelta(days=1, hours=1) if AT[kind] else None
    out_s = 24 * 3_600 - 6 * 3_600 - 30
    first = DailySummary(date(2026, 7, 11), 1_230, 18_770, 219_600, 225_500, 231_400, 1, out_s, 1_400, at)
    assert read(kind, sent[0])[1] == first
    assert meter.report(midnight + timedelta(days=1, hours=2)) == []
    # Without a measurement a day has no voltages; a restart keeps what is not told.
    meter.close_day(midnight + timedelta(days=2))
    meter.close_day(midnight + timedelta(days=3))
    other = SimMeter(dataclasses.replace(build(kind).config, reporting=daily_plan(4)))
    other.restore(meter.state())
    second, third = (read(kind, sms)[1] for sms in other.report(midnight + timedelta(days=3)))
    assert isinstance(second, DailySummary) and isinstance(third, DailySummary)
    assert (second.day_date, second.outages, second.out_s, second.voltage_avg_mv) == (
        date(2026, 7, 12),
        0,
        1_800,
        225_000,
    )
    assert (third.day_date, third.voltage_min_mv, third.demand_w) == (date(2026, 7, 13), None, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_summary_that_the_budget_does_not_hold_waits_for_the_next_month(kind: str) -> None:
    short = dataclasses.replace(daily_plan(4), data_sms=1)
    meter = SimMeter(dataclasses.replace(build(kind).config, reporting=short))
    midnight = NOW.replace(hour=0, minute=0, second=0)
    for day in range(3):
        meter.close_day(midnight + timedelta(days=day))
    assert len(meter.report(midnight + timedelta(days=2))) == 1
    assert len(meter.state()["reporting"]["over"]) == 1
