"""A transformer's page and its feeder's: what is known of them, now and over the days, and their charts as files."""

from __future__ import annotations

import datetime as dt
import io

import pytest
from openpyxl import load_workbook
from tests.flows.house import House, Town
from tests.web.pages.conftest import SignIn

from duaarah.analytics.models import DailyLoad, DailyReliability, DailyVoltage, ServedCustomers
from duaarah.analytics.models.losses import DailyLoss
from duaarah.clock.queries import now
from duaarah.outages.inferring import run_outages
from duaarah.outages.models import PlannedOutage
from duaarah.registry.models import Meter, NetworkNode

pytestmark = pytest.mark.slow
DURATION = [27_300.0 - 1000 * number for number in range(17)]


@pytest.fixture
def node(town: Town) -> NetworkNode:
    station = NetworkNode.objects.create(code="GI-1", kind="SUBSTATION", name="Gardu induk")
    feeder = NetworkNode.objects.create(code="P-1", kind="FEEDER", parent=station, name="Penyulang Anggrek")
    made = NetworkNode.objects.create(
        code="T-1", kind="TRANSFORMER", parent=feeder, name="Gardu Melati", rated_va=25_000, no_load_w=75,
        load_loss_w=425, latitude=-6.39, longitude=106.81,
    )  # fmt: skip
    Meter.objects.update(transformer=made)
    return made


def facts(node: NetworkNode, meter: Meter) -> None:
    """Three days of load, of which the newest is above the rating; a low evening; an hour of interruption a customer."""
    at, date = now(), now().date() - dt.timedelta(days=1)
    common = {"meters": 3, "meters_known": 3, "version": 1, "computed_at": at}
    for scope, key in (("TRANSFORMER", node.pk), ("FEEDER", node.parent_id)):
        for back in range(3):
            DailyLoad.objects.create(
                scope=scope, key=str(key), date=date - dt.timedelta(days=back), energy_wh=1e5, peak_w=27_300 - back * 9_000,
                peak_minute=1_170, utilisation=(1.092 - back * 0.36) if scope == "TRANSFORMER" else None, load_factor=0.41,
                coincidence=0.62, period_s=900, curve_w=[1000.0 * (n % 28) if n != 5 else None for n in range(96)],
                duration_w=DURATION, intervals=288, estimated=4, **common,
            )  # fmt: skip
    for phase, p5 in (("L1", 214.5), ("L2", 193.2)):
        DailyVoltage.objects.create(
            transformer=node, phase=phase, date=date, intervals=96, below=4 if p5 < 198 else 0, above=0, low_meters=1,
            evening_intervals=48, evening_min_v=p5 - 4, evening_p1_v=p5 - 3, evening_p5_v=p5, evening_median_v=p5 + 9,
            lowest=[{"meter_id": meter.pk, "v_min": 189.2, "at": at.isoformat(), "below": 4, "intervals": 96}], **common,
        )  # fmt: skip
    for scope, key in (("TRANSFORMER", node.pk), ("FEEDER", node.parent_id)):
        ServedCustomers.objects.create(scope=scope, scope_id=key, date=date, served=3, version=1, counted_at=at)
        DailyReliability.objects.create(
            scope=scope, scope_id=key, date=date, cause="UNPLANNED", ci=3, interrupted_us=3 * 3600 * 10**6, momentary=0,
            momentary_events=0, excluded_ci=0, excluded_us=0, open_ci=0, version=1, computed_at=at,
        )  # fmt: skip


def test_an_unheard_node_says_so(sign_in: SignIn, node: NetworkNode) -> None:
    page = sign_in("pln").get("/operasi/gardu/T-1/").content.decode()
    for words in (
        "Gardu Melati", "25 kVA", "425 W", "No load of a whole day", "Nothing was told of the voltage", "no outage known",
        "No day of its balance has been counted.",
        "No day of this year is counted here yet.", "None is known.", "No work is planned.", "No interval data",
    ):  # fmt: skip
        assert words in page, words
    assert sign_in("pln").get("/operasi/gardu/P-1/").status_code == 404
    assert sign_in("pln").get("/operasi/penyulang/T-1/").status_code == 404


