"""The interval store: what landed is in a day file once, whatever order it came in and wherever a process died."""

from __future__ import annotations

import datetime as dt
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.db import connection, transaction

from duaarah.readings import landing
from duaarah.readings.columns import READINGS
from duaarah.readings.days import StoreBusy, StoreError, base_of, compact, rebuild, sweep, verify
from duaarah.readings.models import DayFile
from duaarah.readings.store import changed_days, counting_days, coverage, reading_files, readings_of, write_checked

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
DAY = dt.date(2026, 3, 2)
MIDNIGHT = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
QUARTER = dt.timedelta(minutes=15)


@pytest.fixture
def folder(database: str, tmp_path: Path, settings_readings: None) -> Path:
    return tmp_path / "readings"


@pytest.fixture
def settings_readings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.conf import settings

    (tmp_path / "readings").mkdir()
    monkeypatch.setattr(settings, "READINGS_FOLDER", tmp_path / "readings")


def rows(meters: range, *, days: int = 1, wh: float = 100.0) -> pa.Table:
    """Each meter's quarter-hours, shuffled by a seed; energy tells meter and place."""
    made = [
        (meter, MIDNIGHT + QUARTER * place, 900, wh + meter + place / 1000, 220.0 + place % 7 / 10)
        for meter in meters
        for place in range(96 * days)
    ]
    random.Random(5).shuffle(made)
    names = ("meter_id", "ts", "period_s", "energy_wh", "voltage_v")
    return pa.table({name: [row[place] for row in made] for place, name in enumerate(names)})


def counted(first: dt.date = DAY, last: dt.date = DAY) -> pa.Table:
    files = reading_files(first, last)
    return pa.concat_tables([pq.read_table(path).select(READINGS.names) for path in files])


def test_a_day_is_sorted_typed_and_once(folder: Path) -> None:
    landing.land_columns(rows(range(1, 6)))
    landing.land_columns(rows(range(1, 6)))  # the same again
    done = compact(open_too=True)
    assert (done.tables, done.rows, done.days) == (1, 960, {DAY})
    table = counted()
    assert table.schema.equals(READINGS) and table.num_rows == 480
    assert table.column("meter_id").to_pylist() == [meter for meter in range(1, 6) for _ in range(96)]
    assert table.column("ts").to_pylist()[:96] == [MIDNIGHT + QUARTER * place for place in range(96)]
    assert table.column("energy_wh").to_pylist()[97] == pytest.approx(102.001)
    assert table.column("register_wh").null_count == 480 and set(table.column("quality").to_pylist()) == {"raw"}
    [one] = DayFile.objects.all()
    assert (one.layer, one.repeats, one.meters, one.rows) == ("RAW", 0, 5, 480)
    assert one.newest_at == MIDNIGHT + QUARTER * 95 and verify() == []
    assert compact(open_too=True).tables == 1 and DayFile.objects.count() == 1


def test_the_meters_later_word_counts_and_the_former_is_kept(folder: Path) -> None:
    first = rows(range(1, 3))
    later = first.set_column(3, "energy_wh", pa.array(np.full(192, 7.0)))
    # The higher counter comes first over the radio.
    landing.land_columns(later, counter=9)
    landing.land_columns(first, counter=8)
    compact(open_too=True)
    assert set(counted().column("energy_wh").to_pylist()) == {7.0} and counted().num_rows == 192
    raw = DayFile.objects.get(layer="RAW")
    assert (raw.rows, raw.repeats) == (384, 192)
    assert pq.read_table(folder / raw.name).num_rows == 384


def test_late_data_makes_the_day_again_and_old_readers_go_on(folder: Path) -> None:
    landing.land_columns(rows(range(1, 3)))
    compact(open_too=True)
    before, mark = reading_files(DAY, DAY), max(number for _, number in changed_days(0))
    landing.land_columns(rows(range(3, 4), days=2))
    compact(open_too=True)
    assert counted().num_rows == 288 and before[0].exists()
    assert [day for day, _ in changed_days(mark)] == [DAY, DAY + dt.timedelta(days=1)]
    landing.land_columns(rows(range(4, 5)))
    compact(open_too=True)
    assert sweep(kept_s=3600) == 0  # too young
    assert sweep(kept_s=0) == 1 and counted().num_rows == 384 and verify() == []
    assert DayFile.objects.filter(layer="RAW", removed_at=None).count() == 4


def test_a_checked_day_counts_until_later_data_comes(folder: Path) -> None:
    landing.land_columns(rows(range(1, 3)))
    compact(open_too=True)
    base = base_of(DAY)
    assert base is not None
    table = counted()
    table = table.set_column(
        table.column_names.index("quality"), READINGS.field("quality"), pa.array(["estimated"] * 192)
    )
    write_checked(DAY, table, covers=base.pk)
    assert set(counted().column("quality").to_pylist()) == {"estimated"} and counting_days(DAY, DAY)[0].checked
    landing.land_columns(rows(range(3, 4)))
    compact(open_too=True)
    assert set(counted().column("quality").to_pylist()) == {"raw"} and counted().num_rows == 288
    # Who had read the former base is too late.
    write_checked(DAY, table, covers=base.pk)
    assert not counting_days(DAY, DAY)[0].checked
    with pytest.raises(StoreError, match="end on that UTC day"):
        write_checked(DAY, rows(range(1, 2), days=2))
    with pytest.raises(StoreError, match="no readings"):
        write_checked(DAY - dt.timedelta(days=9), table)


