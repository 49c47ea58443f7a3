# SPDX-License-Identifier: Apache-2.0
"""The town's hidden thief is the one open case of its past, from the readings alone."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings

from duaarah.analytics.engines import open_readings
from duaarah.analytics.losses.mapping import check_feeder, mapping_source
from duaarah.analytics.losses.network import places
from duaarah.analytics.losses.operations import count_transformer
from duaarah.analytics.losses.queries import facts, open_cases, sums_of
from duaarah.analytics.losses.ranking import rank_transformer
from duaarah.analytics.losses.sources import digests, note_days
from duaarah.analytics.models import LossFinding, LossState, LossSuspect
from duaarah.registry.models import Meter
from duaarah.sim.town.past import make_past
from duaarah.sim.town.past_theft import hidden_theft
from duaarah.sim.town.world import START, make_world
from duaarah.stage.history import bring_readings
from duaarah.stage.registration import make_keys, register_world

pytestmark = pytest.mark.slow
METERS, DAYS = 30, 60
DAY = dt.timedelta(days=1)


def test_the_hidden_thief_is_the_one_case(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "READINGS_FOLDER", tmp_path / "readings")
    world = make_world(7, METERS)
    past = make_past(world, DAYS)
    theft = hidden_theft(world)
    assert theft is not None
    register_world(
        world, make_keys(world, tmp_path / "keys", "a passphrase for tests"), host="127.0.0.1", port=1, user="x",
        password="y", since_us=past.begin_us,
    )  # fmt: skip
    bring_readings(world, past)
    last = START.astimezone(ZoneInfo("Asia/Jakarta")).date() - DAY
    found, span = places(), {"first_date": last - 59 * DAY, "last_date": last}
    assert note_days(found.values(), **span)
    told = digests(**span)
    meter = Meter.objects.get(drn=theft.drn)
    assert meter.transformer_id is not None
    place = found[meter.transformer_id]
    recorded = places(as_recorded=True)
    below = [one for one in recorded.values() if one.kind == "TRANSFORMER"]
    feeder = recorded[place.parent_id or 0]
    check_feeder(feeder, below, last, mapping_source(below, last, told), open_readings, now=START)
    count_transformer(place, [last - n * DAY for n in range(7)], told, open_readings, now=START)
    rank_transformer(place, last, told, open_readings, now=START)
    case = LossSuspect.objects.get(superseded_at=None, case=True)
    since = (START + dt.timedelta(microseconds=theft.from_us)).date()
    assert case.meter == meter and open_cases() == {case.node_id: 1}
    assert case.share == pytest.approx(theft.share, abs=0.08)
    assert abs((case.since_date - since).days) <= 1
    assert LossState.objects.get(node=case.node).clean_days >= 14
    # Nothing is wrong with places, registers or clocks in this town.
    assert not LossFinding.objects.filter(superseded_at=None).exists()
    [own] = sums_of(facts(last - 6 * DAY, last))
    assert own.given == 7 and own.ntl_low_wh > 7 * 24 * theft.watts  # the load beside the meter, and a share of his own
