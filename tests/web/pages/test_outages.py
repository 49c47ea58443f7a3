# SPDX-License-Identifier: Apache-2.0
"""The pages of outages and planned work: what operators see and do, what customers see, what strangers do not."""

from __future__ import annotations

import datetime as dt

import pytest
from tests.flows.house import House, Town
from tests.web.pages.conftest import SignIn

from duaarah.audit.models import AuditRecord
from duaarah.clock.queries import now
from duaarah.notices.models import OutageNotice
from duaarah.notices.padam import note_outages, tell_outages
from duaarah.outages.inferring import run_outages
from duaarah.outages.models import Interruption, MeterSupply, Outage, PlannedOutage
from duaarah.registry.models import Meter, NetworkNode

pytestmark = pytest.mark.slow


@pytest.fixture
def dark(town: Town, household: House) -> Outage:
    """Three houses below one transformer, all of them off; the feeder above it has places on the map."""
    feeder = NetworkNode.objects.create(code="P1", kind="FEEDER", name="Penyulang", latitude=-6.4, longitude=106.8)
    node = NetworkNode.objects.create(
        code="T1", kind="TRANSFORMER", parent=feeder, name="Gardu Melati", latitude=-6.41, longitude=106.82
    )
    Meter.objects.update(transformer=node)
    for house in town.houses:
        town.push(house, house.sim.power_cut(town.now))
    town.run()
    turn(town, 40)
    return Outage.objects.get(state="DECLARED")


def turn(town: Town, seconds: int) -> None:
    town.now += dt.timedelta(seconds=seconds)
    run_outages(now=town.now)
    note_outages(now=town.now)
    tell_outages(now=town.now)
    town.run()


def local(at: dt.datetime) -> str:
    return at.astimezone(dt.timezone(dt.timedelta(hours=7))).strftime("%Y-%m-%dT%H:%M")


def test_the_list_the_map_and_one_outage(sign_in: SignIn, town: Town, dark: Outage) -> None:
    one = sign_in("pln")
    page = one.get("/operasi/padam/").content.decode()
    assert "3 customers are off" in page and "Gardu Melati (T1)" in page and "<svg" in page
    assert '<rect class="padam"' in page and '<circle class="nyala"' in page
    detail = one.get(f"/operasi/padam/{dark.pk}/").content.decode()
    assert "last gasp: the supply failed" in detail and "Told that it is off</dt><dd>3" in detail
    table = b"".join(one.get("/operasi/padam/?unduh=csv")).decode()  # type: ignore[call-overload]
    assert "Gardu Melati (T1)" in table


def test_a_deed_is_looked_at_first_then_done_and_audited(sign_in: SignIn, town: Town, dark: Outage) -> None:
    one, path = sign_in("pln"), f"/operasi/padam/{dark.pk}/ubah/"
    end_at = (now() + dt.timedelta(hours=2)).replace(second=0, microsecond=0)
    form = {"deed": "estimate", "end_at": local(end_at)}
    looked = one.post(path, form).content.decode()
    assert "Yes, do it" in looked and "3 customers" in looked
    dark.refresh_from_db()
    assert dark.estimated_end_at is None
    one.post(path, {**form, "sure": "yes"})
    dark.refresh_from_db()
    assert dark.estimated_end_at == end_at
    one.post(path, {"deed": "wide", "sure": "yes"})
    one.post(path, {"deed": "close", "sure": "yes", "reason": ""})
    dark.refresh_from_db()
    assert dark.wide and dark.state == "DECLARED"
    one.post(path, {"deed": "close", "sure": "yes", "reason": "Petugas di tempat"})
    dark.refresh_from_db()
    assert dark.state == "CLOSED"
    assert not Interruption.objects.filter(superseded_at=None, ended_at=None).exists()
    verbs = list(AuditRecord.objects.filter(subject=f"outage:{dark.pk}").order_by("id").values_list("verb", "refused"))
    assert verbs == [
        ("outages.set_estimated_end", False),
        ("outages.declare_wide", False),
        ("outages.deed", True),
        ("outages.close_outage", False),
    ]
    turn(town, 20)
    assert Interruption.objects.filter(superseded_at=None, ended_at=None).count() == 0
    assert OutageNotice.objects.filter(kind="NYALA").count() == 3


