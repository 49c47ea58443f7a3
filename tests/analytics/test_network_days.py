# SPDX-License-Identifier: Apache-2.0
"""Voltage and load facts of a local day: exact by hand, per phase and scope, versioned, and exact against an oracle's grid."""

from __future__ import annotations

import datetime as dt
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest
from tests.analytics.grid import NOW, Grid, meters
from tests.oracle_grid import solved

from duaarah.analytics.engines import own_connection
from duaarah.analytics.measures import loads
from duaarah.analytics.measures.local_days import PLACES, on_local_day
from duaarah.analytics.measures.voltage import Limits, by_phase, in_hours, lowest_meters
from duaarah.analytics.models import DailyLoad, DailyVoltage, VoltageRule
from duaarah.analytics.network_days.operations import recount_day
from duaarah.analytics.network_days.queries import meter_load
from duaarah.readings.columns import READINGS
from duaarah.registry.models import Meter, NetworkNode, NodeMeter

DAY = dt.date(2026, 11, 3)
WIB_S = 7 * 3600


def readings(rows: list[dict[str, Any]]) -> ibis.Table:
    """Rows with `meter_id`, `ts` and what else is told."""
    plain = {"period_s": 900, "flags": 0, "quality": "validated", "reason": "", "version": 1}
    columns = {name: [{**plain, **row}.get(name) for row in rows] for name in READINGS.names}
    return ibis.memtable(pa.table(columns, schema=READINGS))


def at(hour: float, zone_s: int = WIB_S) -> dt.datetime:
    """The interval that ends at this local hour of DAY."""
    return dt.datetime.combine(DAY, dt.time(), dt.UTC) + dt.timedelta(hours=hour, seconds=-zone_s)


def places(rows: list[tuple[int, int | None, int | None, str, str, int]]) -> ibis.Table:
    return ibis.memtable(pa.table([list(c) for c in zip(*rows, strict=True)], schema=PLACES))


def test_the_local_day_is_the_meters_and_the_evening_ends_with_its_interval() -> None:
    """WIT is two hours ahead of WIB: the same instants are other days and other hours. 18:00 ends an afternoon's interval."""
    where = places([(1, 7, 70, "R-1", "L1", WIB_S), (2, 7, 70, "R-1", "L2", 9 * 3600)])
    rows = [{"meter_id": m, "ts": at(h), "voltage_v": v} for m, h, v in [
        (1, 0.0, 150.0), (1, 0.25, 210.0), (1, 18.0, 190.0), (1, 18.25, 200.0), (1, 22.0, 204.0), (1, 22.25, 199.0),
        (1, 24.0, 232.0), (1, 24.25, 151.0), (2, -2.0, 152.0), (2, -1.75, 220.0), (2, 16.25, 197.9), (2, 20.25, 231.0),
    ]]  # fmt: skip
    day = on_local_day(readings(rows), where, DAY)
    found = {
        row["phase"]: row
        for row in own_connection().execute(by_phase(day, in_hours(day, Limits()), where)).to_dict("records")
    }
    first, second = found["L1"], found["L2"]
    assert (first["intervals"], first["below"], first["above"], first["low_meters"]) == (6, 1, 1, 1)
    assert (first["evening_intervals"], first["evening_min_v"], first["evening_median_v"]) == (2, 200.0, 202.0)
    assert first["evening_p1_v"] == pytest.approx(200.04) and first["evening_p5_v"] == pytest.approx(200.2)
    assert (second["intervals"], second["below"], second["above"]) == (3, 1, 0)
    assert (second["evening_intervals"], second["evening_min_v"]) == (1, 197.9)


def test_the_lowest_meters_are_named_in_order_and_ties_go_to_the_smaller_number() -> None:
    where = places([(m, 7, 70, "R-1", "L1", WIB_S) for m in (1, 2, 3, 4)])
    volts = {1: [210.0, 205.0], 2: [196.0, 195.0], 3: [195.0, 199.0], 4: [197.0, None]}
    rows = [{"meter_id": m, "ts": at(19 + i), "voltage_v": v} for m, told in volts.items() for i, v in enumerate(told)]
    day = on_local_day(readings(rows), where, DAY)
    found = own_connection().execute(lowest_meters(in_hours(day, Limits()), where).order_by("place")).to_dict("records")
    assert [(r["meter_id"], r["min_v"], r["below"], r["intervals"]) for r in found] == [
        (2, 195.0, 2, 2), (3, 195.0, 1, 2), (4, 197.0, 1, 1),
    ]  # fmt: skip
    assert [r["ts"].to_pydatetime() for r in found] == [at(20), at(19), at(19)]


