"""The grid this morning: figures where there are any, and a sentence where there are none."""

from __future__ import annotations

import datetime as dt

import pytest
from tests.flows.house import House, Town
from tests.web.pages.conftest import SignIn

from duaarah.analytics.models import DailyLoad, DailyVoltage
from duaarah.clock.queries import now
from duaarah.notices.padam import note_outages
from duaarah.outages.inferring import run_outages
from duaarah.registry.models import Meter, NetworkNode

pytestmark = pytest.mark.slow


def test_an_empty_grid_says_why_nothing_is_there(sign_in: SignIn, town: Town, household: House) -> None:
    page = sign_in("pln").get("/operasi/jaringan/").content.decode()
    for words in (
        "No meter is known",
        "No voltage of a whole day",
        "No load of a whole day",
        "No interval data",
        "The grid this morning",
    ):
        assert words in page


def test_what_is_off_low_and_loaded_is_first(sign_in: SignIn, town: Town, household: House) -> None:
    node = NetworkNode.objects.create(code="T1", kind="TRANSFORMER", name="Gardu Melati", rated_va=25_000)
    Meter.objects.update(transformer=node)
    for house in town.houses:
        town.push(house, house.sim.power_cut(town.now))
    town.run()
    town.now += dt.timedelta(seconds=40)
    run_outages(now=town.now)
    note_outages(now=town.now)
    at, date = now(), now().date()
    common = {"meters": 3, "meters_known": 3, "intervals": 288, "version": 1, "computed_at": at, "date": date}
    DailyVoltage.objects.create(
        transformer=node, phase="L2", below=4, above=0, low_meters=1, evening_intervals=48, evening_min_v=189.4,
        evening_p1_v=190.0, evening_p5_v=193.2, evening_median_v=205.0, lowest=[], **common,
    )  # fmt: skip
    DailyLoad.objects.create(
        scope="TRANSFORMER", key=str(node.pk), energy_wh=1e5, peak_w=27_300, peak_minute=1_170, utilisation=1.092,
        period_s=900, curve_w=[], duration_w=[], estimated=0, **common,
    )  # fmt: skip
    page = sign_in("pln").get("/operasi/jaringan/").content.decode()
    for words in (
        "Gardu Melati",
        "193.2",
        "189.4",
        "109",
        "27.3",
        "19.30",
        "1 above their rating",
        "meters are without supply",
    ):
        assert words in page, words


def test_it_is_the_utilitys_page(sign_in: SignIn, household: House) -> None:
    assert sign_in("dataop").get("/operasi/jaringan/").status_code in (302, 403, 404)
