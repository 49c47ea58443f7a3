# SPDX-License-Identifier: Apache-2.0
"""TMP on pages: declare, close a month by two people, the report's files."""

from __future__ import annotations

import datetime as dt
import io

import pytest
from django.test import Client
from openpyxl import load_workbook
from tests.analytics.grid import local, off
from tests.flows.house import Town
from tests.web.pages.conftest import SignIn

from duaarah.analytics.models import Compensation, DeclaredLevel, TMPMonth
from duaarah.analytics.tmp.operations import give_due
from duaarah.people.models import Login, Membership, Unit
from duaarah.registry.models import Meter, NetworkNode
from duaarah.vending.models import Payment

pytestmark = pytest.mark.slow
PATH = "/operasi/tmp/"


@pytest.fixture
def pln(town: Town, sign_in: SignIn) -> Client:
    """A unit with one transformer; one of its houses was off for 34 hours in January, twice."""
    client = sign_in("pln")
    node = NetworkNode.objects.create(code="T1", kind="TRANSFORMER", unit=Unit.objects.get(code="pln"))
    Meter.objects.update(transformer=node)
    at = local("2026-01-05 08:00:00")
    off([town.houses[0].meter.pk], at, at + dt.timedelta(hours=30))
    off([town.houses[0].meter.pk], at + dt.timedelta(days=3), at + dt.timedelta(days=3, hours=4))
    return client


def test_a_unit_declares_closes_and_reports(pln: Client, town: Town) -> None:
    unit = Unit.objects.get(code="pln")
    page = pln.get(PATH).content.decode()
    assert "34.00" in page and "without a declared value nothing is owed" in page and "30 Apr 2026" in page
    for value, start in (("x", "2026-01-01"), ("800", "2026-01-01"), ("10", "soon")):
        pln.post(f"{PATH}deklarasi/", {"unit": unit.pk, "indicator": "HOURS", "value": value, "from": start})
    pln.post(f"{PATH}tutup/", {"unit": unit.pk, "month": "2026-01", "reason": "x"})
    pln.post(f"{PATH}tutup/", {"unit": "999", "month": "2026-01", "reason": "x"})
    assert not DeclaredLevel.objects.exists() and not TMPMonth.objects.exists()
    pln.post(f"{PATH}deklarasi/", {"unit": unit.pk, "indicator": "HOURS", "value": "1,5", "from": "2026-01-01"})
    pln.post(f"{PATH}tutup/", {"unit": unit.pk, "month": "2026-02", "reason": "x"})  # not over
    pln.post(f"{PATH}tutup/", {"unit": unit.pk, "month": "2026-01", "reason": " "})
    assert not TMPMonth.objects.exists()
    pln.post(f"{PATH}tutup/", {"unit": unit.pk, "month": "2026-01", "reason": "January"})
    month = TMPMonth.objects.get()
    own = pln.get(f"{PATH}{month.pk}/").content.decode()
    assert "somebody else decides" in own and "34.00" in own and town.houses[0].meter.drn in own
    pln.post(f"{PATH}{month.pk}/putuskan/", {"decision": "yes"})
    assert TMPMonth.objects.get().state == "PROPOSED"
    login = Login.objects.create_user("second")
    Membership.objects.create(login=login, unit=unit, role="APPROVER")
    second = Client(headers={"accept-language": "en"})
    second.force_login(login)
    second.post(f"{PATH}{month.pk}/putuskan/", {"decision": "yes"})
    assert TMPMonth.objects.get().state == "APPROVED" and not Payment.objects.exists()
    give_due(token_source=town.source, now=town.now)
    give_due(token_source=town.source, now=town.now)
    amount_idr = Compensation.objects.get().amount_idr
    assert Payment.objects.count() == 1 and amount_idr > 0
    csv = b"".join(pln.get(f"{PATH}?unduh=csv").streaming_content).decode("utf-8-sig").splitlines()
    assert csv[1] == f"2026-01;1,50;34,0000;;2;1;1;{amount_idr};1;closed, all are given"
    assert b"".join(pln.get(f"{PATH}?unduh=pdf").streaming_content).startswith(b"%PDF")
    sheet = load_workbook(io.BytesIO(b"".join(pln.get(f"{PATH}{month.pk}/?unduh=xlsx").streaming_content))).active
    assert [cell.value for cell in sheet[2]][3:6] == [2, "HOURS", 300]
    for bad in ("unit=999", "triwulan=x", "triwulan=1999-01"):
        assert pln.get(f"{PATH}?{bad}").status_code == 404


def test_who_only_looks_on_closes_nothing(pln: Client, town: Town) -> None:
    login = Login.objects.create_user("looks")
    Membership.objects.create(login=login, unit=Unit.objects.get(code="pln"), role="VIEWER")
    looks = Client()
    looks.force_login(login)
    assert looks.get(PATH).status_code == 200
    form = {"unit": Unit.objects.get(code="pln").pk, "indicator": "HOURS", "value": "1", "from": "2026-01-01"}
    assert looks.post(f"{PATH}deklarasi/", form).status_code == 403
    assert looks.post(f"{PATH}tutup/", {**form, "month": "2026-01", "reason": "x"}).status_code == 403
    assert not DeclaredLevel.objects.exists() and not TMPMonth.objects.exists()
