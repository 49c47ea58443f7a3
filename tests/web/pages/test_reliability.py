# SPDX-License-Identifier: Apache-2.0
"""The page of SAIDI and SAIFI: figures with their denominators, files, exclusions by two people."""

from __future__ import annotations

import datetime as dt
import io
import re

import pytest
from django.test import Client
from openpyxl import load_workbook
from tests.analytics.grid import off
from tests.flows.house import Town
from tests.web.pages.conftest import SignIn

from duaarah.analytics.models import Exclusion, MedYear
from duaarah.analytics.reliability.catch_up import catch_up
from duaarah.people.models import Approval, Login, Membership, Unit

pytestmark = pytest.mark.slow
PATH = "/operasi/keandalan/"


@pytest.fixture
def pln(town: Town, sign_in: SignIn) -> Client:
    """Three houses, one of them off for ninety minutes yesterday."""
    at = town.now - dt.timedelta(days=1)
    off([town.houses[0].meter.pk], at, at + dt.timedelta(minutes=90))
    catch_up(now=town.now)
    return sign_in("pln")


def test_figures_and_denominators(pln: Client) -> None:
    text = pln.get(f"{PATH}?bulan=2026-02").content.decode()
    assert "30.00" in text and "0.3333" in text and "90.00" in text  # SAIDI, SAIFI, CAIDI of three customers
    assert "0.500" in text  # PLN's hours
    assert "2 of 16 days are counted; 3 customers served on average (N_T)." in text
    assert "No major event day." in text and "Nothing is left out." in text
    year = pln.get(f"{PATH}?tahun=2026&dasar=planned").content.decode()
    assert "30.00" not in year and "Feb 2026" in year
    for bad in ("lingkup=X:1", "lingkup=UTILITY:1", "lingkup=FEEDER:x", "bulan=2026-13", "tahun=1", "dasar=x"):
        assert pln.get(f"{PATH}?{bad}").status_code == 404, bad


def test_all_indices_are_told_without_major_event_days_too(pln: Client, town: Town) -> None:
    MedYear.objects.create(year=2026, alpha=0, beta=0, days=2, t_med_min=20, provisional=True, computed_at=town.now)
    text = pln.get(f"{PATH}?bulan=2026-02").content.decode()
    assert "15 Feb 2026" in text and "No major event day." not in text
    row = re.search(r"<b>CTAIDI</b>.*?</tr>", text, re.DOTALL)
    assert row is not None and re.findall(r">([-0-9.]+)</td>", row[0]) == ["90.00", "-"]  # nobody is left: not defined
    row = re.search(r"<b>SAIDI</b>.*?</tr>", text, re.DOTALL)
    assert row is not None and re.findall(r">([-0-9.]+)</td>", row[0]) == ["30.00", "0.00"]


def test_its_chart_is_a_file_for_whoever_may_see_the_page(pln: Client, sign_in: SignIn) -> None:
    page = pln.get(f"{PATH}?bulan=2026-02").content.decode()
    assert "SAIDI: least" in page and "2 of 16 days are counted." in page
    address = 'href="?bulan=2026-02&amp;grafik=saidi&amp;bentuk='
    assert all(address + form in page for form in ("png", "csv", "xlsx", "pdf"))
    table = b"".join(pln.get(f"{PATH}?bulan=2026-02&grafik=saidi&bentuk=csv")).decode("utf-8-sig")
    assert "2026-02-15;30\r\n" in table and "2026-02-17" not in table
    assert pln.get(f"{PATH}?tahun=2026&bentuk=png").content.startswith(b"\x89PNG")
    wrong = pln.get(f"{PATH}?bentuk=exe")
    assert wrong.status_code == 400 and "is none of them" in wrong.content.decode()
    assert sign_in("dataop").get(f"{PATH}?bentuk=csv").status_code == 403


def test_files(pln: Client) -> None:
    csv = b"".join(pln.get(f"{PATH}?bulan=2026-02&unduh=csv").streaming_content).decode("utf-8-sig").splitlines()
    assert csv[0].startswith("Date;N_T;CI;CMI;") and "2026-02-15;3;1;90,000000;30,000000;0,333333;0;0;0;0" in csv
    sheet = load_workbook(io.BytesIO(b"".join(pln.get(f"{PATH}?bulan=2026-02&unduh=xlsx").streaming_content))).active
    assert sheet.max_row == 17
    assert b"".join(pln.get(f"{PATH}?unduh=pdf").streaming_content).startswith(b"%PDF")


def test_an_exclusion_needs_a_reason_and_a_second_person(pln: Client, town: Town) -> None:
    pln.post(f"{PATH}kecualikan/", {"date": "2026-02-14", "reason": " "})
    pln.post(f"{PATH}kecualikan/", {"date": "", "number": "", "reason": "storm"})
    pln.post(f"{PATH}kecualikan/", {"number": "999", "reason": "storm"})
    assert not Approval.objects.filter(verb="reliability.exclude").exists()
    pln.post(f"{PATH}kecualikan/", {"date": "2026-02-14", "reason": "storm"})
    asked = Approval.objects.get(verb="reliability.exclude")
    assert "somebody else decides" in pln.get(PATH).content.decode()
    pln.post(f"{PATH}kecualikan/{asked.pk}/", {"decision": "yes"})
    assert not Exclusion.objects.exists()
    second = Client(headers={"accept-language": "en"})
    login = Login.objects.create_user("second")
    Membership.objects.create(login=login, unit=Unit.objects.get(code="pln"), role="APPROVER")
    second.force_login(login)
    assert "storm" in second.get(PATH).content.decode()
    second.post(f"{PATH}kecualikan/{asked.pk}/", {"decision": "yes"})
    assert Exclusion.objects.get().date == dt.date(2026, 2, 14)
    assert "storm" in pln.get(PATH).content.decode()