def test_the_household_sees_since_when_and_until_when(sign_in: SignIn, town: Town, dark: Outage) -> None:
    one, drn = sign_in("household"), town.houses[0].meter.drn
    page = one.get(f"/rumah/meter/{drn}/").content.decode()
    assert "Off since 16 Feb 2026 08:00 WIB" in page and "Nobody can say yet" in page
    Outage.objects.filter(pk=dark.pk).update(estimated_end_at=town.now + dt.timedelta(hours=2))
    assert "Expected back 16 Feb 2026 10:00 WIB" in one.get(f"/rumah/meter/{drn}/").content.decode()
    assert "expected back" in sign_in("fleet").get("/armada/").content.decode()


def test_planned_work_is_drafted_announced_once_matched_and_called_off(sign_in: SignIn, town: Town) -> None:
    one = sign_in("pln")
    node = NetworkNode.objects.create(code="T1", kind="TRANSFORMER")
    Meter.objects.update(transformer=node)
    begin_at = (now() + dt.timedelta(hours=4)).replace(second=0, microsecond=0)
    form = {"node": "T1", "begin_at": local(begin_at), "end_at": local(begin_at + dt.timedelta(hours=2))}
    refused = one.post("/operasi/padam/rencana/", {**form, "reason": ""}, follow=True).content.decode()
    assert "A reason is needed" in refused and not PlannedOutage.objects.exists()
    for _ in range(2):
        one.post("/operasi/padam/rencana/", {**form, "reason": "Ganti trafo"})
    plan = PlannedOutage.objects.get()
    page = one.get(f"/operasi/padam/rencana/{plan.pk}/").content.decode()
    assert "to 3 customers" in page
    for _ in range(2):
        one.post(f"/operasi/padam/rencana/{plan.pk}/ubah/", {"deed": "announce"})
    town.now += dt.timedelta(minutes=5)
    turn(town, 5)
    told = [town.words_to(house) for house in town.houses]
    assert [len(words) for words in told] == [1, 1, 1] and "Pemeliharaan jaringan" in told[0][0]
    one.post(f"/operasi/padam/rencana/{plan.pk}/ubah/", {"deed": "call_off", "reason": "Hujan"})
    turn(town, 600)
    assert all("batal" in town.words_to(house)[1] for house in town.houses)
    plan.refresh_from_db()
    assert (plan.state, plan.told) == ("CANCELLED", 3)
    assert AuditRecord.objects.filter(subject=f"planned:{plan.pk}").count() == 3


def test_an_outage_in_announced_work_is_planned(town: Town) -> None:
    node = NetworkNode.objects.create(code="T1", kind="TRANSFORMER")
    Meter.objects.update(transformer=node)
    begin_at = town.now - dt.timedelta(minutes=5)
    plan = PlannedOutage.objects.create(
        node=node, begin_at=begin_at, end_at=begin_at + dt.timedelta(hours=2), reason="x", state="ANNOUNCED",
        asked_by="test", asked_at=begin_at,
    )  # fmt: skip
    for house in town.houses:
        town.push(house, house.sim.power_cut(town.now))
    town.run()
    turn(town, 40)
    outage = Outage.objects.get(state="DECLARED")
    assert (outage.cause, outage.planned) == ("PLANNED", plan)
    assert set(Interruption.objects.filter(superseded_at=None).values_list("cause", flat=True)) == {"PLANNED"}


@pytest.mark.parametrize("role", ["household", "fleet", "mobile", "gerai", "nobody"])
def test_a_stranger_learns_and_moves_nothing(sign_in: SignIn, dark: Outage, role: str) -> None:
    one = sign_in(role)
    for path in ("/operasi/padam/", f"/operasi/padam/{dark.pk}/", "/operasi/padam/rencana/"):
        assert one.get(path).status_code in (302, 403)
    deed = {"deed": "close", "sure": "yes", "reason": "x"}
    assert one.post(f"/operasi/padam/{dark.pk}/ubah/", deed).status_code in (302, 403)
    dark.refresh_from_db()
    assert dark.state == "DECLARED"
    assert MeterSupply.objects.filter(state="PADAM").count() == 3
