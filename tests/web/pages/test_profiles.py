# SPDX-License-Identifier: Apache-2.0
"""Load profiles: the most loaded first, one against another day or the weekend, and one meter's intervals from the store."""

from __future__ import annotations

import csv
import datetime as dt
import io
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from django.conf import settings
from tests.flows.house import House, Town
from tests.web.pages.conftest import SignIn

from duaarah.analytics.models import DailyLoad
from duaarah.clock.queries import now
from duaarah.readings import landing
from duaarah.readings.days import compact
from duaarah.registry.models import NetworkNode

pytestmark = pytest.mark.slow
PAGE = "/operasi/profil/"


def load(key: str, date: dt.date, *, scope: str = "TRANSFORMER", peak_w: float = 20_000.0, rated_va: int = 0) -> None:
    curve = [peak_w / 2 + (slot == 76) * peak_w / 2 for slot in range(96)]
    DailyLoad.objects.create(
        date=date, scope=scope, key=key, energy_wh=sum(curve) / 4, peak_w=peak_w, peak_minute=77 * 15,
        load_factor=sum(curve) / 96 / peak_w, coincidence=0.5, diversity=2.0, peak_va=None,
        utilisation=peak_w / rated_va if rated_va else None, period_s=900, curve_w=curve, duration_w=[], meters=9,
        meters_known=10, intervals=864, estimated=86, version=2, computed_at=now(),
    )  # fmt: skip


def rows_of(response: object) -> list[list[str]]:
    text = b"".join(response.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    return list(csv.reader(io.StringIO(text), delimiter=";"))


def test_the_most_loaded_first_and_one_against_another_day(sign_in: SignIn, town: Town, household: House) -> None:
    client = sign_in("pln")
    assert "No load of a whole day" in client.get(PAGE).content.decode()
    date = dt.date(2026, 2, 13)  # a Friday
    nodes = [
        NetworkNode.objects.create(code=f"T-{n}", kind="TRANSFORMER", rated_va=rated)
        for n, rated in enumerate((100_000, 25_000, None))
    ]
    load(str(nodes[0].pk), date, rated_va=100_000, peak_w=50_000)
    for back in range(14):
        weekend = (date - dt.timedelta(days=back)).weekday() > 4
        load(str(nodes[1].pk), date - dt.timedelta(days=back), rated_va=25_000, peak_w=14_000 if weekend else 27_000)
    load(str(nodes[2].pk), date, peak_w=90_000)
    load("R-1/TR", date, scope="TARIFF")
    page = client.get(PAGE).content.decode()
    assert page.index(">T-1</a>") < page.index(">T-0</a>") < page.index(">T-2</a>")
    for words in ("108", "27.00", "19:15", "1 above their rating", "0.500", "9 / 10", "10.0"):
        assert words in page, words
    one = f"{PAGE}?lingkup=gardu&kunci={nodes[1].pk}"
    found = client.get(f"{one}&banding=2026-02-08").content.decode()
    for words in ("13 Feb 2026", "8 Feb 2026", "14.00", "27.00", "25 kVA", "14 of 30 days"):
        assert words in found, words
    weekly = client.get(f"{one}&pekan=1").content.decode()
    assert "Mean working day (10)" in weekly and "Mean day of a weekend (4)" in weekly and "14.00" in weekly
    assert "No load was told of 1 Jan 2020" in client.get(f"{one}&banding=2020-01-01").content.decode()
    rows = rows_of(client.get(f"{one}&banding=2026-02-08&grafik=beban&bentuk=csv"))
    assert ["19:00", "27", "14"] in rows and ["18:45", "13,5", "7"] in rows
    assert rows_of(client.get(f"{PAGE}?lingkup=tarif&unduh=csv"))[1][1:4] == ["R-1/TR", "242,500000", "20,000000"]
    assert "R-1/TR" in client.get(f"{PAGE}?lingkup=tarif&kunci=R-1/TR").content.decode()
    for wrong in ("lingkup=x", "kunci=99", "kunci=²", "lingkup=tarif&kunci=B-3", "hari=2026-02-30", "unit=0"):
        assert client.get(f"{PAGE}?{wrong}").status_code == 404, wrong


def test_a_meters_month_comes_from_the_store_fast(
    sign_in: SignIn, town: Town, household: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "readings").mkdir()
    monkeypatch.setattr(settings, "READINGS_FOLDER", tmp_path / "readings")
    client, page = sign_in("dataop"), f"/operasi/meter/{household.meter.drn}/profil/"
    assert "No interval of this meter" in client.get(page).content.decode()
    # January by the meter's clock, 18:45 the highest; the 5th is not told at all.
    begin = dt.datetime(2025, 12, 31, 17, tzinfo=dt.UTC)
    slots = np.array([slot for slot in range(31 * 96) if slot // 96 != 4])
    energy = np.where(slots % 96 == 75, 400.0, 50.0)
    ends = [begin + dt.timedelta(minutes=15) * (int(slot) + 1) for slot in slots]
    columns = {"meter_id": [household.meter.pk] * len(slots), "ts": ends, "period_s": [900] * len(slots)}
    volts = np.where(slots % 96 == 75, 195.5, 220.0)
    landing.land_columns(pa.table({**columns, "energy_wh": energy, "voltage_v": volts}))
    compact(open_too=True)
    day = client.get(f"{page}?hari=2026-01-04").content.decode()
    for words in ("5.15", "1.600 · 19:00", "195.5", "outside the limits", "1.04 percent", "96 of 96 intervals"):
        assert words in day, words
    assert "No interval of this meter" in client.get(f"{page}?hari=2026-01-05").content.decode()
    client.get(f"{page}?rentang=bulan&hari=2026-01-09")
    begun_s = time.perf_counter()
    month = client.get(f"{page}?rentang=bulan&hari=2026-01-09").content.decode()
    took_s = time.perf_counter() - begun_s
    assert took_s < 1.0
    for words in ("1 Jan 2026 – 31 Jan 2026", "2880 of 2976", "154.50", "96.8 percent of what was due"):
        assert words in month, words
    assert len(month) < 200_000
    week = client.get(f"{page}?rentang=minggu&hari=2026-01-09").content.decode()
    assert "5 Jan 2026 – 11 Jan 2026" in week and "576 of 672" in week
    rows = rows_of(client.get(f"{page}?rentang=bulan&hari=2026-01-09&unduh=csv"))
    assert len(rows) == 2881 and rows[1][:3] == ["2026-01-01T00:15:00+07:00", "900", "50,000"]
    for wrong in ("rentang=tahun", "hari=x"):
        assert client.get(f"{page}?{wrong}").status_code == 404
