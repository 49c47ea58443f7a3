"""Orders on the meter's page: a second look, a second person, progress in words, wrong input in a sentence."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client
from tests.flows.house import House, Town
from tests.web.pages.conftest import SignIn

from duaarah.headend.models import Command, InvocationCounter, MeterState
from duaarah.outages.models import MeterSupply
from duaarah.people.models import Approval, Login, Membership, Unit
from duaarah.registry.models import Meter
from duaarah.web.shared.supply import reading

pytestmark = pytest.mark.slow


def second(sign_in: SignIn) -> Client:
    """Another person of the utility."""
    login = Login.objects.create_user("second")
    Membership.objects.create(login=login, unit=Unit.objects.get(code="pln"), role="APPROVER")
    return sign_in("second")


def path(house: House, query: str = "") -> str:
    return f"/operasi/meter/{house.meter.drn}/perintah/{query}"


def part(client: Client, house: House) -> str:
    return client.get(f"/operasi/meter/{house.meter.drn}/perintah/jejak/").content.decode()


def test_off_is_asked_agreed_and_seen_to_the_end(sign_in: SignIn, town: Town, household: House) -> None:
    one = sign_in("pln")
    look = one.get(path(household, "?order=relay_open")).content.decode()
    assert "The meter cuts the supply" in look and "Ask a second person" in look
    assert Approval.objects.count() == 0
    assert "A reason is needed" in one.post(path(household), {"order": "relay_open"}).content.decode()
    page = one.post(path(household), {"order": "relay_open", "reason": "unpaid theft"}, follow=True).content.decode()
    assert "Asked." in page and "waits for a second person" in page and "unpaid theft" in page
    two, decide = second(sign_in), f"/operasi/kunci/persetujuan/{Approval.objects.get().pk}/"
    assert "Switch off" in two.get("/operasi/kunci/persetujuan/").content.decode()
    one.post(decide, {"decision": "yes"})
    assert Command.objects.count() == 0
    assert "on its way" in two.post(decide, {"decision": "yes"}, follow=True).content.decode()
    assert "Queued" in part(one, household) and "Withdraw" in part(one, household)
    town.run()
    assert "Executed: the meter says so" in part(one, household)
    page = one.get(f"/operasi/meter/{household.meter.drn}/").content.decode()
    assert "switched off" in page and "supply on" not in page
    said = page[page.index("What the meter said") : page.index("What it was told")]
    assert " · " in said and "{&#x27;" not in said
    home = sign_in("household").get("/rumah/").content.decode()
    assert "switched off" in home and "supply on" not in home
    assert MeterState.objects.get().held_open and not household.sim.relay_closed


def test_what_is_harmless_goes_at_once(sign_in: SignIn, town: Town, household: House) -> None:
    one = sign_in("dataop")
    assert "Send the order" in one.get(path(household, "?order=clock")).content.decode()
    assert "Queued." in one.post(path(household), {"order": "push_now"}, follow=True).content.decode()
    command = Command.objects.get()
    withdraw = f"/operasi/perintah/{command.pk}/tarik/"
    assert "Withdrawn before" in one.post(withdraw, follow=True).content.decode()
    assert "Too late" in one.post(withdraw, follow=True).content.decode()


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?order=power_limit&limit_w=", "A whole number is needed."),
        ("?order=power_limit&limit_w=much", "A whole number is needed."),
        ("?order=power_limit&limit_w=0", "outside what can be ordered"),
        ("?order=temporary_supply&limit_w=1300&until_at=soon", "Say until when"),
    ],
)
def test_a_field_that_cannot_be_meant(sign_in: SignIn, household: House, query: str, sentence: str) -> None:
    assert sentence in sign_in("pln").get(path(household, query), follow=True).content.decode()


def test_numbers_with_dots_and_the_meter_s_own_time(sign_in: SignIn, household: House) -> None:
    one = sign_in("pln")
    look = one.get(path(household, "?order=temporary_supply&limit_w=5.500&until_at=2026-02-17T18:00")).content.decode()
    assert "5.500 W until 17.02.2026 18:00" in look
    past = one.get(path(household, "?order=temporary_disconnect&until_at=2020-01-01T00:00")).content.decode()
    assert "ends in the future" in past and "Ask a second person" not in past
    assert one.get(path(household, "?order=explode")).status_code == 404


def test_who_only_looks_on_cannot_order(sign_in: SignIn, household: House) -> None:
    one = sign_in("pln")
    Membership.objects.update(role="VIEWER")
    assert one.post(path(household), {"order": "push_now"}).status_code == 403
    assert Command.objects.count() == 0


def test_what_was_off_for_a_time_is_on_again_and_a_power_cut_is_said_first(town: Town, household: House) -> None:
    meter, until = household.meter, town.now + dt.timedelta(hours=2)
    InvocationCounter.objects.filter(meter=meter).update(latest_contact_at=town.now)
    MeterState.objects.create(meter=meter, held_open=True, held_open_until_at=until, confirmed_at=town.now)
    signs = [reading(Meter.objects.get(pk=meter.pk), at).sign for at in (town.now, until)]
    MeterSupply.objects.update_or_create(meter=meter, defaults={"state": "PADAM", "since_at": town.now})
    assert [*signs, reading(Meter.objects.get(pk=meter.pk), town.now).sign] == ["putus", "nyala", "padam"]
