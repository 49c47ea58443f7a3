# SPDX-License-Identifier: Apache-2.0
"""Each measure against a plain loop, on DuckDB in memory."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections import defaultdict
from zoneinfo import ZoneInfo

import ibis
import numpy as np
import pandas as pd
import pytest

from duaarah.analytics import engines
from duaarah.analytics.measures import balance, coverage, profile, saidi, voltage
from duaarah.readings.columns import READINGS

WIB, BERLIN = ZoneInfo("Asia/Jakarta"), ZoneInfo("Europe/Berlin")
DAY = dt.date(2026, 3, 1)
QUARTER = dt.timedelta(minutes=15)


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def outages(rows: list[tuple[int, dt.datetime, dt.datetime | None]]) -> ibis.Table:
    schema = {"meter_id": "int64", "began_at": "timestamp('UTC')", "ended_at": "timestamp('UTC')"}
    return ibis.memtable(pd.DataFrame(rows, columns=list(schema)), schema=schema)


def readings(rows: list[tuple]) -> ibis.Table:
    schema = {
        "meter_id": "int64",
        "ts": "timestamp('UTC')",
        "energy_wh": "float64",
        "voltage_v": "float64",
        "quality": "string",
    }
    return ibis.memtable(pd.DataFrame(rows, columns=list(schema)), schema=schema)


def rows_of(expression: ibis.Table) -> list[dict]:
    frame = engines.own_connection().execute(expression)
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_merged_records_cover_the_same_seconds(seed: int) -> None:
    chance = random.Random(seed)
    rows: list[tuple[int, dt.datetime, dt.datetime | None]] = []
    for _ in range(600):
        began = utc("2026-03-01") + dt.timedelta(seconds=chance.randrange(20_000))
        rows.append((chance.randrange(12), began, began + dt.timedelta(seconds=chance.choice([0, 60, 300, 301, 900]))))
    rows += chance.sample(rows, 60)
    rows += [(1, utc("2026-03-01"), None)]
    expected = []
    for meter in range(12):
        own = sorted((a, b) for m, a, b in rows if m == meter and b is not None)
        whole = [list(own[0])]
        for began, ended in own[1:]:
            if began <= whole[-1][1]:
                whole[-1][1] = max(whole[-1][1], ended)
            else:
                whole.append([began, ended])
        expected += [(meter, *(int(at.timestamp() * 1e6) for at in span)) for span in whole]
    found = [(r["meter_id"], r["began_us"], r["ended_us"]) for r in rows_of(saidi.merged(outages(rows)))]
    assert sorted(found) == sorted(expected)
    assert len(found) < len(rows) * 0.6


def test_a_day_is_local_and_the_whole_duration_is_its_own() -> None:
    rows = [
        (1, utc("2026-03-01T16:59:59"), utc("2026-03-01T18:00:00")),  # 23:59:59 WIB
        (2, utc("2026-03-01T17:00:00"), utc("2026-03-01T17:05:00")),  # midnight WIB, five minutes
        (3, utc("2026-03-01T17:00:00"), utc("2026-03-01T17:05:00.000001")),
        (4, utc("2026-02-28T16:59:59"), utc("2026-03-02T00:00:00")),  # begun before the range
    ]
    found = rows_of(saidi.daily(outages(rows), WIB, DAY, DAY + dt.timedelta(days=1)))
    by_day = {saidi.EPOCH_DATE + dt.timedelta(days=int(r["day"])): (r["ci"], r["cm_us"], r["momentary"]) for r in found}
    assert by_day == {DAY: (1, 3_601_000_000, 0), DAY + dt.timedelta(days=1): (1, 300_000_001, 1)}


def test_days_go_by_the_zone_s_clock_across_its_changes() -> None:
    instants = [utc("2026-01-01") + dt.timedelta(hours=7 * n, minutes=n % 60) for n in range(1200)]
    rows: list[tuple[int, dt.datetime, dt.datetime | None]] = [
        (n, at, at + dt.timedelta(minutes=6)) for n, at in enumerate(instants)
    ]
    expected: defaultdict[int, int] = defaultdict(int)
    for at in instants:
        expected[(at.astimezone(BERLIN).date() - saidi.EPOCH_DATE).days] += 1
    found = rows_of(saidi.daily(outages(rows), BERLIN, dt.date(2025, 12, 31), dt.date(2026, 12, 31)))
    assert {int(r["day"]): r["ci"] for r in found} == dict(expected)


def test_months_with_and_without_major_event_days() -> None:
    rows: list[tuple[int, dt.datetime, dt.datetime | None]] = []
    for day in range(31):
        began = utc("2026-01-01T03:00:00") + dt.timedelta(days=day)
        rows += [(meter, began, began + dt.timedelta(minutes=10 + day % 3)) for meter in range(2)]
    storm = utc("2026-02-10T03:00:00")
    rows += [(meter, storm, storm + dt.timedelta(hours=20)) for meter in range(90)]
    found = saidi.reliability(
        outages(rows),
        customers_served=[100, 200],
        zone=WIB,
        first_date=dt.date(2026, 1, 1),
        last_date=dt.date(2026, 2, 28),
        connection=engines.own_connection(),
    )
    assert found.med_dates == [dt.date(2026, 2, 10)]
    assert found.daily_saidi_min[dt.date(2026, 1, 2)] == 2 * 11 / 100
    january, february = found.months
    assert january.with_med == january.without_med
    assert january.with_med.saifi == 0.62
    assert (february.with_med.saifi, february.with_med.saidi_min) == (0.45, 540.0)
    assert (february.without_med.saifi, february.without_med.asai) == (0.0, 1.0)
    assert february.with_med.asai == 1 - 90 * 1200 / (200 * 28 * 1440)
    with pytest.raises(ValueError, match="2 months"):
        saidi.reliability(
            outages(rows),
            customers_served=[100],
            zone=WIB,
            first_date=dt.date(2026, 1, 1),
            last_date=dt.date(2026, 2, 28),
            connection=engines.own_connection(),
        )


def town(seed: int) -> tuple[list[tuple], pd.DataFrame]:
    chance = random.Random(seed)
    rows = [
        (meter, utc("2026-03-01") + step * QUARTER, float(chance.randrange(300)), volt, "raw")
        for meter in range(24)
        for step in range(96)
        for volt in [None if chance.random() < 0.1 else round(chance.gauss(207, 8), 1)]
    ]
    places = [(m, m // 12, f"L{m % 2 + 1}", "total" if m % 12 == 11 else "customer", m // 6) for m in range(24)]
    return rows, pd.DataFrame(places, columns=["meter_id", "transformer_id", "phase", "role", "group"])


@pytest.mark.parametrize("seed", [4, 5])
def test_the_evening_s_quantiles_are_exact_and_the_lowest_meter_is_named(seed: int) -> None:
    rows, places = town(seed)
    customers = places[places["role"] == "customer"]
    spans = voltage.evenings(DAY, DAY, WIB)
    assert spans == [(utc("2026-03-01T11:00:00"), utc("2026-03-01T15:00:00"))]
    table, names = readings(rows), ibis.memtable(customers)
    evening = voltage.in_spans(table, spans)
    phases = rows_of(voltage.by_phase(table, evening, names))
    lowest = rows_of(voltage.lowest_meters(evening, names, count=2))
    assert len(phases) == 4
    assert len(lowest) == 8
    for phase in phases:
        own = customers[(customers.transformer_id == phase["transformer_id"]) & (customers.phase == phase["phase"])]
        mine = [r for r in rows if r[0] in set(own.meter_id) and r[3] is not None]
        late = [r for r in mine if spans[0][0] < r[1] <= spans[0][1]]
        volts = [r[3] for r in late]
        assert phase["evening_min_v"] == min(volts) and phase["evening_intervals"] == len(volts)
        for name, share in (("p1", 0.01), ("p5", 0.05), ("median", 0.5)):
            assert phase[f"evening_{name}_v"] == pytest.approx(np.quantile(volts, share), rel=1e-12)
        assert (phase["intervals"], phase["below"]) == (len(mine), sum(r[3] < 198 for r in mine)) and phase["below"] > 0
        assert phase["above"] == sum(r[3] > 231 for r in mine)
        assert phase["meters"] == len({r[0] for r in mine}) and phase["low_meters"] == len(
            {r[0] for r in mine if r[3] < 198}
        )
        least: dict[int, tuple] = {}
        for meter, ts, _, volt, _ in late:
            least[meter] = min(least.get(meter, (math.inf,)), (volt, ts, meter))
        named = [r for r in lowest if (r["transformer_id"], r["phase"]) == (phase["transformer_id"], phase["phase"])]
        named.sort(key=lambda r: r["place"])
        wanted = sorted(least.values(), key=lambda one: (one[0], one[2]))[:2]
        assert [(r["min_v"], r["ts"], r["meter_id"]) for r in named] == wanted


def test_ties_of_the_lowest_voltage_go_by_meter_and_its_first_instant_is_named() -> None:
    at = [utc("2026-03-01T11:15:00") + n * QUARTER for n in range(3)]
    rows = [(3, at[1], 0.0, 200.0, "raw"), (2, at[1], 0.0, 200.0, "raw"), (1, at[2], 0.0, 200.0, "raw")]
    rows += [
        (3, at[2], 0.0, 200.0, "raw"),
        (4, at[0], 0.0, 201.0, "raw"),
        (5, utc("2026-03-01T11:00:00"), 0.0, 1.0, "raw"),
    ]
    places = pd.DataFrame([(m, 1, "L1") for m in range(1, 6)], columns=["meter_id", "transformer_id", "phase"])
    evening = voltage.in_spans(readings(rows), voltage.evenings(DAY, DAY, WIB))
    found = sorted(rows_of(voltage.lowest_meters(evening, ibis.memtable(places), count=3)), key=lambda r: r["place"])
    assert [(r["meter_id"], r["ts"], r["intervals"]) for r in found] == [(1, at[2], 1), (2, at[1], 1), (3, at[1], 2)]


@pytest.mark.parametrize("seed", [6, 7])
def test_profiles_of_groups_and_losses_of_transformers(seed: int) -> None:
    rows, places = town(seed)
    table = readings(rows)
    groups = ibis.memtable(places[["meter_id", "group"]])
    for found in rows_of(profile.profiles(table, groups, 15)):
        own = set(places[places.group == found["group"]].meter_id)
        curve: defaultdict[dt.datetime, float] = defaultdict(float)
        for meter, ts, wh, _, _ in rows:
            curve[ts] += wh if meter in own else 0
        peak_wh = max(curve.values())
        sum_of_peaks = sum(max(r[2] for r in rows if r[0] == meter) for meter in own)
        assert found["energy_kwh"] == pytest.approx(sum(curve.values()) / 1000)
        assert found["peak_kw"] == pytest.approx(peak_wh * 4 / 1000)
        assert found["peak_ts"] == min(ts for ts, wh in curve.items() if wh == peak_wh)
        assert found["load_factor"] == pytest.approx(sum(curve.values()) / (peak_wh * 96))
        assert found["coincidence"] == pytest.approx(peak_wh / sum_of_peaks)
        assert found["diversity"] == pytest.approx(sum_of_peaks / peak_wh)
    for found in rows_of(balance.losses(table, ibis.memtable(places))):
        mine = places[places.transformer_id == found["transformer_id"]]
        of = dict(zip(mine.meter_id, mine.role, strict=True))
        sold, bought = (sum(r[2] for r in rows if of.get(r[0]) == role) / 1000 for role in balance.ROLES)
        assert (found["sold_kwh"], found["input_kwh"]) == (pytest.approx(sold), pytest.approx(bought))
        assert found["loss_pct"] == pytest.approx(100 * (bought - sold) / bought)
    lone = ibis.memtable(places[places.role == "customer"])
    assert {(r["input_kwh"], r["loss_kwh"], r["loss_pct"]) for r in rows_of(balance.losses(table, lone))} == {
        (None,) * 3
    }


def worked_homes() -> list[tuple]:
    """
    Ten homes of which the day has the sums of the reference's section 2.6 (n = 10): 107.796 kWh, 18.271 kW at minute 1368,
    10.586 kW in quarter-hour 66, own peaks of 61.540 kW (18.271 / 0.2969) and 33.660 kW (10.586 / 0.3145).

    The homes themselves are made: the hundred profiles it was computed from are not ours to ship.
    """
    watts = np.zeros((10, 1440))
    fixed = np.zeros((10, 1440), dtype=bool)
    for home in range(10):
        own = [(slice(15 * (20 + home), 15 * (21 + home)), 3366.0), (slice(15 * 66, 15 * 67), 1058.6)]
        for minutes, value in [*own, (slice(15 * home, 15 * home + 1), 6154.0), (slice(1368, 1369), 1827.1)]:
            watts[home, minutes], fixed[home, minutes] = value, True
    left_wh = 107_796 - watts.sum() / 60
    watts[~fixed] = left_wh * 60 / (~fixed).sum()
    begin = utc("2026-03-01T00:00:00")
    at = [begin + dt.timedelta(minutes=minute + 1) for minute in range(1440)]
    return [(home, at[n], watts[home, n] / 60, None, "raw") for home in range(10) for n in range(1440)]


def test_the_worked_load_profile_by_minute_and_by_quarter() -> None:
    """Section 2.6 of the reference, n = 10: every factor follows from its sums to the digits that it prints."""
    rows = worked_homes()
    quarters: defaultdict[tuple[int, dt.datetime], float] = defaultdict(float)
    for home, ts, wh, _, _ in rows:
        minute = round((ts - utc("2026-03-01T00:00:00")).total_seconds() / 60)
        quarters[home, utc("2026-03-01T00:00:00") + -(-minute // 15) * QUARTER] += wh
    groups = ibis.memtable(pd.DataFrame([(home, 1) for home in range(10)], columns=["meter_id", "group"]))
    [found] = rows_of(profile.profiles(readings(rows), groups, 1))
    assert (round(found["energy_kwh"], 3), round(found["peak_kw"], 3)) == (107.796, 18.271)
    assert found["peak_ts"] - utc("2026-03-01T00:01:00") == dt.timedelta(minutes=1368)
    assert (round(found["load_factor"], 4), round(found["coincidence"], 4)) == (0.2458, 0.2969)
    assert found["diversity"] == pytest.approx(3.3685, abs=5e-4)
    by_quarter = readings([(home, ts, wh, None, "raw") for (home, ts), wh in quarters.items()])
    [found] = rows_of(profile.profiles(by_quarter, groups, 15))
    assert (round(found["energy_kwh"], 3), round(found["peak_kw"], 3)) == (107.796, 10.586)
    assert found["peak_ts"] - utc("2026-03-01T00:15:00") == 66 * QUARTER
    assert (round(found["load_factor"], 4), round(found["coincidence"], 4)) == (0.4243, 0.3145)
    connection = engines.own_connection()
    single = profile.profile(by_quarter, 15, connection)
    assert single is not None and single.diversity == pytest.approx(1 / 0.3145, abs=5e-4)


def test_coverage_counts_what_came_and_says_how_old_it_is() -> None:
    at = utc("2026-03-01T00:15:00")
    rows = [(1, at + n * QUARTER, 1.0, None, "estimated" if n == 3 else "raw") for n in range(4)]
    expected = pd.DataFrame([(1, 4), (2, 4), (3, 0)], columns=["meter_id", "intervals"])
    covered = coverage.coverage(readings(rows), ibis.memtable(expected))
    found = {r.pop("meter_id"): r for r in rows_of(covered)}
    assert found[1] == {"intervals": 4, "present": 3, "estimated": 1, "share": 0.75, "latest_ts": at + 2 * QUARTER}
    assert found[2] == {"intervals": 4, "present": 0, "estimated": 0, "share": 0.0, "latest_ts": None}
    assert found[3]["share"] is None
    [whole] = rows_of(coverage.summary(covered))
    assert (whole["meters"], whole["silent"], whole["share"]) == (3, 2, 0.375)


def test_a_table_over_no_file_has_the_schema_of_readings() -> None:
    connection = engines.own_connection()
    assert connection is engines.own_connection()
    empty = engines.read_parquet(connection, [])
    assert list(empty.columns) == READINGS.names
    assert connection.execute(empty).empty
    assert connection.raw_sql("select current_setting('TimeZone')").fetchall() == [("UTC",)]
    with pytest.raises(ValueError, match="no engine"):
        engines.connect("abacus")