def test_a_load_by_hand() -> None:
    """Two meters over an hour: 400+0, 0+400, 400+400, 0+100 Wh a quarter. Peak 3.2 kW, own peaks 1.6+1.6 kW."""
    load = loads.load_of([2, 0, 1, 3], [3200.0, 1600.0, 1600.0, 400.0], 3200.0, 900)
    assert (load.energy_wh, load.peak_w, load.peak_slot) == (1700.0, 3200.0, 2)
    assert load.load_factor == 1700 / 3200 and load.coincidence == 1.0 and load.diversity == 1.0
    assert load.curve_w[:5] == [1600.0, 1600.0, 3200.0, 400.0, None] and len(load.curve_w) == 96
    assert (load.duration_w[0], load.duration_w[-1]) == (3200.0, 400.0)
    assert load.duration_w[loads.QUANTILES.index(50)] == 1600.0


def test_ten_profiles_of_a_minute_summed_to_quarters() -> None:
    """As the reference's row of ten one-minute profiles, with ten seeded ones: every figure from the definitions alone."""
    rng = np.random.default_rng(10)
    watts = rng.gamma(0.4, 900, (10, 1440))
    minutes = loads.load_of(range(1440), watts.sum(axis=0).tolist(), float(watts.max(axis=1).sum()), 60)
    total = watts.sum(axis=0)
    assert minutes.energy_wh == pytest.approx(total.sum() / 60)
    assert (minutes.peak_w, minutes.peak_slot) == (total.max(), int(total.argmax()))
    assert minutes.load_factor == pytest.approx(total.mean() / total.max())
    assert minutes.coincidence == pytest.approx(total.max() / watts.max(axis=1).sum())
    assert minutes.diversity == pytest.approx(watts.max(axis=1).sum() / total.max())
    quarters = watts.reshape(10, 96, 15).mean(axis=2)
    fifteen = loads.load_of(range(96), quarters.sum(axis=0).tolist(), float(quarters.max(axis=1).sum()), 900)
    assert fifteen.energy_wh == pytest.approx(minutes.energy_wh)
    assert fifteen.peak_w <= minutes.peak_w and fifteen.coincidence >= minutes.coincidence  # short peaks do not meet


def test_hours_are_spread_over_quarters() -> None:
    where = places([(1, 7, 70, "R-1", "L1", WIB_S), (2, 7, 70, "R-1", "L1", WIB_S)])
    rows = [{"meter_id": 1, "ts": at(10), "period_s": 3600, "energy_wh": 800.0}] + [
        {"meter_id": 2, "ts": at(9.25 + i / 4), "energy_wh": 100.0} for i in range(4)
    ]
    day = loads.evenly(on_local_day(readings(rows), where, DAY), 900, [3600, 900])
    found = own_connection().execute(loads.curves(day, "transformer_id", 900).order_by("slot"))
    assert found["slot"].tolist() == [36, 37, 38, 39] and found["w"].tolist() == [1200.0] * 4


def _town(transformer: NetworkNode) -> list[int]:
    numbers = meters(transformer)
    for place, number in enumerate(numbers):
        Meter.objects.filter(pk=number).update(phase=("L1", "L2")[place % 2])
    return numbers


