# SPDX-License-Identifier: Apache-2.0
"""Losses on pages: the ranking and its files, a transformer, a meter in sentences, decisions with a second look and undo."""

from __future__ import annotations

import datetime as dt
import io
import re

import pytest
from django.test import Client
from openpyxl import load_workbook
from tests.flows.house import Town
from tests.web.pages.conftest import SignIn

from duaarah.analytics.losses import queries
from duaarah.analytics.losses.network import places
from duaarah.analytics.models import DailyLoss, LossDecision, LossFinding, LossState, LossSuspect
from duaarah.audit.models import AuditRecord
from duaarah.people.models import Login, Membership, Unit
from duaarah.registry.models import Meter, NetworkNode

pytestmark = pytest.mark.slow
PAGE = "/operasi/susut/"
DAYS = 10


class Lossy:
    """A feeder with three transformers: one lacks much, one a little, one has no total meter."""

    def __init__(self, town: Town) -> None:
        self.now = town.now
        self.last_date = town.now.date() - dt.timedelta(days=1)
        self.feeder = NetworkNode.objects.create(code="P-1", kind="FEEDER")
        self.nodes = [
            NetworkNode.objects.create(code=f"T-{n}", kind="TRANSFORMER", parent=self.feeder) for n in range(3)
        ]
        self.meter = town.houses[0].meter
        self.other = town.houses[1].meter
        Meter.objects.filter(pk=self.meter.pk).update(transformer=self.nodes[0])
        Meter.objects.filter(pk=self.other.pk).update(transformer=self.nodes[1])
        for back in range(DAYS):
            date = self.last_date - dt.timedelta(days=back)
            self.day(0, date, 40_000.0)
            self.day(1, date, 2_000.0)
            DailyLoss.objects.create(
                date=date, node=self.nodes[2], kind="TRANSFORMER", input_wh=None, delivered_wh=9e5, completeness=0.9,
                refusal="no_total", meters=5, meters_known=6, source="x", version=1, computed_at=town.now,
            )  # fmt: skip
            self.fact(self.feeder, "FEEDER", date, input_wh=2.04e6, delivered_wh=2e6)
        row = DailyLoss.objects.get(node=self.nodes[0], date=self.last_date)
        row.refusal, row.ntl_wh, row.ntl_low_wh, row.ntl_high_wh, row.completeness = "incomplete", None, None, None, 0.8
        row.save()

    def fact(self, node: NetworkNode, kind: str, date: dt.date, **values: float) -> None:
        whole = {"completeness": 1.0, "meters": 50, "meters_known": 50, "source": "x", "version": 1}
        DailyLoss.objects.create(date=date, node=node, kind=kind, computed_at=self.now, **whole, **values)

    def day(self, number: int, date: dt.date, ntl_wh: float) -> None:
        """The interval of a day is 5 kWh to either side, 3 of which are the day's own."""
        self.fact(
            self.nodes[number], "TRANSFORMER", date, input_wh=1e6, delivered_wh=1e6 - 20_000 - ntl_wh,
            technical_wh=20_000.0, technical_low_wh=18_000.0, technical_high_wh=22_000.0, ntl_wh=ntl_wh,
            ntl_low_wh=ntl_wh - 5_000, ntl_high_wh=ntl_wh + 5_000, ntl_noise_wh=3_000.0,
        )  # fmt: skip

    def suspect(self) -> LossSuspect:
        LossState.objects.create(
            node=self.nodes[0], date=self.last_date, since_date=self.last_date - dt.timedelta(days=6), clean_days=20,
            ranked=True, source="x", computed_at=self.now, street_light_w=480.0,
        )  # fmt: skip
        return LossSuspect.objects.create(
            node=self.nodes[0], meter=self.meter, date=self.last_date, rank=1, case=True, score=14.2, mechanism="drop",
            share=0.58, hidden_wh_day=4200.0, since_date=self.last_date - dt.timedelta(days=6),
            rules=[["cover_open", 4.0, 2.0]], version=1, computed_at=self.now,
        )  # fmt: skip


@pytest.fixture
def lossy(town: Town) -> Lossy:
    return Lossy(town)


def listed(page: str) -> list[str]:
    table = page[page.index('id="h-rows"') :]
    return re.findall(r">(T-\d)</a>", table)


