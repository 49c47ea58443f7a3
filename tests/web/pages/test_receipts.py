"""The explained receipt: every rupiah adds up on the page and in the file, and what is not his does not exist."""

from __future__ import annotations

import base64
import re
import zlib

import pytest
from django.test import Client
from tests.flows.house import House, Town
from tests.web.pages.conftest import SignIn

from duaarah.registry.models import Meter
from duaarah.vending.models import Quote, Vend
from duaarah.vending.operations import top_up

pytestmark = pytest.mark.slow


def buy(town: Town, house: House, amount_idr: int, reference: str) -> Vend:
    house.pairing.meter.refresh_from_db()
    return top_up(
        pairing=house.pairing,
        amount_idr=amount_idr,
        channel=town.channel,
        reference=reference,
        token_source=town.source,
        now=town.now,
    ).vend


def cells(page: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    return [[re.sub(r"<[^>]+>", " ", cell).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)] for row in rows]


def words_of(pdf: bytes) -> str:
    """What the pages show: ASCII keeps its codes in the embedded fonts."""
    found = []
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            content = zlib.decompress(base64.a85decode(stream.strip(), adobe=False) if b"~>" not in stream else
                                      base64.a85decode(b"<~" + stream.strip(), adobe=True))  # fmt: skip
        except (ValueError, zlib.error):
            continue
        if b" Tf" in content:
            found += [part.decode("latin-1") for part in re.findall(rb"\(((?:\\.|[^()\\])*)\) Tj", content)]
    return " ".join(found)


def get(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_every_rupiah_is_explained(town: Town, household: House, sign_in: SignIn) -> None:
    vend = buy(town, household, 50_000, "one")
    client = sign_in("household")
    assert f"/rumah/token/{vend.pk}/struk/" in get(client, f"/rumah/token/{vend.pk}/")
    page = get(client, f"/rumah/token/{vend.pk}/struk/")
    rows = {row[0]: row[1:] for row in cells(page) if len(row) == 3}
    assert {label: row[0] for label, row in rows.items()} == {
        "Stamp duty": "Rp 0",
        "Street lighting tax (PPJ)": "Rp 1,456.31",
        "Value added tax (PPN)": "Rp 0",
        "Electricity": "Rp 48,543.69",
        "Energy": "33.6 kWh",
        "Rounding": "-Rp 1.77",
        "Paid": "Rp 50,000",
    }
    assert rows["Street lighting tax (PPJ)"][1].startswith("Rp 50,000 × 0.03 / (1 + 0.03) = Rp 1,456.31 ")
    assert rows["Energy"][1].startswith("Rp 48,543.69 / 1,444.70 Rp/kWh = 33.6012 kWh → 33.6 kWh ")
    assert "Permen ESDM 28/2016; 7/2024" in rows["Electricity"][1] and "UU 10/2020" in rows["Stamp duty"][1]
    assert "Compared with the token before" not in page


def test_in_indonesian_with_its_own_marks(town: Town, household: House, sign_in: SignIn) -> None:
    vend = buy(town, household, 50_000, "one")
    client = sign_in("household")
    page = client.get(f"/rumah/token/{vend.pk}/struk/", headers={"accept-language": "id"}).content.decode()
    assert "Rp 48.543,69 / 1.444,70 Rp/kWh = 33,6012 kWh" in page


def test_the_page_says_what_changed_and_what_did_not(town: Town, household: House, sign_in: SignIn) -> None:
    first = buy(town, household, 50_000, "one")
    same = buy(town, household, 50_000, "two")
    Meter.objects.filter(pk=household.meter.pk).update(region="Bandung")
    other = buy(town, household, 100_000, "three")
    client = sign_in("household")
    assert "Nothing changed: the same rate" in get(client, f"/rumah/token/{same.pk}/struk/")
    rows = [row for row in cells(get(client, f"/rumah/token/{other.pk}/struk/")) if len(row) == 4]
    causes = [row for row in rows if row[0] in ("Nominal", "Street lighting tax (PPJ)", "Rounding")][-3:]
    assert causes == [
        ["Nominal", "Rp 50,000", "Rp 100,000", "+33.60 kWh"],
        ["Street lighting tax (PPJ)", "3 %", "6 %", "-1.90 kWh"],
        ["Rounding", "-Rp 1.77", "-Rp 0.71", "+0.00 kWh"],
    ]
    # The first one is shown as it was booked, though the meter's region has changed.
    page = get(client, f"/rumah/token/{first.pk}/struk/")
    assert "× 0.03 /" in page and "UU 1/2022" in page


def test_the_file_says_what_the_page_says(town: Town, household: House, sign_in: SignIn) -> None:
    buy(town, household, 20_000, "one")
    vend = buy(town, household, 50_000, "two")
    answer = sign_in("household").get(f"/rumah/token/{vend.pk}/struk/?unduh=pdf")
    pdf = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    assert answer["Content-Type"] == "application/pdf" and pdf.startswith(b"%PDF-")
    assert f"struk-{vend.pk}.pdf" in answer["Content-Disposition"]
    words = words_of(pdf)
    for said in ("Receipt explained", "Rp 48,543.69", "33.6 kWh", "UU 1/2022; Perda", "Compared with", "+20.16 kWh"):
        assert said in words, (said, words)
    assert vend.token.digits[:8] not in words


def test_what_is_not_his_does_not_exist(town: Town, household: House, sign_in: SignIn) -> None:
    vend = buy(town, household, 50_000, "one")
    for suffix in ("", "?unduh=pdf"):
        assert sign_in("fleet").get(f"/rumah/token/{vend.pk}/struk/{suffix}").status_code in (403, 404)
        assert sign_in("nobody").get(f"/rumah/token/{vend.pk}/struk/{suffix}").status_code == 302


def test_a_purchase_keeps_where_it_was_made(town: Town, household: House) -> None:
    buy(town, household, 50_000, "one")
    stored = Quote.objects.get()
    assert (stored.region, stored.contracted_va, stored.discount_sen) == ("Depok", 1300, 0)
