# SPDX-License-Identifier: Apache-2.0
"""
Losses as facts, from a small store of readings whose truth is known: a thief, a meter in the wrong place, a register that
was reset, a clock that is off; written once, again where late data changes them, and whole wherever a worker dies.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.conf import settings
from psycopg.types.range import TimestamptzRange
from tests.analytics.grid import Grid, meters
from tests.conftest import fresh_database
from tests.core.losses import town

from duaarah.analytics.losses.catch_up import catch_up
from duaarah.analytics.losses.decisions import decide, undo
from duaarah.analytics.models import DailyLoss, LossDay, LossFinding, LossSource, LossState, LossSuspect
from duaarah.people.models import Login
from duaarah.readings import landing
from duaarah.readings.columns import READINGS
from duaarah.readings.days import compact, write_checked
from duaarah.readings.store import reading_files
from duaarah.registry.models import Meter, NetworkNode, NodeMeter

pytestmark = pytest.mark.slow
DAYS, THEFT_DAY, HOMES = 32, 20, 24
FIRST = dt.date(2026, 2, 27)
NOW = dt.datetime(2026, 3, 31, 3, 0, tzinfo=dt.UTC)  # ten in the morning after the last of 32 days
LATER = NOW + dt.timedelta(hours=2)


def thief(rng, use):
    """Column 4 hides three fifths of what he draws from THEFT_DAY on."""
    use[:, 4] += 40.0
    stolen = np.zeros_like(use)
    stolen[THEFT_DAY * 96 :, 4] = 0.6 * use[THEFT_DAY * 96 :, 4]
    return stolen, {4: "drop"}


def told(meter_id: int, energy, register, voltage, end_s) -> pa.Table:
    count = len(end_s)
    ts = pa.array(end_s * 1_000_000).cast(pa.timestamp("us", "UTC"))
    return pa.table(
        {
            "meter_id": pa.array(np.full(count, meter_id)),
            "ts": ts,
            "period_s": pa.array(np.full(count, 900, np.int32)),
            "energy_wh": pa.array(energy, from_pandas=True),
            "register_wh": pa.array(register, from_pandas=True),
            "voltage_v": pa.array(voltage, from_pandas=True),
        }
    )


def whole(feed: town.Feed, ids: list[int], total: int) -> dict[int, pa.Table]:
    """Each meter's readings; the second column's register is reset, the third's clock an hour late."""
    panel = feed.panel
    out = {}
    for column, meter_id in enumerate(ids):
        energy, register, voltage = (
            getattr(panel, name)[:, column].copy() for name in ("energy_wh", "register_wh", "voltage_v")
        )
        if feed.truth.thieves and column == 2:
            register[1500:] -= register[1499]
        if feed.truth.thieves and column == 3:
            energy, register, voltage = (np.r_[np.full(4, np.nan), each[:-4]] for each in (energy, register, voltage))
        out[meter_id] = told(meter_id, energy, register, voltage, panel.end_s)
    register = 5e6 + np.cumsum(panel.total_wh)
    out[total] = told(total, panel.total_wh, register, panel.busbar_v, panel.end_s)
    return out


@pytest.fixture(scope="module")
def story(cluster_conninfo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """Two transformers on a feeder; the first one's eighth meter is recorded at the second. One day of one meter is late."""
    former = settings.READINGS_FOLDER
    settings.READINGS_FOLDER = Path(tmp_path_factory.mktemp("readings"))
    with fresh_database(cluster_conninfo):
        yield _story()
    settings.READINGS_FOLDER = former


def _story() -> SimpleNamespace:
    grid = Grid()
    feeder = NetworkNode.objects.create(code="F1", kind="FEEDER", parent=grid.substation)
    rng = np.random.default_rng(11)
    mv = town.source(rng, DAYS)
    nodes, feeds, rows = [], [], {}
    for number in range(2):
        node = grid.transformer(HOMES, feeder=feeder)
        feed = town.feed(rng, days=DAYS, meters=HOMES, source_v=mv, steal=None if number else thief)
        NetworkNode.objects.filter(pk=node.pk).update(
            rated_va=int(feed.plate.rated_va), no_load_w=feed.plate.no_load_w, load_loss_w=feed.plate.load_loss_w
        )
        ids = meters(node)
        for meter_id, phase in zip(ids, feed.phases, strict=True):
            Meter.objects.filter(pk=meter_id).update(phase=phase)
        rows |= whole(feed, ids, total_meter(grid, node))
        nodes.append(node)
        feeds.append(feed)
    total = total_meter(grid, feeder)
    sent = sum(feed.panel.total_wh for feed in feeds)
    rows[total] = told(total, sent * 1.01, 7e6 + np.cumsum(sent * 1.01), mv, feeds[0].panel.end_s)
    astray = meters(nodes[0])[7]
    Meter.objects.filter(pk=astray).update(transformer=nodes[1])
    late_id = meters(nodes[1])[1]  # the first one is the astray one
    kept = rows[late_id].slice(0, rows[late_id].num_rows - 96)
    landing.land_columns(pa.concat_tables([kept if number == late_id else each for number, each in rows.items()]))
    compact(open_too=True)
    return SimpleNamespace(
        grid=grid, feeder=feeder, nodes=nodes, feeds=feeds, ids=[meters(node) for node in nodes], astray=astray,
        late=rows[late_id].slice(rows[late_id].num_rows - 96), late_id=late_id,
    )  # fmt: skip


def total_meter(grid: Grid, node: NetworkNode) -> int:
    """A meter that measures all that flows into a node; it is nobody's."""
    other = grid.transformer(1)
    Meter.objects.filter(transformer=other).update(transformer=None, customer=None)
    meter = Meter.objects.order_by("-pk")[0]
    NodeMeter.objects.create(
        node=node, meter=meter, valid=TimestamptzRange(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), None)
    )
    return meter.pk