def test_the_ranking_says_what_is_missing_and_how_surely(lossy: Lossy, sign_in: SignIn) -> None:
    lossy.suspect()
    client = sign_in("pln")
    page = client.get(PAGE).content.decode()
    assert listed(page) == ["T-0", "T-1", "T-2"]
    # Nine days of 40 kWh; shared doubt 4 kWh a day adds up to 36, the days' own to 9: 37.1.
    assert "<b>360</b>" in page and "323 to 397 · 4.0 %" in page
    assert "760 kWh lost, 4.00 percent of what came in." in page
    assert "no total meter: what came in is not known" in page and "9 of 10 days" in page
    assert "1 open" in page and "2 of 3 transformers have days with a verdict." in page
    assert page.index("h-feeders") < page.index(">P-1</a>", page.index("h-feeders")) and "2.0</td>" in page
    by_percent = client.get(f"{PAGE}?urut=persen&penyulang={lossy.feeder.pk}")
    assert listed(by_percent.content.decode()) == ["T-0", "T-1", "T-2"]
    for bad in ("urut=x", "penyulang=9999", "penyulang=x", "dari=2026-01-40", "dari=2026-02-02&sampai=2026-02-01"):
        assert client.get(f"{PAGE}?{bad}").status_code == 404, bad


def test_files_hold_all_and_a_page_without_days_says_why(lossy: Lossy, sign_in: SignIn) -> None:
    client = sign_in("pln")
    csv = b"".join(client.get(f"{PAGE}?unduh=csv").streaming_content).decode("utf-8-sig").splitlines()
    assert len(csv) == 5 and csv[0].startswith("Kind;Feeder;Node;From;Until;Days;Days with a verdict;")
    row = next(line for line in csv if ";T-0;" in line).split(";")
    assert row[7:15] == [
        "9000,0000",
        "8460,0000",
        "540,0000",
        "6,000000",
        "180,0000",
        "360,0000",
        "322,8920",
        "397,1080",
    ]
    sheet = load_workbook(io.BytesIO(b"".join(client.get(f"{PAGE}?unduh=xlsx").streaming_content))).active
    assert sheet.max_row == 5
    node = f"{PAGE}simpul/{lossy.nodes[0].pk}/"
    assert len(b"".join(client.get(f"{node}?unduh=csv").streaming_content).splitlines()) == DAYS + 1
    assert client.get(f"{node}?grafik=tak-teknis&bentuk=png")["Content-Type"] == "image/png"
    DailyLoss.objects.all().delete()
    assert "A balance needs a total meter" in client.get(PAGE).content.decode()
    assert "No day of these has been counted here." in client.get(node).content.decode()
    assert "No balance has been counted yet" in client.get("/operasi/jaringan/").content.decode()


def test_a_transformer_its_days_and_its_meter_in_sentences(lossy: Lossy, sign_in: SignIn) -> None:
    lossy.suspect()
    LossFinding.objects.create(
        node=lossy.nodes[1], meter=lossy.other, kind="transformer", version=1, computed_at=lossy.now,
        detail={"recorded": [lossy.nodes[1].pk, "L1"], "likely": [lossy.nodes[0].pk, "L2"], "fits_recorded": 0.02,
                "fits_likely": 0.81, "exchanged": lossy.meter.pk},
    )  # fmt: skip
    client = sign_in("pln")
    page = client.get(f"{PAGE}simpul/{lossy.nodes[0].pk}/").content.decode()
    assert "more is missing than before." in page and "learned from 20 days" in page
    assert "About 480 W burn all night" in page and "test sheet is not in the registry" in page
    assert "less than 95 percent of the readings are there" in page and "14.2" in page
    meter = client.get(f"{PAGE}simpul/{lossy.nodes[0].pk}/meter/{lossy.meter.drn}/").content.decode()
    assert "it counts less" in meter and "about 4.2 kWh a day, 58 percent" in meter
    assert "its cover was opened 2 times" in meter and "no proof" in meter
    for word in ("theft", "steal", "thief"):
        assert word not in meter.lower() and word not in page.lower()
    found = client.get(f"{PAGE}temuan/").content.decode()
    assert "Its voltage moves with T-0 L2 (fit 0.81)" in found and "perhaps exchanged with" in found
    assert "Nothing is wrong" in client.get(f"{PAGE}temuan/?jenis=jam").content.decode()
    assert client.get(f"{PAGE}temuan/?jenis=x").status_code == 404
    assert client.get(f"{PAGE}simpul/{lossy.nodes[2].pk}/meter/{lossy.meter.drn}/").status_code == 404
    morning = client.get("/operasi/jaringan/").content.decode()
    assert "h-lost" in morning and "1 indications are open" in morning
    whole = client.get("/operasi/gardu/T-0/").content.decode()
    assert "540 kWh, 6.0 percent of what came in, on 9 days" in whole and "360 kWh (323 to 397)" in whole
    assert "no total meter" in client.get("/operasi/gardu/T-2/").content.decode()


