# SPDX-License-Identifier: Apache-2.0
"""A meter's interval quality: the month by days, raw beside counted, an edit looked at twice, written once and undone."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from django.conf import settings
from tests.flows.house import House, Town
from tests.web.pages.conftest import SignIn

from duaarah.analytics.models import DailyLoad, ReadingEdit
from duaarah.analytics.vee.catch_up import catch_up
from duaarah.audit.models import AuditRecord
from duaarah.clock.queries import now
from duaarah.people.models import Membership
from duaarah.readings import landing
from duaarah.readings.days import compact
from duaarah.registry.models import Meter, NetworkNode
from duaarah.web.utility.quality import spread

DATE = dt.date(2026, 2, 12)
QUARTER = dt.timedelta(minutes=15)


def test_a_sum_spread_over_intervals_adds_up() -> None:
    for text, count in (("100", 3), ("0", 4), ("0.001", 7), ("12.5", 1), ("1.5", 96)):
        parts = spread(Decimal(text), count)
        assert len(parts) == count and sum(parts) == Decimal(text) and min(parts) >= 0


@pytest.fixture
def page(town: Town, household: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two local days of 50 Wh a quarter; from 03:00 to 04:00 of the second one nothing, at 10:00 more than the fuse."""
    (tmp_path / "readings").mkdir()
    monkeypatch.setattr(settings, "READINGS_FOLDER", tmp_path / "readings")
    node = NetworkNode.objects.create(code="T-1", kind="TRANSFORMER")
    Meter.objects.filter(pk=household.meter.pk).update(transformer=node, contracted_va=1300)
    begin = dt.datetime.combine(DATE - dt.timedelta(days=1), dt.time(), dt.UTC) - dt.timedelta(hours=7)
    rows = [
        (household.meter.pk, begin + QUARTER * n, 900, 9000.0 if n == 96 + 40 else 50.0, 1e6 + 50.0 * n, 220.0)
        for n in range(1, 193)
        if not 96 + 12 < n <= 96 + 16
    ]
    names = ("meter_id", "ts", "period_s", "energy_wh", "register_wh", "voltage_v")
    landing.land_columns(pa.table({name: [row[at] for row in rows] for at, name in enumerate(names)}))
    compact(open_too=True)
    catch_up(now=now())
    return f"/operasi/meter/{household.meter.drn}/mutu/"


@pytest.mark.slow
def test_the_month_says_what_is_sound_and_the_day_shows_raw_beside_counted(sign_in: SignIn, page: str) -> None:
    client = sign_in("dataop")
    found = client.get(f"{page}?hari={DATE}").content.decode()
    cells = re.findall(r'<td class="(\w+)"[^>]*><a href="\?hari=([-\d]+)"><b>\d+</b></a>(.*?)</td>', found)
    states = {date: (sign, re.findall(r"state\">([^<]+)", words)) for sign, date, words in cells}
    assert states["2026-02-11"] == ("nyala", ["complete"]) and states["2026-02-09"] == ("habis", ["nothing told"])
    assert states["2026-02-12"][0] == "diam" and states["2026-02-12"][1] == ["5 estimated"]
    for words in (
        "more than the fuse lets through (1)",
        "9,000.0",
        "a line between its neighbours",
        "from the register",
    ):
        assert words in found, words
    assert "Set values by hand" not in found
    assert client.post(f"{page}sunting/").status_code == 403
    assert sign_in("pln").get(f"{page}?hari=x").status_code == 404
    rows = b"".join(client.get(f"{page}?hari={DATE}&unduh=csv").streaming_content).decode("utf-8-sig").splitlines()
    assert "2026-02-12T10:00:00+07:00;9000,000;50,000;estimated;spike register;2" in [r.strip() for r in rows]
    empty = client.get(f"{page}?hari=2025-02-12").content.decode()
    assert empty.count("nothing told") >= 28 and "No interval data of the last 28 days" in empty


@pytest.mark.slow
def test_an_edit_is_seen_twice_written_once_and_undone(sign_in: SignIn, page: str, household: House) -> None:
    client = sign_in("pln")
    form = {"hari": str(DATE), "dari": "13", "sampai": "16", "wh": "80,4", "cara": "jumlah", "alasan": "read on site"}
    for wrong in (
        {"alasan": " "},
        {"wh": "-1"},
        {"wh": "x"},
        {"dari": "17"},
        {"sampai": "97"},
        {"wh": "NaN"},
        {"hari": "2026-02-17"},
    ):
        assert client.post(f"{page}sunting/", {**form, **wrong}).status_code == 302
    for date in ("2026-01-02", "2031-01-02"):
        nothing = client.post(f"{page}sunting/", {**form, "hari": date}, follow=True).content.decode()
        assert "No reading of any meter is here for this day" in nothing
    look = client.post(f"{page}sunting/", form).content.decode()
    assert "Is this what you mean?" in look and "200.0" in look and "80.4" in look and "20.1" in look
    assert not ReadingEdit.objects.exists()
    seen = re.search(r'name="terlihat" value="(\w+)"', look)
    assert seen is not None
    again = client.post(f"{page}sunting/", {**form, "yakin": "1", "terlihat": "0" * 24}).content.decode()
    assert "have changed meanwhile" in again and not ReadingEdit.objects.exists()
    sure = {**form, "yakin": "1", "terlihat": seen[1]}
    assert client.post(f"{page}sunting/", sure).status_code == 302
    assert ReadingEdit.objects.filter(undone_at=None, former_energy_wh=50.0).count() == 4
    waiting = client.get(f"{page}?hari={DATE}").content.decode()
    assert "20.1 Wh from the next check on" in waiting and "waits to be judged again" in waiting
    before = DailyLoad.objects.get(date=DATE, scope="TRANSFORMER", superseded_at=None)
    catch_up(now=now())
    after = DailyLoad.objects.get(date=DATE, scope="TRANSFORMER", superseded_at=None)
    assert before.energy_wh - after.energy_wh == pytest.approx(200 - 80.4) and after.version == before.version + 1
    judged = client.get(f"{page}?hari={DATE}").content.decode()
    assert "4 set by hand" in judged and "read on site (pln)" in judged and "from the next check" not in judged
    assert client.post(f"{page}sunting/", sure).status_code == 200  # what was seen is no more: a second look again
    edit = ReadingEdit.objects.filter(undone_at=None).first()
    assert edit is not None
    assert client.post(f"{page}{edit.pk}/batal/").status_code == 302
    assert client.post(f"{page}{edit.pk}/batal/").status_code == 302
    catch_up(now=now())
    assert DailyLoad.objects.get(date=DATE, scope="TRANSFORMER", superseded_at=None).energy_wh == before.energy_wh
    assert list(
        AuditRecord.objects.filter(verb__startswith="reading.").order_by("pk").values_list("verb", flat=True)
    ) == [
        "reading.edit",
        "reading.edit_undo",
    ]
    Membership.objects.filter(login__username="pln").update(role="VIEWER")
    assert client.post(f"{page}sunting/", form).status_code == 403