def current(node: NetworkNode) -> dict[dt.date, DailyLoss]:
    return {row.date: row for row in DailyLoss.objects.filter(node=node, superseded_at=None)}


def everything() -> list[tuple]:
    """What counts, in any order it was written."""
    facts = DailyLoss.objects.filter(superseded_at=None).order_by("node_id", "date")
    suspects = LossSuspect.objects.filter(superseded_at=None).order_by("node_id", "rank")
    findings = LossFinding.objects.filter(superseded_at=None).order_by("kind", "meter_id", "at")
    return [
        *facts.values_list("node_id", "date", "input_wh", "delivered_wh", "ntl_wh", "refusal", "source"),
        *suspects.values_list("node_id", "meter_id", "score", "since_date"),
        *findings.values_list("node_id", "meter_id", "kind", "at"),
    ]


def test_a_worker_that_dies_in_the_middle_changes_nothing(story: SimpleNamespace) -> None:
    class Died(Exception):
        pass

    calls = []

    def step(name: str) -> None:
        calls.append(name)
        if calls.count("before-commit") == 2:
            raise Died

    with pytest.raises(Died):
        catch_up(now=NOW, step=step)
    counted = set(DailyLoss.objects.values_list("node_id", flat=True))
    assert len(counted) == 1 and calls == ["before-commit", "committed", "before-commit"]
    assert catch_up(now=NOW) > 0
    assert catch_up(now=LATER) == 0
    assert set(DailyLoss.objects.values_list("version", flat=True)) == {1}


def test_each_fault_is_found_and_named_and_no_other(story: SimpleNamespace) -> None:
    found = {(row.meter_id, row.kind) for row in LossFinding.objects.filter(superseded_at=None)}
    first = story.ids[0]
    assert found == {(first[2], "reset"), (first[3], "clock"), (story.astray, "transformer")}
    place = LossFinding.objects.get(kind="transformer")
    assert place.node_id == story.nodes[1].pk and place.detail["likely"][0] == story.nodes[0].pk
    assert LossFinding.objects.get(kind="clock").detail["lag_s"] == 3600
    assert LossFinding.objects.get(kind="reset").at.timestamp() == story.feeds[0].panel.end_s[1500]