def test_a_decision_is_looked_at_first_and_can_be_undone(lossy: Lossy, sign_in: SignIn) -> None:
    suspect = lossy.suspect()
    client = sign_in("pln")
    path = f"{PAGE}simpul/{lossy.nodes[0].pk}/meter/{lossy.meter.drn}/"
    form = {"about": "SUSPECT", "state": "NOTHING", "note": "sealed, load measured"}
    clean = {"clean_first": str(lossy.last_date - dt.timedelta(days=9)), "clean_last": str(lossy.last_date)}
    for wrong in ({"note": ""}, {"state": "X"}, {"clean_first": "2026-01-01"}, {"state": "DISMISSED", **clean}):
        client.post(f"{path}putuskan/", {**form, **wrong, "sure": "yes"})
    late = {**clean, "clean_last": str(lossy.now.date())}
    client.post(f"{path}putuskan/", {**form, **late, "sure": "yes"})
    assert not LossDecision.objects.exists()
    looked = client.post(f"{path}putuskan/", {**form, **clean}).content.decode()
    assert "Days without loss:" in looked and not LossDecision.objects.exists()
    for _twice in range(2):
        client.post(f"{path}putuskan/", {**form, **clean, "sure": "yes"})
    made = LossDecision.objects.get()
    assert (made.state, made.made_by.username, made.note) == ("NOTHING", "pln", "sealed, load measured")
    assert places()[lossy.nodes[0].pk].clean == (made.clean_first_date, made.clean_last_date)
    assert queries.open_cases() == {}
    page = client.get(path).content.decode()
    assert "Inspected: nothing was found" in page and "sealed, load measured" in page
    client.post(f"{PAGE}putusan/{made.pk}/batalkan/")
    assert "It was undone before." in client.post(f"{PAGE}putusan/{made.pk}/batalkan/", follow=True).content.decode()
    assert queries.open_cases() == {lossy.nodes[0].pk: 1} and places()[lossy.nodes[0].pk].clean is None
    verbs = AuditRecord.objects.filter(verb__startswith="losses.").order_by("pk").values_list("verb", "subject")
    assert list(verbs) == [("losses.decide", f"meter:{lossy.meter.pk}"), ("losses.undo", f"meter:{lossy.meter.pk}")]
    # What begins after a decision is a new indication.
    client.post(f"{path}putuskan/", {**form, "sure": "yes"})
    assert queries.open_cases() == {}
    LossSuspect.objects.filter(pk=suspect.pk).update(since_date=lossy.now.date() + dt.timedelta(days=3))
    assert queries.open_cases() == {lossy.nodes[0].pk: 1}


def test_a_place_that_somebody_looked_at_is_counted_where_he_says(lossy: Lossy, sign_in: SignIn) -> None:
    LossFinding.objects.create(
        node=lossy.nodes[1], meter=lossy.other, kind="transformer", version=1, computed_at=lossy.now,
        detail={"recorded": [lossy.nodes[1].pk, ""], "likely": [lossy.nodes[0].pk, "L2"], "fits_recorded": 0.0,
                "fits_likely": 0.8, "exchanged": None},
    )  # fmt: skip

    def where() -> int:
        return next(k for k, v in places().items() if lossy.other.pk in [c.meter_id for c in v.customers])

    assert where() == lossy.nodes[0].pk
    client = sign_in("pln")
    path = f"{PAGE}simpul/{lossy.nodes[1].pk}/meter/{lossy.other.drn}/putuskan/"
    form = {"about": "PLACE", "note": "traced the wire", "sure": "yes"}
    client.post(path, {**form, "state": "NOTHING"})
    assert not LossDecision.objects.exists()
    client.post(path, {**form, "state": "DISMISSED"})
    assert where() == lossy.nodes[1].pk
    assert "the registry is right" in client.get(f"{PAGE}temuan/").content.decode()


def test_who_only_looks_on_decides_nothing(lossy: Lossy, sign_in: SignIn) -> None:
    lossy.suspect()
    sign_in("pln")
    watcher = Client(headers={"accept-language": "en"})
    login = Login.objects.create_user("watcher")
    Membership.objects.create(login=login, unit=Unit.objects.get(code="pln"), role="VIEWER")
    watcher.force_login(login)
    path = f"{PAGE}simpul/{lossy.nodes[0].pk}/meter/{lossy.meter.drn}/"
    assert watcher.get(path).status_code == 200
    answer = watcher.post(f"{path}putuskan/", {"state": "FOUND", "note": "x", "sure": "yes"})
    assert answer.status_code == 403 and not LossDecision.objects.exists()