def test_all_that_is_known_of_a_transformer(sign_in: SignIn, town: Town, household: House, node: NetworkNode) -> None:
    facts(node, household.meter)
    client = sign_in("pln")
    page = client.get("/operasi/gardu/T-1/").content.decode()
    for words in (
        "Peak 27.3 kW at 19:30", "109 percent of the rating", "rating 25 kVA", "voltage below the limit on 1 of 1 days",
        "SAIDI <b>60.00</b>", "SAIFI <b>1.0000</b>", household.meter.drn, "189.2", "load factor 0.41", "Penyulang Anggrek",
        "3 of 3 meters heard, 100.0 percent of their intervals, 4 estimated.", "not heard yet",
    ):  # fmt: skip
        assert words in page, words
    table = b"".join(client.get("/operasi/gardu/T-1/?grafik=beban&bentuk=csv")).decode("utf-8-sig").splitlines()
    assert table[0].startswith("Time of day;") and table[0].count(";") == 2
    assert table[6] == "01:15;;" and table[7] == "01:30;6;6"
    book = load_workbook(io.BytesIO(b"".join(client.get("/operasi/gardu/T-1/?grafik=tegangan&bentuk=xlsx"))))
    assert list(book.worksheets[0].values)[-1][1:] == (214.5, 193.2)
    peaks = b"".join(client.get("/operasi/gardu/T-1/?grafik=puncak&bentuk=csv")).decode("utf-8-sig")
    assert ";109,2\r\n" in peaks and ";73,2\r\n" in peaks and "100 %: 100" in peaks
    assert client.get("/operasi/gardu/T-1/?grafik=durasi&bentuk=png").content.startswith(b"\x89PNG")
    assert client.get("/operasi/gardu/T-1/?grafik=saidi&bentuk=pdf").status_code == 200
    meters = b"".join(client.get("/operasi/gardu/T-1/?unduh=csv")).decode("utf-8-sig")
    assert all(house.meter.drn in meters for house in town.houses)


def test_a_day_that_is_not_over_is_not_its_newest_peak_and_high_is_told(
    sign_in: SignIn, household: House, node: NetworkNode
) -> None:
    facts(node, household.meter)
    row = DailyLoad.objects.get(scope="TRANSFORMER", date=now().date() - dt.timedelta(days=1))
    row.pk, row.date, row.peak_w, row.intervals = None, now().date(), 5_000, 60
    row.save()
    DailyVoltage.objects.update(above=3)
    page = sign_in("pln").get("/operasi/gardu/T-1/").content.decode()
    assert "Peak 27.3 kW at 19:30" in page and "above the limit on 1 of 1 days" in page and "5.0 kW at" not in page


def test_its_losses_stand_on_it(sign_in: SignIn, household: House, node: NetworkNode) -> None:
    date = now().date() - dt.timedelta(days=1)
    for back in range(2):
        DailyLoss.objects.create(
            date=date - dt.timedelta(days=back), node=node, kind="TRANSFORMER", input_wh=100_000, delivered_wh=90_000,
            technical_wh=4_000, ntl_wh=6_000, ntl_low_wh=5_000, ntl_high_wh=7_000, ntl_noise_wh=0, completeness=1, refusal="",
            meters=3, meters_known=3, source="x", version=1, computed_at=now(),
        )  # fmt: skip
    client = sign_in("pln")
    page = client.get("/operasi/gardu/T-1/").content.decode()
    assert "20 kWh, 10.0 percent of what came in, on 2 days" in page and "12 kWh (10 to 14)" in page
    assert b"".join(client.get("/operasi/gardu/T-1/?grafik=tak-teknis&bentuk=csv")).count(b";5;7;6;4") == 2
    assert client.get("/operasi/penyulang/P-1/").status_code == 200


def test_what_is_off_and_planned_stands_on_it(sign_in: SignIn, town: Town, household: House, node: NetworkNode) -> None:
    for house in town.houses:
        town.push(house, house.sim.power_cut(town.now))
    town.run()
    town.now += dt.timedelta(seconds=40)
    run_outages(now=town.now)
    PlannedOutage.objects.create(
        node=node.parent, begin_at=town.now + dt.timedelta(hours=5), end_at=town.now + dt.timedelta(hours=7),
        reason="Ganti isolator", state="ANNOUNCED", asked_by="test", asked_at=town.now,
    )  # fmt: skip
    page = sign_in("pln").get("/operasi/gardu/T-1/").content.decode()
    assert "Power is off" in page and "3 power cut" in page and "Ganti isolator" in page and "Off now" in page
    over = sign_in("pln").get("/operasi/penyulang/P-1/").content.decode()
    assert "Gardu Melati" in over and "Ganti isolator" in over


def test_a_feeder_lists_its_transformers(sign_in: SignIn, household: House, node: NetworkNode) -> None:
    facts(node, household.meter)
    client = sign_in("pln")
    page = client.get("/operasi/penyulang/P-1/").content.decode()
    assert 'href="/operasi/gardu/T-1/"' in page and ">109<" in page and "60.00" in page and "Peak of each day" in page
    assert (
        "T-1;Gardu Melati;3;25000;109,200000;27,300000"
        in b"".join(client.get("/operasi/penyulang/P-1/?unduh=csv")).decode()
    )
    morning = client.get("/operasi/jaringan/").content.decode()
    assert 'href="/operasi/gardu/T-1/"' in morning
