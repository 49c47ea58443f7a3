"""Makers' files on the page: wrong rows are shown with their cell, meters come only after a decision."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from tests.flows.house import Town
from tests.headend.shipments import TRANSPORT_KEY, drn_of, file_of, keys_of, row_of
from tests.web.pages.conftest import SignIn

from duaarah.headend.models import Maker, Shipment
from duaarah.headend.shipments.operations import set_maker
from duaarah.registry.models import Meter
from duaarah.web.utility import shipments
from duaarah.wiring.shipments import wrap_transport_key

pytestmark = pytest.mark.slow


@pytest.fixture
def desk(town: Town, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(shipments, "key_store", lambda: town.store)
    wrapped = wrap_transport_key(town.store, "ACME", TRANSPORT_KEY)
    set_maker(code="ACME", name="Acme", transport_key_wrapped=wrapped, actor="test", now=town.now)
    return sign_in("pln")


def send(desk: Client, content: bytes, *, follow: bool = True) -> str:
    file = SimpleUploadedFile("acme-7.csv", content)
    answer = desk.post("/operasi/kiriman/", {"maker": "ACME", "file": file}, follow=follow)
    return answer.content.decode()


def test_a_file_with_a_wrong_row_is_shown_and_taken_only_on_the_tick(desk: Client) -> None:
    bad = row_of(2)
    bad[8] = "350000000000001"
    page = send(desk, file_of([row_of(1), bad, row_of(3)]))
    assert "<b>IMEI</b>: It is 15 digits" in page and "Take up 2 meters" in page and drn_of(1) in page
    for key in keys_of(1):
        assert key.hex() not in page
    shipment, meters = Shipment.objects.get(), Meter.objects.count()
    close = f"/operasi/kiriman/{shipment.pk}/tutup/"
    assert "Some rows are wrong" in desk.post(close, {"decision": "take"}, follow=True).content.decode()
    assert Meter.objects.count() == meters
    page = desk.post(close, {"decision": "take", "without_wrong": "yes"}, follow=True).content.decode()
    assert "Taken up: 2 meters." in page and Meter.objects.count() == meters + 2
    assert "acme-7.csv" in desk.get("/operasi/kiriman/").content.decode()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"DRN,EK\n1,2\n", "The first row lacks columns"), (b"\x00\x01", "neither CSV nor XLSX"), (b" ", "no meter")],
)
def test_a_file_that_cannot_be_read_says_why(desk: Client, content: bytes, sentence: str) -> None:
    assert sentence in send(desk, content) and Shipment.objects.count() == 0


def test_no_file_no_maker_and_a_discarded_one(desk: Client) -> None:
    assert "Choose a file first" in desk.post("/operasi/kiriman/", {"maker": "ACME"}).content.decode()
    assert desk.post("/operasi/kiriman/", {"maker": "NOBODY"}).status_code == 404
    send(desk, file_of([row_of(1)]))
    close = f"/operasi/kiriman/{Shipment.objects.get().pk}/tutup/"
    assert "Discarded." in desk.post(close, {"decision": "discard"}, follow=True).content.decode()
    Maker.objects.update(transport_key_wrapped=b"other")
    assert "another master key" in send(desk, file_of([row_of(1)]))