def test_one_meters_span_and_its_edges(folder: Path) -> None:
    landing.land_columns(rows(range(1, 1200, 3)))
    compact(open_too=True)
    found = readings_of(7, MIDNIGHT, MIDNIGHT + QUARTER * 4)
    assert found.column("ts").to_pylist() == [MIDNIGHT + QUARTER * place for place in range(1, 5)]
    assert found.schema.equals(READINGS)
    assert readings_of(8, MIDNIGHT, MIDNIGHT + dt.timedelta(days=3)).num_rows == 0
    assert readings_of(7, MIDNIGHT - dt.timedelta(days=9), MIDNIGHT - dt.timedelta(days=8)).num_rows == 0


def test_coverage_says_what_is_missing(folder: Path) -> None:
    assert coverage(DAY, DAY).share is None
    landing.land_columns(rows(range(1, 4)))
    compact(open_too=True)
    found = coverage(DAY, DAY + dt.timedelta(days=1))
    assert (found.present, found.expected, found.share) == (288, 576, 0.5)
    assert found.newest_at == MIDNIGHT + QUARTER * 95
    assert coverage(DAY, DAY, meters=4).share == 0.75


def test_rebuild_and_a_file_that_was_changed(folder: Path) -> None:
    landing.land_columns(rows(range(1, 3)))
    landing.land_columns(rows(range(1, 3), wh=5.0), counter=3)
    compact(open_too=True)
    assert rebuild(DAY) and not rebuild(DAY - dt.timedelta(days=1))
    assert counted().num_rows == 192
    name = reading_files(DAY, DAY)[0]
    name.write_bytes(name.read_bytes()[:-1] + b"x")
    assert verify() == [str(name.relative_to(folder))]


def test_writers_of_the_open_hour_are_not_disturbed(folder: Path, database: str) -> None:
    import psycopg

    landing.land_columns(rows(range(1, 2)))
    [table] = landing.tables()
    with psycopg.connect(database) as other:
        other.execute(f"INSERT INTO {table.name} VALUES (9, %s, 900, 1, 'NaN', 'NaN', 'NaN', 0, 0)", [MIDNIGHT])
        assert compact(open_too=True).rows == 96
    assert compact(open_too=True).rows == 1 and counted().num_rows == 97


def test_two_do_not_compact_at_once_and_nothing_lands_outside_a_transaction(folder: Path, database: str) -> None:
    import psycopg

    with psycopg.connect(database, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [0x44554107])
        with pytest.raises(StoreBusy, match="try again"):
            compact()
    with pytest.raises(transaction.TransactionManagementError):
        landing.land_rows([])


def again() -> None:
    """As the next run of the chore: the server needs a moment to see that the dead one is gone."""
    for _ in range(100):
        try:
            compact(open_too=True)
            return
        except StoreBusy:
            time.sleep(0.05)
    raise AssertionError("the dead process keeps its lock")


@pytest.mark.parametrize(
    ("point", "number"),
    [("written", 1), ("on-disk", 1), ("renamed", 1), ("renamed", 3), ("before-commit", 1), ("committed", 1)],
)
def test_killed_anywhere_and_run_again(folder: Path, database: str, point: str, number: int) -> None:
    landing.land_columns(rows(range(1, 4), days=2))
    compact(open_too=True)
    landing.land_columns(rows(range(3, 6), days=2, wh=50.0), counter=4)  # meter 3 tells other values
    environment = {**os.environ, "DUAARAH_DATABASE_URL": database, "DUAARAH_READINGS": str(folder)}
    died = subprocess.run(
        [sys.executable, "-m", "tests.readings.killable_compact", point, str(number)],
        env={**environment, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    again()
    sweep(kept_s=0)
    table = counted(DAY, DAY + dt.timedelta(days=1))
    told = list(zip(table.column("meter_id").to_pylist(), table.column("ts").to_pylist(), strict=True))
    assert len(told) == len(set(told)) == 5 * 192
    energy = dict(zip(told, table.column("energy_wh").to_pylist(), strict=True))
    assert energy[3, MIDNIGHT] == pytest.approx(53.0) and energy[2, MIDNIGHT] == pytest.approx(102.0)
    # Every file is in the manifest and every file of the manifest is there.
    files = {str(path.relative_to(folder)) for path in folder.glob("day=*/*")}
    assert files == set(DayFile.objects.filter(removed_at=None).values_list("name", flat=True)) and verify() == []
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {landing.tables()[0].name}")
        assert cursor.fetchone() == (0,)
