# SPDX-License-Identifier: Apache-2.0
"""Days left on the pages and in the API; a rule set, looked at before, changed and stopped on its pages; a second person."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client
from tests.flows.days import daily_house, live
from tests.flows.house import House, Town
from tests.web.pages.conftest import SignIn

from duaarah.clock import operations as clock_operations
from duaarah.notices.auto.buy import buy_due
from duaarah.notices.auto.rules import Wish, set_rule
from duaarah.notices.auto.second_person import ask_second_persons, follow_second_persons
from duaarah.notices.auto.watch import watch_rules
from duaarah.notices.models import AutoRule, AutoRuleVersion, Forecast, TopUpRequest
from duaarah.people.models import Login
from duaarah.vending.models import Payment, Vend

pytestmark = pytest.mark.slow
FORM = {"name": "Rumah", "nominal": "50000", "when": "kwh", "kwh": "8", "budget": "150.000"}


def forecast_for(house: House, town: Town, *, days: float = 3.0, balance_wh: int = 12_400) -> None:
    """A forecast as the sweeper would have left it."""
    Forecast.objects.update_or_create(
        pk=house.meter.pk,
        defaults={
            "due": False,
            "days_left": days,
            "low_days": days - 0.8,
            "high_days": days + 1.2,
            "balance_wh": balance_wh,
            "as_of_at": town.now,
            "ends_at": town.now + dt.timedelta(days=days),
            "ends_low_at": town.now + dt.timedelta(days=days - 0.8),
            "daily_wh": 4_100,
            "days_known": 30,
            "computed_at": town.now,
        },
    )


def page(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


def test_days_left_stand_on_the_household_page_with_their_band(town: Town, household: House, sign_in: SignIn) -> None:
    client = sign_in("household")
    assert "days (" not in page(client, "/rumah/")
    forecast_for(household, town)
    text = page(client, "/rumah/")
    assert "± 3 days (2–5)" in text and "estimate" in text and 'class="band"' in text
    assert "by your use of 30 days" in text


def test_the_fleet_sorts_by_days_and_does_not_ask_a_meter_at_a_time(town: Town, sign_in: SignIn) -> None:
    client = sign_in("fleet")
    forecast_for(town.houses[1], town, days=5.0)
    forecast_for(town.houses[2], town, days=2.4)
    text = page(client, "/armada/?urut=hari")
    assert text.index("BB001") < text.index("BTS001")
    assert "± 2 days (1–4)" in text and "± 5 days (4–7)" in text
    assert text.count('value="hari" selected') == 1


def test_the_api_tells_days_left(town: Town, household: House) -> None:
    from duaarah.people.keys import make_key

    key = make_key(holder=household.holder, name="test", now=town.now)
    client = Client(headers={"authorization": f"Bearer {key}"})
    path = f"/api/v1/meters/{household.meter.drn}"
    assert client.get(path).json()["days_left"] is None
    forecast_for(household, town)
    told = client.get(path).json()
    assert told["days_left"] == pytest.approx(3.0, abs=0.01)
    assert told["days_left_low"] == pytest.approx(2.2, abs=0.01) and told["days_left_high"] > 4


def test_a_rule_is_looked_at_before_it_is_on(town: Town, household: House, sign_in: SignIn) -> None:
    client = sign_in("household")
    assert "nothing is bought by itself" in page(client, "/rumah/otomatis/")
    form = {**FORM, "meter": household.meter.drn}
    answer = client.post("/rumah/otomatis/baru/", form)
    text = answer.content.decode()
    assert answer.status_code == 200 and "The last 30 days under this rule" in text
    assert "told too little of the last 30 days: 1." in text and not AutoRule.objects.exists()
    assert client.post("/rumah/otomatis/baru/", {**form, "confirm": "yes"}).status_code == 302
    rule = AutoRule.objects.get()
    assert (rule.nominal_idr, rule.threshold_wh, rule.budget_idr, rule.quiet_from_min) == (50_000, 8_000, 150_000, None)
    text = page(client, "/rumah/otomatis/")
    assert "Rp 50,000 below 8.0 kWh" in text and "Rp 150,000 left this month of Rp 150,000" in text


def test_what_it_would_have_done_is_lived_on_stored_days(town: Town, household: House, sign_in: SignIn) -> None:
    house = daily_house(town, credit_wh=300_000)
    live(town, house, 40, 5_000)
    clock_operations.move(at=town.now, rate=1)
    login = Login.objects.create_user("long", holder=house.holder)
    client = Client(headers={"accept-language": "en"})
    client.force_login(login)
    form = {**FORM, "meter": house.meter.drn, "kwh": "120", "budget": "400000"}
    text = client.post("/rumah/otomatis/baru/", form).content.decode()
    # 250 kWh at the begin, 150 used: below 120 once, for one token, or twice.
    assert "told too little" not in text and "× Rp 50,000" in text and "0 × " not in text
    assert Payment.objects.count() == 0 and not AutoRule.objects.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"nominal": "30000"}, "Choose one of the nominals."),
        ({"budget": "x"}, "The budget of a month holds one purchase at least."),
        ({"budget": "40000"}, "The budget of a month holds one purchase at least."),
        ({"kwh": "-3"}, "Buy below 0.5 to 1,000 kWh"),
        ({"when": "days", "days": "99"}, "Buy below 0.5 to 1,000 kWh"),
        ({"quiet_from": "25.00", "quiet_until": "06.00"}, "Quiet hours have a begin and an end"),
        ({"quiet_from": "22.00"}, "Quiet hours have a begin and an end"),
        ({"approval": "10000", "confirm": "yes"}, "Nobody else signs in for you"),
        ({"meter": "99999999999"}, "Choose meters of yours"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_changes(
    town: Town, household: House, sign_in: SignIn, change: dict, words: str
) -> None:
    client = sign_in("household")
    answer = client.post("/rumah/otomatis/baru/", {**FORM, "meter": household.meter.drn, **change})
    assert answer.status_code == 409 and words in answer.content.decode().replace("&#x27;", "'")
    assert not AutoRule.objects.exists()


def test_anothers_meter_and_anothers_rule_do_not_exist(town: Town, household: House, sign_in: SignIn) -> None:
    client, other = sign_in("household"), sign_in("fleet")
    form = {**FORM, "meter": town.houses[1].meter.drn, "confirm": "yes"}
    assert client.post("/rumah/otomatis/baru/", form).status_code == 409
    client.post("/rumah/otomatis/baru/", {**FORM, "meter": household.meter.drn, "confirm": "yes"})
    rule = AutoRule.objects.get()
    assert other.get(f"/armada/otomatis/{rule.pk}/").status_code == 404
    other.post(f"/armada/otomatis/{rule.pk}/henti/")
    assert AutoRule.objects.get().state == "ACTIVE"
    for path in ("/rumah/otomatis/", "/rumah/otomatis/baru/", "/armada/otomatis/"):
        assert sign_in("nobody").get(path).status_code == 302
        assert sign_in("pln").get(path).status_code == 403


def test_a_fleet_rule_for_many_sites_is_changed_and_stopped(town: Town, sign_in: SignIn) -> None:
    client = sign_in("fleet")
    both = [town.houses[1].meter.drn, town.houses[2].meter.drn]
    form = {**FORM, "name": "Menara", "when": "days", "days": "2", "budget": "2 000 000", "meter": both}
    form |= {"quiet_from": "22.00", "quiet_until": "6:00", "confirm": "yes"}
    client.post("/armada/otomatis/baru/", form)
    rule = AutoRule.objects.get()
    assert (rule.threshold_days, rule.threshold_wh, rule.quiet_from_min, rule.quiet_until_min) == (2, None, 1320, 360)
    assert rule.members.count() == 2
    text = page(client, f"/armada/otomatis/{rule.pk}/")
    assert text.count(" checked") == 3 and 'value="22.00"' in text
    client.post(f"/armada/otomatis/{rule.pk}/", {**form, "meter": both[:1]})
    assert rule.members.count() == 1 and AutoRuleVersion.objects.count() == 2
    assert "Menara" in page(client, "/armada/otomatis/")
    client.post(f"/armada/otomatis/{rule.pk}/henti/")
    assert AutoRule.objects.get().state == "OFF" and "Menara" not in page(client, "/armada/otomatis/")


def test_a_second_person_of_the_fleet_agrees_and_the_token_says_why(town: Town, sign_in: SignIn) -> None:
    house = town.houses[1]
    first = sign_in("fleet")
    second_login = Login.objects.create_user("second", holder=house.holder)
    second = Client(headers={"accept-language": "en"})
    second.force_login(second_login)
    forecast_for(house, town, days=1.4, balance_wh=7_000)
    form = {**FORM, "meter": house.meter.drn, "approval": "40000", "confirm": "yes"}
    first.post("/armada/otomatis/baru/", form)
    # The platform's clock has gone on while the form was sent.
    town.now += dt.timedelta(minutes=1)
    watch_rules(now=town.now)
    ask_second_persons(now=town.now)
    request = TopUpRequest.objects.get()
    path = f"/armada/otomatis/putuskan/{request.pk}/"
    assert "somebody else who signs in for you" in page(first, "/armada/otomatis/")
    first.post(path, {"agree": "yes"})
    assert TopUpRequest.objects.get().approval.state == "REQUESTED"
    assert sign_in("household").post(path, {"agree": "yes"}).status_code == 404
    assert "Approve" in page(second, "/armada/otomatis/")
    second.post(path, {"agree": "yes"})
    follow_second_persons(now=town.now)
    buy_due(token_source=town.source, now=town.now)
    vend = Vend.objects.get()
    assert vend.payment.reference == f"auto:{request.pk}"
    for text in (page(first, f"/rumah/token/{vend.pk}/"), page(first, "/armada/otomatis/")):
        assert "; the meter told 7.0 kWh at" in text
        assert "the rule buys below 8.0 kWh; Rp 100,000 of Rp 150,000 left this month." in text


def test_a_list_of_rules_says_why_not_now(town: Town, household: House, sign_in: SignIn) -> None:
    client = sign_in("household")
    forecast_for(household, town, balance_wh=30_000, days=9.0)
    set_rule(
        holder=household.holder,
        wish=Wish(name="Rumah", nominal_idr=50_000, budget_idr=150_000, threshold_wh=8_000),
        meters=[household.meter],
        actor="test",
        now=town.now,
    )
    watch_rules(now=town.now)
    assert "enough credit" in page(client, "/rumah/otomatis/")
