# SPDX-License-Identifier: Apache-2.0
"""The store's days judged: checked files count, late data and edits give new versions, facts follow, nothing is done twice."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest
from django.conf import settings
from tests.analytics.grid import Grid, meters

from duaarah.analytics.models import DailyLoad, DailyVoltage, QualityDay, ReadingEdit
from duaarah.analytics.vee.catch_up import catch_up
from duaarah.analytics.vee.operations import edit_reading, undo_edit
from duaarah.audit.models import AuditRecord
from duaarah.people.models import Login
from duaarah.readings import landing
from duaarah.readings.days import compact
from duaarah.readings.store import readings_of
from duaarah.registry.models import Meter

pytestmark = pytest.mark.slow
MIDNIGHT = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
NOW = dt.datetime(2026, 3, 4, 3, tzinfo=dt.UTC)
QUARTER = dt.timedelta(minutes=15)


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


@pytest.mark.usefixtures("database")
def test_days_are_judged_once_and_again_for_late_data_and_edits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "readings").mkdir()
    monkeypatch.setattr(settings, "READINGS_FOLDER", tmp_path / "readings")
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
    with pytest.raises(ValueError, match="reason"):
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
    made = edit_reading(
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
    assert undo_edit(edit_id=made.pk, login=login, now=NOW) and not undo_edit(edit_id=made.pk, login=login, now=NOW)
    catch_up(now=NOW)
    assert (row(one, 40)["energy_wh"], row(one, 40)["quality"], row(one, 40)["version"]) == (100.0, "validated", 3)
    assert AuditRecord.objects.filter(verb__startswith="reading.edit").count() == 2
