"""SIM cards received in the portal, number ranges, and a gerai page that says what it does not know."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from tests.flows.house import Town
from tests.web.pages.conftest import SignIn

from duaarah.people.models import Membership
from duaarah.registry import shipments
from duaarah.registry.models import NumberRange, Sim, SimShipment
from duaarah.web.dataop import receiving

pytestmark = pytest.mark.slow
LIST = "ICCID;MSISDN;IMSI\n8962980000000000015;08110001234;\n8962980000000000016;08110001235;\n"


def test_a_list_is_looked_at_and_its_good_rows_taken_once(sign_in: SignIn, town: Town) -> None:
    client, before = sign_in("dataop"), Sim.objects.count()
    upload = SimpleUploadedFile("kirim.csv", b"\xef\xbb\xbf" + LIST.encode())
    path = client.post("/data/sim/terima/", {"operator": town.operator.pk, "file": upload})["Location"]
    page = client.get(path).content.decode()
    for words in ("Take 1 SIM cards into stock", "check digit is wrong: it would be 5", "was not checked", "kirim.csv"):
        assert words in page
    assert Sim.objects.count() == before
    assert "has changed since you looked" in client.post(path, {"good": "2"}, follow=True).content.decode()
    assert Sim.objects.count() == before
    for _ in range(2):
        assert "SIM cards came into stock" in client.post(path, {"good": "1"}, follow=True).content.decode()
    assert Sim.objects.count() == before + 1 and Sim.objects.get(shipment__isnull=False).msisdn == "628110001234"
    assert "628110001234" not in client.get("/data/sim/8962980000000000015/").content.decode()
    assert "In a modem, not yet active, Ended for good" in client.get("/data/sim/").content.decode().replace("\n", "")


def test_what_is_no_list_says_why_and_keeps_what_was_pasted(sign_in: SignIn, town: Town) -> None:
    client = sign_in("dataop")
    big = SimpleUploadedFile("a.csv", b"8" * (shipments.OCTETS_MAX + 1))
    for form, words in (
        ({"text": " "}, "no SIM card in this list"),
        ({"text": "ICCID;Warna\n8962980000000000015;biru"}, "not ICCID and MSISDN"),
        ({"text": LIST, "operator": "0"}, "Choose the mobile operator"),
        ({"file": big}, "At most 5,000"),
    ):
        page = client.post("/data/sim/terima/", {"operator": town.operator.pk, **form}).content.decode()
        assert words in page, words
        assert "text" not in form or str(form["text"]).strip() in page
    assert SimShipment.objects.count() == 0


def test_a_number_of_another_operators_range_is_refused(sign_in: SignIn, town: Town) -> None:
    client = sign_in("dataop")
    ask = {"operator": town.operator.pk, "ranges": "0812, +62 813 62814", "reason": "regulator"}
    assert "A range begins" in client.post("/data/sim/terima/rentang/", ask, follow=True).content.decode()
    assert NumberRange.objects.count() == 0
    client.post("/data/sim/terima/rentang/", {**ask, "ranges": "0812, +62813; 62814"})
    assert sorted(NumberRange.objects.values_list("prefix", flat=True)) == ["62812", "62813", "62814"]
    path = client.post("/data/sim/terima/", {"operator": town.operator.pk, "text": LIST})["Location"]
    page = client.get(path).content.decode()
    assert "ranges" in page and "There is nothing to take" in page
    Membership.objects.filter(login__username="dataop").update(role="VIEWER")
    assert client.get(path).status_code == 200
    for post, form in ((path, {"good": "1"}), ("/data/sim/terima/", ask), ("/data/sim/terima/rentang/", ask)):
        assert client.post(post, form).status_code == 403


def test_every_problem_of_a_row_has_its_sentence() -> None:
    from pathlib import Path

    source = Path(shipments.__file__).read_text()
    for code in receiving.PROBLEMS:
        assert f'"{code}"' in source or code.endswith(("_twice", "_known")), code


def test_gerai_sales_say_honestly_that_there_are_none(sign_in: SignIn, town: Town) -> None:
    client = sign_in("dataop")
    assert "nothing is estimated" in client.get("/data/gerai/").content.decode()
    answer = client.get("/data/gerai/csv/?bulan=2026-02")
    assert answer.content.decode() == (
        "\ufeffdate;gerai_code;gerai_name;item_code;item_kind;quantity;amount_idr;reference\r\n"
    )
    assert 'filename="gerai-2026-02.csv"' in answer["Content-Disposition"]
    assert client.get("/data/gerai/?bulan=kemarin").status_code == 404
