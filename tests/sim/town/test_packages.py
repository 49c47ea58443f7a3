"""What meters of the town send on their own: by the package that was bought, in the small hours, in every run the same."""

from __future__ import annotations

from collections import Counter

import pytest

from duaarah.core.intent import DailySummary, DataBlock, Report
from duaarah.core.smsplan import ReportingPlan, daily_plan
from duaarah.drivers import Keys, decode_report, open_frame, profile, unframe
from duaarah.sim.town.grid import Grid
from duaarah.sim.town.load import DAY_US, HOUR_US
from duaarah.sim.town.packages import DATA_MINUTES, Bought, data_minute, package_of, reporting_of
from duaarah.sim.town.planned import Planned
from duaarah.sim.town.sms import BINARY, Outgoing
from duaarah.sim.town.town import Town
from duaarah.sim.town.world import TownMeter, make_world

WORLD = make_world(7, 200)
HOURS = Planned(WORLD)
BY_SIM = {meter.msisdn: meter for meter in WORLD.meters}


def read(sms: Outgoing) -> Report:
    meter = BY_SIM[sms.source]
    return decode_report(
        profile(meter.profile), open_frame(unframe(profile(meter.profile), sms.payload), keys=Keys(meter.ek, meter.ak))
    )


def lived(days: int, *, begin_us: int = 0) -> list[tuple[TownMeter, Report]]:
    sent: list[Outgoing] = []
    town = Town(WORLD, send=sent.append, radio_faults=False)
    town.start(begin_us)
    while town.run(days * DAY_US + 2 * HOUR_US, 1000):
        pass
    return [(BY_SIM[sms.source], read(sms)) for sms in sent if sms.data_coding == BINARY]


def test_most_have_the_package_some_daily_data_and_some_nothing() -> None:
    counts = Counter(package_of(7, meter) for meter in WORLD.meters)
    assert counts == {Bought.NOTHING: 11, Bought.BASE: 138, Bought.DAILY: 51}
    assert {reporting_of(7, meter) for meter in WORLD.meters} == {None, ReportingPlan(), daily_plan(4)}
    assert {data_minute(7, meter) for meter in WORLD.meters} == set(DATA_MINUTES)


@pytest.mark.parametrize("begin_us", [0, 5 * HOUR_US])
def test_each_meter_sends_what_was_bought_also_when_the_day_began_late(begin_us: int) -> None:
    said = lived(2, begin_us=begin_us)
    blocks = Counter(meter.drn for meter, report in said if isinstance(report, DataBlock))
    daily = [(meter.drn, report) for meter, report in said if isinstance(report, DailySummary)]
    # The block of the 11th is overdue on the first day; the next one is that of the 21st.
    assert blocks == Counter(m.drn for m in WORLD.meters if package_of(7, m) is not Bought.NOTHING)
    per_meter = Counter(drn for drn, _ in daily)
    assert per_meter == {m.drn: 2 for m in WORLD.meters if package_of(7, m) is Bought.DAILY}
    for meter, report in said:
        if isinstance(report, DailySummary) and report.day_date.day == 17:
            used_mwh = meter.curve.used_mwh(2 * DAY_US) - meter.curve.used_mwh(DAY_US)
            hours = HOURS.hours(meter, 1)
            assert report.energy_wh <= used_mwh // 1000 + 1 and report.demand_w <= max(load_w for load_w, _ in hours)
            assert report.voltage_min_mv is not None and report.voltage_max_mv is not None
            volts = [millivolts for _, millivolts in hours]
            assert abs(report.voltage_min_mv - min(volts)) < 100 and abs(report.voltage_max_mv - max(volts)) < 100
            assert (report.outages, report.out_s) == (0, 0)


def test_a_meter_without_supply_in_the_night_sends_when_it_is_back() -> None:
    sent: list[Outgoing] = []
    town = Town(WORLD, send=sent.append, radio_faults=False)
    town.start(0)
    meter = next(m for m in WORLD.meters if package_of(7, m) is Bought.BASE)
    town.set_power(meter.drn, False)
    while town.run(4 * HOUR_US, 1000):
        pass
    mine = [read(sms) for sms in sent if sms.source == meter.msisdn]
    assert not [report for report in mine if isinstance(report, DataBlock)]
    town.set_power(meter.drn, True)
    mine = [read(sms) for sms in sent if sms.source == meter.msisdn]
    assert isinstance(mine[-1], DataBlock) and mine[-1].events_kept == 0


def test_every_hour_is_measured_once() -> None:
    meter = WORLD.meters[0]
    whole = list(HOURS.samples(meter, 0, DAY_US))
    used = [meter.curve.used(hour * HOUR_US) // HOUR_US for hour in range(25)]
    assert sum(load_w for load_w, _ in whole) == pytest.approx(used[-1], abs=24)
    parts = [*HOURS.samples(meter, 0, 5 * HOUR_US + 1), *HOURS.samples(meter, 5 * HOUR_US + 1, DAY_US)]
    assert parts == whole and list(HOURS.samples(meter, 1, 2)) == []
    assert list(HOURS.samples(meter, -HOUR_US, 0)) == [HOURS.hours(meter, -1)[23]]


def test_the_voltage_of_an_hour_is_that_of_the_lines() -> None:
    grid = Grid.of(WORLD)
    solved = grid.solve(grid.loads_w(3, 1, 3600), step_s=3600)
    for meter in WORLD.meters[::17]:
        volts = [millivolts / 1000 for _, millivolts in HOURS.hours(meter, 3)]
        assert volts == pytest.approx(solved.voltage_v[grid.row[meter.drn]].tolist(), abs=0.2)