def _day(numbers: list[int], factor: float = 1.0) -> list[dict[str, Any]]:
    """Each meter a little more from slot to slot; each further one a volt less, and ten less at 20:15."""
    return [
        {
            "meter_id": m,
            "ts": at((slot + 1) / 4),
            "energy_wh": factor * (50.0 + m % 3 * 10 + slot),
            "voltage_v": 215.0 - place - (slot == 80) * 10,
            "current_a": 1.0,
        }
        for place, m in enumerate(numbers)
        for slot in range(96)
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("database")
def test_facts_are_written_once_and_again_only_where_late_data_changes_them() -> None:
    grid = Grid()
    one, other = grid.transformer(4), grid.transformer(2)
    NetworkNode.objects.filter(pk=one.pk).update(rated_va=2000)
    numbers, others = _town(one), meters(other)
    table = readings(_day(numbers) + _day(others))
    assert recount_day(date=DAY, readings=table, now=NOW) == (
        3,
        5,
    )  # two phases + unknown; 2 transformers, 2 feeders, R-1/TR
    assert recount_day(date=DAY, readings=table, now=NOW) == (0, 0)
    volt = DailyVoltage.objects.get(transformer=one, phase="L2")
    assert (volt.meters, volt.meters_known, volt.intervals, volt.evening_min_v) == (2, 2, 192, 202.0)
    assert [low["meter_id"] for low in volt.lowest] == [numbers[3], numbers[1]]
    load = DailyLoad.objects.get(scope="TRANSFORMER", key=str(one.pk))
    wh = np.array([[50.0 + m % 3 * 10 + slot for slot in range(96)] for m in numbers])
    assert load.energy_wh == wh.sum() and load.peak_w == 4 * wh.sum(axis=0).max() and load.peak_minute == 1440
    assert load.coincidence == 1.0 and load.coverage == 1.0
    assert load.peak_va == pytest.approx(sum(215.0 - place for place in range(4)))
    assert load.utilisation == pytest.approx(load.peak_va / 2000)
    both = DailyLoad.objects.get(scope="TARIFF")
    assert both.meters == 6 and both.energy_wh > load.energy_wh
    changed = [*_day(numbers), *_day(others, 2.0)]
    later = NOW + dt.timedelta(hours=1)
    assert recount_day(date=DAY, readings=readings(changed), now=later) == (0, 3)
    versions = list(
        DailyLoad.objects.filter(key=str(other.pk)).order_by("version").values_list("version", "superseded_at")
    )
    assert versions == [(1, later), (2, None)]
    assert DailyLoad.objects.filter(key=str(one.pk)).count() == 1


@pytest.mark.slow
@pytest.mark.usefixtures("database")
def test_a_total_meter_is_nobodys_and_a_missing_meter_is_no_zero_use() -> None:
    grid = Grid()
    node = grid.transformer(3)
    numbers = meters(node)
    NodeMeter.objects.create(node=node, meter_id=numbers[2], valid=(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), None))
    VoltageRule.objects.create(valid_from_date=DAY, from_hour=0, to_hour=24, low_v=214.5, high_v=300)
    recount_day(date=DAY, readings=readings(_day([numbers[0], numbers[2]])), now=NOW)
    load = DailyLoad.objects.get(scope="TRANSFORMER")
    assert (load.meters, load.meters_known, load.coverage) == (1, 2, 0.5)
    volt = DailyVoltage.objects.get()
    assert (volt.meters, volt.meters_known, volt.below, volt.evening_intervals) == (1, 2, 1, 96)


def test_one_meters_load_on_demand() -> None:
    found = meter_load(readings(_day([5, 6])), 6, WIB_S, DAY)
    assert found is not None and found.coincidence == 1.0 and found.energy_wh == sum(50.0 + s for s in range(96))
    assert meter_load(readings(_day([5])), 6, WIB_S, DAY) is None


@pytest.mark.slow
@pytest.mark.parametrize(("kz", "kl", "source_pu"), [(4, 1.5, 1.0), (6, 1.5, 0.98)])
def test_voltages_below_the_limit_are_those_of_the_oracle(kz: float, kl: float, source_pu: float) -> None:
    truth = solved("rural3", 672, kz, kl, source_pu)
    step0 = dt.datetime.combine(DAY, dt.time(), dt.UTC) - dt.timedelta(seconds=WIB_S)
    total_below, low_meters = 0, set()
    where = places([(m, 1, 2, "R-1", "", WIB_S) for m in range(118)])
    for number in range(7):
        volts = truth.voltage_v[:, 96 * number : 96 * number + 96]
        rows = pa.table(
            {
                "meter_id": np.repeat(np.arange(118), 96),
                "ts": pa.array(
                    [step0 + dt.timedelta(minutes=15 * (s + 1)) for s in range(96)] * 118, pa.timestamp("us", "UTC")
                ),
                "voltage_v": volts.ravel(),
            }
        )
        day = on_local_day(ibis.memtable(rows), where, DAY)
        found = own_connection().execute(by_phase(day, in_hours(day, Limits()), where)).to_dict("records")[0]
        assert found["below"] == int((volts < 198).sum()) and found["above"] == int((volts > 231).sum())
        evening = volts[:, 72:88]
        assert found["evening_min_v"] == evening.min()
        assert found["evening_p5_v"] == pytest.approx(np.quantile(evening, 0.05))
        lowest = (
            own_connection()
            .execute(lowest_meters(in_hours(day, Limits()), where).order_by("place"))["meter_id"]
            .tolist()
        )
        assert lowest[0] == int(evening.min(axis=1).argmin())
        total_below += found["below"]
        low_meters |= set(np.flatnonzero((volts < 198).any(axis=1)).tolist())
    published = {4: (202.15, 0, 0), 6: (181.12, 294, 21)}[int(kz)]
    assert (round(float(truth.voltage_v.min()), 2), total_below, len(low_meters)) == published