def test_days_before_and_after_the_theft(story: SimpleNamespace) -> None:
    """The astray meter is counted where it hangs; what is missing is told from the day on, with an interval."""
    rows = current(story.nodes[0])
    assert set(rows) == {FIRST + dt.timedelta(days=n) for n in range(DAYS)}
    assert {row.meters_known for row in rows.values()} == {HOMES}
    assert all(["moved_in", story.astray] in row.findings for row in rows.values())
    feed = story.feeds[0]
    late = [rows[FIRST + dt.timedelta(days=n)] for n in range(THEFT_DAY + 5, DAYS)]
    true = feed.truth.stolen_wh[(THEFT_DAY + 5) * 96 :].sum()
    assert sum(row.ntl_wh for row in late) == pytest.approx(true, rel=0.25)
    assert all(row.clean_days >= 19 and row.ntl_low_wh < row.ntl_wh < row.ntl_high_wh for row in late)
    assert all(row.ntl_noise_wh < (row.ntl_high_wh - row.ntl_low_wh) / 2 for row in late)
    lost = (feed.truth.lines_wh + feed.truth.transformer_wh)[-96:].sum()
    assert late[-1].technical_wh == pytest.approx(lost, rel=0.15)
    assert late[-1].input_wh == pytest.approx(feed.panel.total_wh[-96:].sum())
    register = DailyLoss.objects.get(node=story.nodes[0], date=FIRST + dt.timedelta(days=1500 // 96))
    assert ["reset", story.ids[0][2]] in register.findings


def test_the_thief_is_first_and_nobody_else_is_a_case(story: SimpleNamespace) -> None:
    cases = LossSuspect.objects.filter(superseded_at=None, case=True)
    assert [row.meter_id for row in cases] == [story.ids[0][4]]
    assert cases[0].rank == 1 and cases[0].mechanism == "drop"
    assert cases[0].share == pytest.approx(0.6, abs=0.15)
    assert abs((cases[0].since_date - FIRST).days - THEFT_DAY) <= 1
    state = LossState.objects.get(node=story.nodes[0])
    assert abs((state.since_date - FIRST).days - THEFT_DAY) <= 1 and state.plate_known and not state.cannot_tell


def test_a_feeder_against_its_transformers(story: SimpleNamespace) -> None:
    row = current(story.feeder)[FIRST + dt.timedelta(days=3)]
    sent = sum(feed.panel.total_wh[3 * 96 : 4 * 96].sum() for feed in story.feeds)
    assert (row.refusal, row.meters, row.meters_known) == ("", 2, 2)
    assert row.delivered_wh == pytest.approx(sent) and row.input_wh == pytest.approx(sent * 1.01, abs=0.1)
    assert row.ntl_wh is None and row.technical_wh is None


def test_late_data_makes_versions_of_the_days_it_changes_and_of_no_other(story: SimpleNamespace) -> None:
    last = FIRST + dt.timedelta(days=DAYS - 1)
    before = current(story.nodes[1])[last]
    assert before.completeness == pytest.approx(1 - 1 / HOMES, abs=0.003) and before.meters == HOMES - 1
    untouched = current(story.nodes[0])
    landing.land_columns(story.late)
    compact(open_too=True)
    assert catch_up(now=LATER) > 0
    versions = list(
        DailyLoss.objects.filter(node=story.nodes[1], date=last)
        .order_by("version")
        .values_list("version", "superseded_at")
    )
    assert versions == [(1, LATER), (2, None)]
    after = current(story.nodes[1])[last]
    assert after.completeness == 1.0 and after.meters == HOMES
    assert {date: row.pk for date, row in current(story.nodes[0]).items()} == {d: r.pk for d, r in untouched.items()}
    assert DailyLoss.objects.filter(node=story.nodes[1], version=2).count() == 1


def test_an_inspections_days_without_loss_make_the_interval_narrow_and_an_undo_wide_again(
    story: SimpleNamespace,
) -> None:
    node, last = story.nodes[1], FIRST + dt.timedelta(days=DAYS - 1)
    before = current(node)[last]
    assert before.clean_days == 0
    login = Login.objects.create_user("inspects")
    clean = (FIRST + dt.timedelta(days=2), FIRST + dt.timedelta(days=15))
    made = decide(
        node=node, meter=Meter.objects.get(pk=story.ids[1][3]), state="NOTHING", note="sealed", clean=clean, login=login,
        now=LATER,
    )  # fmt: skip
    assert catch_up(now=LATER) > 0
    rows = current(node)
    assert [rows[clean[1] + dt.timedelta(days=n)].clean_days for n in (-1, 1, 10)] == [0, 14, 14]
    assert rows[last].ntl_high_wh - rows[last].ntl_low_wh < 0.5 * (before.ntl_high_wh - before.ntl_low_wh)
    undo(decision_id=made.pk, login=login, now=LATER)
    assert catch_up(now=LATER) > 0
    after = current(node)[last]
    assert (after.version, after.ntl_wh, after.source) == (before.version + 2, before.ntl_wh, before.source)


def test_a_day_that_is_only_checked_is_no_news(story: SimpleNamespace) -> None:
    day = FIRST + dt.timedelta(days=5)
    digests = set(LossSource.objects.values_list("node_id", "date", "digest"))
    table = pa.concat_tables([pq.read_table(path).select(READINGS.names) for path in reading_files(day, day)])
    place = table.column_names.index("quality")
    checked = table.set_column(place, READINGS.field("quality"), pa.array(["validated"] * table.num_rows))
    write_checked(day, checked)
    files = set(LossDay.objects.values_list("files", flat=True))
    assert catch_up(now=LATER) == 0
    assert files != set(LossDay.objects.values_list("files", flat=True))
    assert digests == set(LossSource.objects.values_list("node_id", "date", "digest"))


def test_the_same_whatever_the_order(story: SimpleNamespace) -> None:
    """All facts thrown away and counted again from what is there now are those that grew step by step."""
    before = everything()
    for model in (DailyLoss, LossSuspect, LossState):
        model.objects.all().delete()
    LossFinding.objects.all().delete()
    while catch_up(now=LATER, turn_s=0.5):
        pass
    catch_up(now=LATER)
    assert everything() == before
