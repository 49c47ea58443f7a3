"""IZIN as a page: another number may ask or buy, after a second look and the PIN; taken back the same way."""

from __future__ import annotations

import datetime as dt

import pytest
from tests.flows.house import House, Town
from tests.web.pages.conftest import SignIn

from duaarah.audit.models import AuditRecord
from duaarah.registry.models import Delegation

pytestmark = pytest.mark.slow
PAGE, OTHER = "/rumah/izin/", "0812-9999-0001"


def form(house: House, **values: str) -> dict[str, str]:
    return {"meter": house.meter.drn, "phone": OTHER, "right": "READ", "days": "30", **values}


def test_a_right_is_looked_at_given_used_by_sms_and_taken_back(sign_in: SignIn, town: Town, household: House) -> None:
    client = sign_in("household")
    look = client.post(PAGE, form(household)).content.decode()
    assert "Give this right?" in look and "+6281299990001" in look and not Delegation.objects.exists()
    page = client.post(PAGE, form(household, pin="123456"), follow=True).content.decode()
    assert "Given: the number …001, for 30 days." in page and "+6281299990001" in page
    (row,) = Delegation.objects.all()
    assert ((row.valid.upper - row.valid.lower).days, row.right) == (30, "READ")
    # The pages' clock has gone on since the town's instant.
    town.now += dt.timedelta(minutes=1)
    town.arrive(source="6281299990001", payload=b"SALDO", kind="TEXT", data_coding=0)
    town.run()
    assert "belum pernah melapor saldo" in town.inbox["6281299990001"][-1]
    assert "Take the right back?" in client.post(PAGE, form(household, right="END")).content.decode()
    assert client.post(PAGE, form(household, right="END", pin="000000")).status_code == 409
    assert "Taken back" in client.post(PAGE, form(household, right="END", pin="123456"), follow=True).content.decode()
    row.refresh_from_db()
    assert (row.valid.upper - row.valid.lower).days == 0
    verbs = AuditRecord.objects.filter(verb__startswith="registry.", refused=False).order_by("pk")
    assert list(verbs.values_list("verb", flat=True)) == ["registry.delegate", "registry.end_delegation"]
    again = client.post(PAGE, form(household, right="END", pin="123456")).content.decode()
    assert "has no right on this meter any more" in again


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"phone": "12"}, "not an Indonesian mobile number"),
        ({"days": "0"}, "1 to 365 days"),
        ({"days": "366"}, "1 to 365 days"),
        ({"days": "٣"}, "1 to 365 days"),
        ({"right": "OWN"}, "what the other number may do"),
        ({"pin": "999999"}, "The PIN is wrong"),
    ],
)
def test_a_wrong_form_changes_nothing(sign_in: SignIn, household: House, change: dict[str, str], words: str) -> None:
    answer = sign_in("household").post(PAGE, {**form(household, pin="123456"), **change})
    assert answer.status_code == 409 and words in answer.content.decode()
    assert not Delegation.objects.exists()


def test_the_own_number_and_a_sixth_one_are_refused_and_audited(sign_in: SignIn, household: House) -> None:
    client = sign_in("household")
    own = client.post(PAGE, form(household, phone=household.pairing.phone, pin="123456"))
    assert own.status_code == 409 and "own number" in own.content.decode()
    for number in range(6):
        answer = client.post(PAGE, form(household, phone=f"62813000000{number:02d}", pin="123456"))
    assert answer.status_code == 409 and Delegation.objects.count() == 5
    assert AuditRecord.objects.filter(verb="registry.delegate", refused=True).count() == 2


def test_a_locked_pin_and_anothers_meter(sign_in: SignIn, town: Town, household: House) -> None:
    client = sign_in("household")
    for _ in range(6):
        last = client.post(PAGE, form(household, pin="000000"))
    assert "locked for an hour" in last.content.decode()
    assert client.post(PAGE, form(household, pin="123456")).status_code == 409
    assert client.post(PAGE, form(town.houses[1], pin="123456")).status_code == 404
    assert not Delegation.objects.exists()
