"""Campaigns on pages: planned, looked at, agreed to by a second person, watched, downloaded."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from tests.flows.house import Town
from tests.web.pages.conftest import SignIn
from tests.web.pages.test_orders import second

from duaarah.core.order import ORDER_FIELDS, OrderKind
from duaarah.headend.campaigns.run import run_campaigns
from duaarah.headend.models import Campaign, Command
from duaarah.people.models import Approval

pytestmark = pytest.mark.slow
FORM = {"title": "February", "reason": "decree 7", "per_hour": "3.600", "in_flight_max": "10"}


def plan(client: Client, **fields: object) -> str:
    return client.post("/operasi/kampanye/baru/", {**FORM, **fields}, follow=True).content.decode()


def test_a_harmless_one_is_planned_begun_and_downloaded(sign_in: SignIn, town: Town) -> None:
    one = sign_in("pln")
    assert "Nothing is sent yet" in one.get("/operasi/kampanye/baru/").content.decode()
    file = SimpleUploadedFile("list.csv", f"drn\n{town.houses[0].meter.drn}\n99999999999\n".encode())
    page = plan(one, order="tariff", tariff="7", file=file)
    assert "Begin: tell 1 meters" in page and "99999999999" in page and "index 7" in page
    campaign = Campaign.objects.get()
    there = f"/operasi/kampanye/{campaign.pk}/"
    assert Command.objects.count() == 0
    assert "It runs." in one.post(there + "langkah/", {"step": "begin"}, follow=True).content.decode()
    run_campaigns(driver=town.driver, now=town.now)
    assert "0 of 1 meters have an outcome." in one.get(there + "jejak/").content.decode()
    town.run()
    run_campaigns(driver=town.driver, now=town.now)
    assert "1 of 1 meters have an outcome." in one.get(there + "jejak/").content.decode()
    assert town.houses[0].sim.ordered.tariff == 7
    download = one.get(there + "?unduh=csv&hasil=executed")
    lines = b"".join(download.streaming_content).decode("utf-8-sig").splitlines()  # type: ignore[attr-defined]
    assert lines[0] == "Meter;Kind;Outcome;Reason;Frames;Closed"
    assert lines[1].startswith(f"{town.houses[0].meter.drn};single-phase-modem;executed;;1;2026-02-16T")
    assert "No meter fits this filter." in one.get(there + "?hasil=refused").content.decode()
    assert "1 executed" in one.get("/operasi/kampanye/").content.decode()
    assert "does not follow" in one.post(there + "langkah/", {"step": "again"}, follow=True).content.decode()


def test_a_dangerous_one_waits_for_a_second_person(sign_in: SignIn, town: Town) -> None:
    one = sign_in("pln")
    page = plan(one, order="relay_open", everything="yes")
    assert "Ask a second person for 3 meters" in page and "The meter cuts the supply" in page
    campaign = Campaign.objects.get()
    step = f"/operasi/kampanye/{campaign.pk}/langkah/"
    assert "Another person has to agree" in one.post(step, {"step": "begin"}, follow=True).content.decode()
    assert "Asked." in one.post(step, {"step": "ask"}, follow=True).content.decode()
    assert "February" in one.get("/operasi/kunci/persetujuan/").content.decode()
    decide = f"/operasi/kunci/persetujuan/{Approval.objects.get().pk}/"
    one.post(decide, {"decision": "yes"})
    assert run_campaigns(driver=town.driver, now=town.now) == 0
    assert "The campaign runs." in second(sign_in).post(decide, {"decision": "yes"}, follow=True).content.decode()
    assert run_campaigns(driver=town.driver, now=town.now) == 1
    for name, said in (("pause", "Paused"), ("resume", "It goes on"), ("stop", "Stopped"), ("again", "3 meters wait")):
        assert said in one.post(step, {"step": name}, follow=True).content.decode()
    assert "Ask a second person for 3 meters" in one.get(f"/operasi/kampanye/{campaign.pk}/").content.decode()
    pace = {"step": "pace", "per_hour": "60", "in_flight_max": "5"}
    assert "The pace is changed." in one.post(step, pace, follow=True).content.decode()
    campaign.refresh_from_db()
    assert (campaign.per_hour, campaign.in_flight_max) == (60, 5)


def test_every_order_offered_has_its_fields_on_the_form(sign_in: SignIn) -> None:
    page = sign_in("pln").get("/operasi/kampanye/baru/").content.decode()
    choices = re.search(r'<select[^>]*name="order".*?</select>', page, re.DOTALL)
    assert choices is not None
    offered = set(re.findall(r'<option value="(\w+)"', choices[0]))
    assert {"clock", "tariff", "rotate_keys"} <= offered and not {"day_summary", "read_profile"} & offered
    typed = {name for kind in offered - {"rotate_keys"} for name in ORDER_FIELDS[OrderKind(kind)]} - {"clock_at"}
    assert typed <= set(re.findall(r'name="(\w+)"', page))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"order": "tariff", "tariff": "x", "everything": "yes"}, "A whole number is needed."),
        ({"order": "tariff", "tariff": "4"}, "No meter is chosen"),
        ({"order": "clock", "numbers": "123"}, "No meter is chosen"),
        ({"order": "clock", "everything": "yes", "reason": ""}, "A title, a reason"),
        ({"order": "power_limit", "limit_w": "0", "everything": "yes"}, "outside what can be ordered"),
    ],
)
def test_what_cannot_be_meant_is_said_and_nothing_is_planned(
    sign_in: SignIn, fields: dict[str, str], said: str
) -> None:
    assert said in plan(sign_in("pln"), **fields) and Campaign.objects.count() == 0
