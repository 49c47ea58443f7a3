# SPDX-License-Identifier: Apache-2.0
"""The store's days judged: checked files count, late data and edits give new versions, facts follow, nothing is done twice."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from django.conf import settings
from tests.analytics.grid import Grid, meters

from duaarah.analytics.models import DailyLoad, DailyVoltage, QualityDay, ReadingEdit
from duaarah.analytics.vee import operations
from duaarah.analytics.vee.catch_up import BACK_DAYS, catch_up
from duaarah.analytics.vee.edits import EditRefused, Set, edit_reading, set_values, undo_edits
from duaarah.audit.models import AuditRecord
from duaarah.people.models import Login
from duaarah.readings import landing
from duaarah.readings.days import compact
from duaarah.readings.store import readings_of, told_of
from duaarah.registry.models import Meter

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
MIDNIGHT = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
NOW = dt.datetime(2026, 3, 4, 3, tzinfo=dt.UTC)
QUARTER = dt.timedelta(minutes=15)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interval store with nothing in it."""
    (tmp_path / "readings").mkdir()
    monkeypatch.setattr(settings, "READINGS_FOLDER", tmp_path / "readings")


def told(numbers: list[int], without: range = range(0)) -> None:
    rows = [
        (m, MIDNIGHT + QUARTER * n, 900, 100.0, 1e6 + 100.0 * n, 220.0)
        for m in numbers
        for n in range(192)
        if n not in without
    ]
    names = ("meter_id", "ts", "period_s", "energy_wh", "register_wh", "voltage_v")
    landing.land_columns(pa.table({name: [row[at] for row in rows] for at, name in enumerate(names)}))
    compact(open_too=True)


def row(meter: int, number: int) -> dict[str, object]:
    at = MIDNIGHT + QUARTER * number
    [found] = readings_of(meter, at - QUARTER, at).to_pylist()
    return found


@pytest.mark.usefixtures("database", "store")
def test_days_are_judged_once_and_again_for_late_data_and_edits() -> None:
    one, other = meters(Grid().transformer(2))
    told([one], range(30, 34))
    assert catch_up(now=NOW) == 2 and catch_up(now=NOW) == 0
    assert {key: row(one, 31)[key] for key in ("energy_wh", "quality", "reason")} == {
        "energy_wh": 100.0, "quality": "estimated", "reason": "gap line",
    }  # fmt: skip
    day = QualityDay.objects.get(date=MIDNIGHT.date())
    assert (day.intervals, day.validated, day.estimated, day.absent) == (96, 92, 4, 96)
    assert DailyVoltage.objects.get(date=MIDNIGHT.date(), superseded_at=None).meters == 1
    load = DailyLoad.objects.get(date=MIDNIGHT.date(), scope="TRANSFORMER", superseded_at=None)
    assert (load.meters, load.meters_known, load.estimated) == (1, 2, 4)

    told([one, other])
    assert catch_up(now=NOW) == 2
    assert (row(one, 31)["quality"], row(one, 31)["version"], row(one, 35)["version"]) == ("validated", 2, 1)
    assert DailyLoad.objects.get(pk=load.pk).superseded_at == NOW

    login = Login.objects.create_user("operator")
    at = MIDNIGHT + QUARTER * 40
    with pytest.raises(EditRefused, match="reason"):
        edit_reading(
            meter=Meter.objects.get(pk=one),
            ends_at=at,
            former_energy_wh=100.0,
            energy_wh=7.0,
            reason=" ",
            login=login,
            now=NOW,
        )
    assert not ReadingEdit.objects.exists() and catch_up(now=NOW) == 0
    [made] = edit_reading(
        meter=Meter.objects.get(pk=one),
        ends_at=at,
        former_energy_wh=100.0,
        energy_wh=7.0,
        reason="read on site",
        login=login,
        now=NOW,
    )
    assert catch_up(now=NOW) == 1
    assert (row(one, 40)["energy_wh"], row(one, 40)["quality"], row(one, 40)["version"]) == (7.0, "edited", 2)
    assert (
        undo_edits(edit_id=made.pk, login=login, now=NOW) == 1
        and undo_edits(edit_id=made.pk, login=login, now=NOW) == 0
    )
    catch_up(now=NOW)
    assert (row(one, 40)["energy_wh"], row(one, 40)["quality"], row(one, 40)["version"]) == (100.0, "validated", 3)
    assert AuditRecord.objects.filter(verb__startswith="reading.edit").count() == 2


