# SPDX-License-Identifier: Apache-2.0
"""
Golden: each measure on DuckDB and on a Spark standalone cluster of two workers, equal to 1e-9, a worker killed in the middle.

One cluster and one Spark application for the file; the test that kills a worker is the last but one.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib.util
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import ibis
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.cli.test_grid_indices import run
from tests.cli.test_grid_readings import noisy, topology, write

from duaarah.analytics.engines import connect, read_parquet
from duaarah.analytics.measures import balance, coverage, profile, saidi, voltage
from duaarah.analytics.measures.tidy import tidy
from duaarah.stage import bench_grid_data
from duaarah.stage.spark_cluster import SparkCluster

NEEDED = {"Java": shutil.which("java"), "pyspark": importlib.util.find_spec("pyspark")}
MISSING = [name for name, there in NEEDED.items() if not there]
if MISSING and os.environ.get("CI") == "true":
    pytest.fail(f"CI runs the golden test of both engines, and {' and '.join(MISSING)} is missing.", pytrace=False)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"NOT PROVEN ON SPARK: {' and '.join(MISSING)} is missing"),
]

WIB = ZoneInfo("Asia/Jakarta")
METERS, DAYS, SEED = 900, 2, 11
FIRST = bench_grid_data.FIRST_DATE
LAST = FIRST + dt.timedelta(days=DAYS - 1)
YEAR = (dt.date(FIRST.year, 1, 1), dt.date(FIRST.year, 12, 31))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bench_grid_data.Utility:
    return bench_grid_data.make(tmp_path_factory.mktemp("utility"), METERS, DAYS, SEED)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkCluster]:
    with SparkCluster(tmp_path_factory.mktemp("spark")) as running:
        yield running


@pytest.fixture(scope="module")
def engines(cluster: SparkCluster) -> Iterator[dict]:
    both = {"duckdb": connect(), "spark": connect("spark", spark_master=cluster.url, memory_mb=768)}
    try:
        yield both
    finally:
        for connection in both.values():
            connection.disconnect()  # again, where the command's test has ended the application


def same(left: pd.DataFrame, right: pd.DataFrame, keys: list[str]) -> None:
    """Equal rows in any order; numbers to 1e-9, instants and texts exactly."""
    assert sorted(left.columns) == sorted(right.columns)
    assert len(left) == len(right) > 0
    left, right = (t.sort_values(keys).reset_index(drop=True) for t in (left, right))
    for name in left.columns:
        a, b = left[name], right[name]
        if "ts" in name:
            a, b = (pd.to_datetime(x, utc=True).dt.as_unit("us") for x in (a, b))
        if pd.api.types.is_numeric_dtype(a):
            a, b = a.astype("float64"), b.astype("float64")
            assert a.isna().equals(b.isna()), name
            assert ((a - b).abs() <= 1e-9 * a.abs().clip(lower=1)).where(a.notna(), True).all(), name
        else:
            assert (
                a.astype(object).where(a.notna(), None).tolist() == b.astype(object).where(b.notna(), None).tolist()
            ), name


Measure = Callable[[ibis.Table, ibis.Table, ibis.Table], ibis.Table]
EVENINGS = voltage.evenings(FIRST, LAST, WIB)


def customers(network: ibis.Table) -> ibis.Table:
    return network.filter(network.role == balance.CUSTOMER)


def _coverage(readings: ibis.Table, network: ibis.Table, outages: ibis.Table) -> ibis.Table:
    some = readings.filter(readings.meter_id % 7 > 0)
    return coverage.coverage(some, network.select("meter_id", intervals=ibis.literal(DAYS * 96)))


MEASURES: dict[str, tuple[Measure, list[str]]] = {
    "voltage by phase": (
        lambda r, n, o: voltage.by_phase(r, voltage.in_spans(r, EVENINGS), customers(n)),
        ["transformer_id", "phase"],
    ),
    "lowest meters": (
        lambda r, n, o: voltage.lowest_meters(voltage.in_spans(r, EVENINGS), customers(n)),
        ["transformer_id", "phase", "place"],
    ),
    "losses": (lambda r, n, o: balance.losses(r, n), ["transformer_id"]),
    "meters of the balance": (lambda r, n, o: balance.by_meter(r, n), ["meter_id"]),
    "profiles": (
        lambda r, n, o: profile.profiles(r, n.select("meter_id", group=n.transformer_id), 15),
        ["group"],
    ),
    "daily outages": (lambda r, n, o: saidi.daily(o, WIB, *YEAR), ["day"]),
    "coverage": (_coverage, ["meter_id"]),
    "summary of coverage": (lambda r, n, o: coverage.summary(_coverage(r, n, o)), ["meters"]),
}


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_is_the_same_on_both_engines(engines: dict, data: bench_grid_data.Utility, name: str) -> None:
    measure, keys = MEASURES[name]
    found = {}
    for engine, connection in engines.items():
        tables = [read_parquet(connection, files) for files in (data.days, [data.network], [data.outages])]
        found[engine] = connection.execute(measure(*tables))
    same(found["duckdb"], found["spark"], keys)


def test_the_year_with_and_without_major_event_days(engines: dict, data: bench_grid_data.Utility) -> None:
    found = [
        saidi.reliability(
            read_parquet(connection, [data.outages]),
            customers_served=[METERS] * 12,
            zone=WIB,
            first_date=YEAR[0],
            last_date=YEAR[1],
            connection=connection,
        )
        for connection in engines.values()
    ]
    assert found[0] == found[1]
    assert len(found[0].med_dates) == 3  # the storms


def test_a_foreign_file_with_duplicates_on_both_engines(engines: dict, tmp_path: Path) -> None:
    file = write(tmp_path / "r.parquet", noisy(21), "ns")  # which Spark cannot hold
    places = pd.DataFrame(
        [(f"m{i}", f"T{i % 3}", "total" if i == 0 else "customer") for i in range(12)],
        columns=["meter_id", "transformer_id", "role"],
    )
    found = {}
    for engine, connection in engines.items():
        readings = tidy(read_parquet(connection, [file], row_numbers=True), ["energy_wh", "voltage_v"])
        whole = profile.profile(readings, 15, connection)
        assert whole is not None
        found[engine] = [
            dataclasses.asdict(whole),
            *map(dataclasses.asdict, balance.balances(readings, places, 15, connection)),
        ]
    for one, other in zip(*found.values(), strict=True):
        assert one == {k: pytest.approx(v, rel=1e-9) if isinstance(v, float) else v for k, v in other.items()}


def test_no_file_is_an_empty_table_on_both_engines(engines: dict) -> None:
    for connection in engines.values():
        readings = read_parquet(connection, [])
        assert connection.execute(readings.agg(rows=readings.count()))["rows"].tolist() == [0]
        assert profile.profile(readings, 15, connection) is None


def _split(outages: Path, folder: Path, pieces: int) -> list[Path]:
    folder.mkdir()
    table = pq.read_table(outages)
    step = -(-len(table) // pieces)
    files = []
    for number in range(pieces):
        files.append(folder / f"{number}.parquet")
        pq.write_table(table.slice(number * step, step), files[-1])
    return files


def test_a_worker_killed_in_the_middle_changes_nothing(engines: dict, cluster: SparkCluster, tmp_path: Path) -> None:
    files = _split(bench_grid_data.make(tmp_path, 30_000, 0, SEED).outages, tmp_path / "pieces", 24)
    spark, duck = engines["spark"], engines["duckdb"]
    session = spark._session
    small_tasks = {
        "spark.sql.files.maxPartitionBytes": "400k",
        "spark.sql.files.openCostInBytes": "300k",
        "spark.sql.shuffle.partitions": "48",
        "spark.sql.adaptive.enabled": "false",
    }
    for key, value in small_tasks.items():
        session.conf.set(key, value)
    expected = duck.execute(saidi.daily(read_parquet(duck, files), WIB, *YEAR))
    answer: list[pd.DataFrame] = []
    question = saidi.daily(read_parquet(spark, files), WIB, *YEAR)
    asking = threading.Thread(target=lambda: answer.append(spark.execute(question)))
    tracker = session.sparkContext.statusTracker()
    asking.start()

    def in_the_middle() -> bool:
        """Tasks are done, tasks run on both workers, tasks wait: of a stage that both workers are in."""
        stages = filter(None, (tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()))
        return any(
            stage.numCompletedTasks >= 2 and stage.numActiveTasks >= 2 and stage.numTasks - stage.numCompletedTasks > 4
            for stage in stages
        )

    while asking.is_alive() and not in_the_middle():
        time.sleep(0.005)
    assert asking.is_alive(), "the query was over before the kill"
    cluster.kill(cluster.workers[0])
    assert asking.is_alive() and not answer, "the query was over before the kill"
    asking.join(60)
    assert answer, "the query does not finish"
    for key in small_tasks:
        session.conf.unset(key)
    same(expected, answer[0], ["day"])
    assert int(expected["ci"].sum()) > 200_000
    deadline = time.monotonic() + 10
    while cluster.alive() == 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert cluster.alive() == 1


def test_the_command_on_the_cluster(
    engines: dict, cluster: SparkCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On what the kill has left, one worker; the command takes the application over and ends it."""
    file = write(tmp_path / "r.parquet", noisy(22), "us")
    names = topology(tmp_path / "t.csv", [(f"m{i}", f"T{i % 2}", "total" if i < 2 else "customer") for i in range(12)])
    command = ("balance", "--readings", str(file), "--topology", str(names))
    status, here, _ = run(capsys, *command)
    assert (status, len(here)) == (0, 2)
    status, there, _ = run(capsys, *command, "--engine", "spark", "--spark-master", cluster.url)
    assert (status, len(there)) == (0, 2)
    for one, other in zip(here, there, strict=True):
        assert one == {k: pytest.approx(v, rel=1e-9) if isinstance(v, float) else v for k, v in other.items()}


def test_the_data_of_the_golden_test_can_tell(data: bench_grid_data.Utility) -> None:
    """Nulls, voltages outside and repeated records are in it: an engine that counts them otherwise is found."""
    day = pq.read_table(data.days[0])
    assert day["voltage_v"].null_count > 50
    assert pc.sum(pc.less(day["voltage_v"], 198.0)).as_py() > 20
    outages = pq.read_table(data.outages).to_pandas()
    assert outages.duplicated().sum() > 300
