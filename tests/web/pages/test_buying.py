"""Buying on a page: once however often it is sent, and the token's journey to the meter's own answer."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from tests.flows.house import House, Town
from tests.web.pages.conftest import SignIn

from duaarah.vending.models import LedgerLine, Payment, Vend, Wallet

pytestmark = pytest.mark.slow


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found is not None, name
    return found[1]


def review(client: Client, house: House, nominal_idr: int) -> str:
    page = client.get(f"/rumah/meter/{house.meter.drn}/isi/?nominal={nominal_idr}")
    assert page.status_code == 200
    return page.content.decode()


def test_a_purchase_on_the_page_loads_the_meter_and_twice_is_once(
    town: Town, household: House, sign_in: SignIn
) -> None:
    client = sign_in("household")
    page = review(client, household, 50_000)
    assert "33.6 kWh" in page and "Rp 150,000" in page
    form = {"nominal": "50000", "reference": hidden(page, "reference")}
    before_wh = household.sim.credit_wh
    answers = [client.post(f"/rumah/meter/{household.meter.drn}/isi/", form) for _ in range(2)]
    vend = Vend.objects.get()
    assert [a["Location"] for a in answers] == [f"/rumah/token/{vend.pk}/"] * 2
    assert Wallet.objects.get(holder=household.holder).balance_sen == 15_000_000
    assert "under way" in client.get(f"/rumah/token/{vend.pk}/").content.decode()

    town.run()

    assert household.sim.credit_wh == before_wh + 33_600
    page = client.get(f"/rumah/token/{vend.pk}/").content.decode()
    assert "Loaded: the meter says so" in page and "under way" not in page
    digits = vend.token.digits
    assert " ".join(digits[i : i + 4] for i in range(0, 20, 4)) in page
    home = client.get("/rumah/").content.decode()
    assert "39.6 kWh" in home and "supply on" in home
    assert sum(LedgerLine.objects.values_list("amount_sen", flat=True)) == 0


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"nominal": "12345", "reference": "00000000-0000-4000-8000-000000000001"}, "Choose one of the nominals"),
        ({"nominal": "abc"}, "Choose one of the nominals"),
        ({"nominal": "50000", "reference": "' OR 1=1"}, "This form is not complete"),
        ({"nominal": "1000000", "reference": "00000000-0000-4000-8000-000000000001"}, "The wallet holds Rp 200,000"),
    ],
)
def test_what_is_wrong_is_said_and_no_money_moves(
    household: House, sign_in: SignIn, form: dict[str, str], words: str
) -> None:
    answer = sign_in("household").post(f"/rumah/meter/{household.meter.drn}/isi/", form)
    assert answer.status_code == 409
    assert words in answer.content.decode() and "o money has moved" in answer.content.decode()
    assert Payment.objects.count() == 0
    assert Wallet.objects.get(holder=household.holder).balance_sen == 20_000_000


def test_a_form_used_for_another_purchase_is_refused(household: House, sign_in: SignIn) -> None:
    client = sign_in("household")
    form = {"nominal": "20000", "reference": "00000000-0000-4000-8000-000000000001"}
    client.post(f"/rumah/meter/{household.meter.drn}/isi/", form)
    answer = client.post(f"/rumah/meter/{household.meter.drn}/isi/", {**form, "nominal": "50000"})
    assert answer.status_code == 409 and "used for another purchase" in answer.content.decode()
    assert Payment.objects.count() == 1


def test_a_fleet_is_filled_in_one_action_after_a_second_look(town: Town, sign_in: SignIn) -> None:
    client = sign_in("fleet")
    drns = [house.meter.drn for house in town.houses[1:]]
    listed = client.get("/armada/").content.decode()
    assert all(f'value="{drn}"' in listed for drn in drns) and town.houses[0].meter.drn not in listed
    look = client.post("/armada/isi/", {"meter": [*drns, town.houses[0].meter.drn], "nominal": "100000"})
    page = look.content.decode()
    assert "Rp 200,000" in page and "Rp 300,000" in page and Payment.objects.count() == 0
    form = {"meter": drns, "nominal": "100000", "batch": hidden(page, "batch")}
    for _ in range(2):
        answer = client.post("/armada/isi/laksanakan/", form)
        assert answer["Location"] == f"/armada/isi/{form['batch']}/"
    assert Payment.objects.count() == 2
    assert Wallet.objects.get(holder=town.houses[1].holder).balance_sen == 30_000_000
    town.run()
    done = client.get(answer["Location"]).content.decode()
    assert done.count("Loaded: the meter says so") == 2
    assert set(Vend.objects.values_list("state", flat=True)) == {"LOADED"}


def test_a_fleet_whose_wallet_ends_in_between_is_told_what_was_filled(town: Town, sign_in: SignIn) -> None:
    client = sign_in("fleet")
    Wallet.objects.filter(holder=town.houses[1].holder).update(balance_sen=15_000_000)
    drns = [house.meter.drn for house in town.houses[1:]]
    form = {"meter": drns, "nominal": "100000", "batch": "00000000-0000-4000-8000-000000000009"}
    page = client.post("/armada/isi/laksanakan/", form, follow=True).content.decode()
    assert "1 sites were not filled" in page and "No money has moved" in page
    assert Payment.objects.count() == 1


def test_live_parts_answer_304_until_something_changes(town: Town, household: House, sign_in: SignIn) -> None:
    client = sign_in("pln")
    first = client.get("/operasi/", headers={"HX-Request": "true"})
    again = client.get("/operasi/", headers={"HX-Request": "true", "If-None-Match": first["ETag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    town.text(household, "ISI 50000 123456")
    town.run()
    changed = client.get("/operasi/", headers={"HX-Request": "true", "If-None-Match": first["ETag"]})
    assert changed.status_code == 200 and household.meter.drn in changed.content.decode()


def test_preferences_change_the_language_of_the_next_sms(town: Town, household: House, sign_in: SignIn) -> None:
    client = sign_in("household")
    client.post("/rumah/pengaturan/", {"language": "en"})
    town.text(household, "HELP")
    town.run()
    assert town.words_to(household)[-1].startswith("SALDO: kWh left.")
    client.post("/rumah/pengaturan/", {"language": "xx"})
    household.holder.refresh_from_db()
    assert household.holder.language == "en"