@pytest.mark.usefixtures("database", "store")
def test_a_span_is_set_whole_equal_values_write_nothing_and_an_old_day_is_judged_again() -> None:
    [one] = meters(Grid().transformer(1))
    told([one])
    meter, login = Meter.objects.get(pk=one), Login.objects.create_user("operator")
    late = NOW + dt.timedelta(days=300)  # far beyond the days that are judged for their data
    assert catch_up(now=late) == 0
    span = {MIDNIGHT + QUARTER * n: Set(energy_wh=float(n), former_wh=100.0) for n in range(94, 99)}
    common = {"meter": meter, "reason": "broken", "login": login}
    for wrong in (
        {MIDNIGHT + QUARTER / 2: Set(energy_wh=1.0, former_wh=None)},
        {MIDNIGHT: Set(energy_wh=-1.0, former_wh=None)},
        {MIDNIGHT: Set(energy_wh=float("nan"), former_wh=None)},
        {},
    ):
        with pytest.raises(EditRefused):
            set_values(values={**(span if wrong else {}), **wrong}, now=late, **common)
    assert not ReadingEdit.objects.exists()
    made = set_values(values=span, now=late, **common)
    assert len(made) == 5 and set_values(values=span, now=late, **common) == []
    assert AuditRecord.objects.filter(verb="reading.edit").count() == 1
    assert catch_up(now=late) == 2 and catch_up(now=late) == 0
    assert [row(one, n)["energy_wh"] for n in (93, 94, 98, 99)] == [100.0, 94.0, 98.0, 100.0]
    raw = told_of(one, MIDNIGHT + QUARTER * 93, MIDNIGHT + QUARTER * 94).to_pylist()
    assert [(each["energy_wh"], each["quality"], each["version"]) for each in raw] == [(100.0, "raw", 1)]
    later = late + dt.timedelta(minutes=5)
    [again] = set_values(values={MIDNIGHT + QUARTER * 95: Set(energy_wh=3.0, former_wh=95.0)}, now=later, **common)
    assert ReadingEdit.objects.filter(undone_at=None).count() == 5
    # The one that was set anew is not part of what was set together.
    assert undo_edits(edit_id=made[0].pk, login=login, now=later) == 4
    catch_up(now=later)
    assert [(row(one, n)["energy_wh"], row(one, n)["version"]) for n in (94, 95)] == [(100.0, 3), (3.0, 3)]
    assert undo_edits(edit_id=again.pk, login=login, now=later) == 1


@pytest.mark.usefixtures("database", "store")
def test_an_edit_made_while_its_day_is_judged_counts_and_the_oldest_day_is_judged_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [one] = meters(Grid().transformer(1))
    told([one])
    login = Login.objects.create_user("operator")
    meter = Meter.objects.get(pk=one)
    at = MIDNIGHT + QUARTER * 40
    wish = {at: Set(energy_wh=7.0, former_wh=100.0, former_edit=None)}
    judge_day = operations.judge_day

    def judged_meanwhile(date: dt.date, *rest: Any, **named: Any) -> Any:
        if date == MIDNIGHT.date() and not ReadingEdit.objects.exists():
            set_values(meter=meter, values=wish, reason="read on site", login=login, now=NOW)
        return judge_day(date, *rest, **named)

    monkeypatch.setattr(operations, "judge_day", judged_meanwhile)
    assert catch_up(now=NOW) == 2
    assert row(one, 40)["energy_wh"] == 100.0
    assert catch_up(now=NOW) == 1 and catch_up(now=NOW) == 0
    assert row(one, 40)["energy_wh"] == 7.0
    # Whoever looked before it stood is refused, and nothing moves.
    late = {at: Set(energy_wh=9.0, former_wh=100.0, former_edit=None)}
    with pytest.raises(EditRefused, match="changed"):
        set_values(meter=meter, values=late, reason="read on site", login=login, now=NOW)
    with pytest.raises(EditRefused, match="future"):
        set_values(meter=meter, values={NOW + QUARTER: wish[at]}, reason="read on site", login=login, now=NOW)
    assert ReadingEdit.objects.get(undone_at=None).energy_wh == 7.0
    # The day before the oldest one is one of its neighbours.
    QualityDay.objects.filter(date=MIDNIGHT.date() + dt.timedelta(days=1)).update(source="")
    oldest = MIDNIGHT + dt.timedelta(days=BACK_DAYS)
    assert catch_up(now=oldest) == 1 and catch_up(now=oldest) == 0


@pytest.mark.usefixtures("database", "store")
def test_nothing_is_estimated_of_hours_to_come_and_a_day_is_a_fact_when_it_is_over() -> None:
    one, other = meters(Grid().transformer(2))
    told([one], range(140, 192))
    told([other], range(130, 192))
    noon = MIDNIGHT + QUARTER * 140
    assert catch_up(now=noon) == 2
    for meter in (one, other):
        later = readings_of(meter, noon, MIDNIGHT + QUARTER * 191)
        assert later.num_rows == 0
    dates = set(DailyLoad.objects.values_list("date", flat=True))
    assert MIDNIGHT.date() in dates and MIDNIGHT.date() + dt.timedelta(days=1) not in dates


@pytest.mark.parametrize("point", ["audit", "commit"])
def test_killed_in_the_middle_of_an_edit_nothing_is_set_and_it_can_be_set_again(database: str, point: str) -> None:
    [one] = meters(Grid().transformer(1))
    login = Login.objects.create_user("operator")
    QualityDay.objects.create(
        date=MIDNIGHT.date(), judged_at=NOW, source="1:2:3:0", intervals=0, validated=0, estimated=0, raw=0, edited=0,
        absent=0, faults={},
    )  # fmt: skip
    died = subprocess.run(
        [sys.executable, "-m", "tests.analytics.vee.killable_edit", point, str(one), str(login.pk)],
        env={**os.environ, "DUAARAH_DATABASE_URL": database, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert not ReadingEdit.objects.exists() and not AuditRecord.objects.filter(verb="reading.edit").exists()
    assert QualityDay.objects.get().source == "1:2:3:0"
    wish = {MIDNIGHT + QUARTER: Set(energy_wh=5.0, former_wh=None)}
    made = set_values(meter=Meter.objects.get(pk=one), values=wish, reason="again", login=login, now=NOW)
    assert len(made) == 1 and QualityDay.objects.get().source == ""
